"""What the servers are like, for people; everything from a server is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailldap.output.escape import visible

if TYPE_CHECKING:
    from mailldap.admin.protection import Protection
    from mailldap.admin.schema import SchemaReport
    from mailldap.admin.status import ServerStatus, Status


def schema_report_text(report: SchemaReport) -> str:
    """Return what the server has of the schema: the variant, and what is not as it should be."""
    lines = [f"{visible(report.uri)}: {visible(report.server)}, schema {report.variant.value}\n"]
    lines += [f"  ! {visible(problem)}\n" for problem in report.problems]
    lines += [f"  note: {visible(note)}\n" for note in report.notes]
    if report.hint:
        lines.append(f"  mend: {visible(report.hint)}\n")
    return "".join(lines)


def status_text(status: Status) -> str:
    """Return a paragraph a server, what is wrong with it marked with ``!``, then the notes."""
    lines = [line for server in status.servers for line in _server_lines(server)]
    lines += [f"{visible(note)}\n" for note in status.notes]
    return "".join(lines)


def _server_lines(s: ServerStatus) -> list[str]:
    state = "cannot be asked" if s.error else "has problems" if s.problems else "ok"
    is_server = s.seconds is not None
    facts = [
        ("server", " ".join(word for word in (s.product, s.version) if word)),
        ("identity", s.identity or ("anonymous" if is_server else "")),
        ("answered", f"in {s.seconds * 1000:.0f} ms" if s.seconds is not None else ""),
        ("suffixes", "; ".join(s.suffixes)),
        ("base", _base_text(s)),
        ("recipients", _count_text(s)),
        ("schema", s.schema.variant.value if s.schema else ""),
        *(("", note) for note in (s.schema.notes if s.schema else ())),
        *_protection_facts(s.protection),
        ("bulk", "in transactions" if s.transactions else ""),
        *(
            ("changes", f"up to {c.time:%Y-%m-%d %H:%M:%S}Z of server {c.origin}")
            for c in s.changes
        ),
        ("behind", f"{s.lag:g} s" if s.lag is not None else ""),
    ]
    lines = [f"{visible(s.uri)}: {state}\n"]
    lines += [f"  {name:<11}{visible(text)}\n" for name, text in facts if text]
    lines += [f"  ! {visible(problem)}\n" for problem in s.problems]
    return lines


def _base_text(s: ServerStatus) -> str:
    if s.base is None:
        return ""
    return s.base if s.base_found else f"{s.base} (not there, or not shown)"


def _count_text(s: ServerStatus) -> str:
    if s.recipients is None:
        return ""
    return str(s.recipients) if s.recipients_complete else f"at least {s.recipients}"


def _protection_facts(found: Protection | None) -> list[tuple[str, str]]:
    """Return what the server's own configuration does for addresses, where it is shown."""
    if found is None:
        return []
    unique = [
        f"{rule.by} on {', '.join(rule.attributes)}"
        + (", across them" if rule.across else "")
        + (", serialized" if rule.serialized else "")
        for rule in found.unique
    ]
    return [
        ("indexed", ", ".join(found.indexed)),
        ("unique", "; ".join(unique) or "not enforced by the server"),
    ]
