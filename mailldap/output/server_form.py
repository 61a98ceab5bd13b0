"""What the servers are like, as data; see jsonform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailldap.output.jsonform import VERSION, Form

if TYPE_CHECKING:
    from mailldap.admin.protection import Protection
    from mailldap.admin.replication import ChangeStamp
    from mailldap.admin.schema import SchemaReport
    from mailldap.admin.status import ServerStatus, Status


def schema_form(report: SchemaReport) -> Form:
    """Return the shape of ``schema check``."""
    return {
        "version": VERSION,
        "uri": report.uri,
        "server": report.server,
        "variant": report.variant.value,
        "usable": report.usable,
        "problems": list(report.problems),
        "hint": report.hint,
        "notes": list(report.notes),
        "elements": [
            {
                "name": e.name,
                "oid": e.oid,
                "state": e.state.value,
                "found_name": e.found_name,
                "found_oid": e.found_oid,
                "equality": e.equality,
                "single_value": e.single_value,
            }
            for e in report.elements
        ],
    }


def status_form(status: Status) -> Form:
    """Return the shape of ``status``."""
    return {
        "version": VERSION,
        "base": status.base,
        "reachable": status.reachable,
        "notes": list(status.notes),
        "servers": [_server_form(server) for server in status.servers],
    }


def _server_form(s: ServerStatus) -> Form:
    return {
        "uri": s.uri,
        "error": s.error,
        "seconds": s.seconds,
        "product": s.product,
        "server_version": s.version,
        "identity": s.identity,
        "suffixes": list(s.suffixes),
        "base": s.base,
        "base_found": s.base_found,
        "recipients": s.recipients,
        "recipients_complete": s.recipients_complete,
        "transactions": s.transactions,
        "schema": s.schema.variant.value if s.schema else None,
        "protection": _protection_form(s.protection) if s.protection else None,
        "changes": [_change_form(stamp) for stamp in s.changes],
        "lag": s.lag,
        "problems": list(s.problems),
    }


def _protection_form(found: Protection) -> Form:
    return {
        "indexed": list(found.indexed),
        "unindexed": list(found.unindexed),
        "unique": [
            {
                "by": rule.by,
                "attributes": list(rule.attributes),
                "across": rule.across,
                "serialized": rule.serialized,
            }
            for rule in found.unique
        ],
    }


def _change_form(stamp: ChangeStamp) -> Form:
    return {"origin": stamp.origin, "time": stamp.time.isoformat(), "csn": stamp.text}
