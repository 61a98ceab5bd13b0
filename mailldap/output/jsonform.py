"""Results as data: the stable, versioned shapes that other programs rely on."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mailldap.errors import AddressTaken, ConfigError, LdapRefusal, LdifError, MailldapError
from mailldap.output.escape import json_safe

if TYPE_CHECKING:  # a short command has only what it prints
    from mailldap.audit.finding import Finding
    from mailldap.ldap.entry import Entry
    from mailldap.provision.bulk import ImportReport, Refused
    from mailldap.provision.result import Result
    from mailldap.simulate.result import Resolution, SenderList, SenderOwners, SenderVerdict
    from mailldap.simulate.trace import Step
    from mailldap.tables.base import Answer, Probe

VERSION = 1

Form = dict[str, Any]


def as_json(form: Any) -> str:
    r"""Return *form* as indented JSON text with one newline at the end.

    Bytes that are not UTF-8 appear as lone surrogates ``\udcXX`` (Python's surrogateescape);
    nothing in the text can control a terminal.
    """
    return json_safe(json.dumps(form, ensure_ascii=False, indent=2)) + "\n"


def as_yaml(form: Any) -> str:
    """Return *form* as YAML text."""
    import yaml

    return yaml.safe_dump(form, sort_keys=False, allow_unicode=False, width=sys.maxsize)


class ListText:
    """The text of a list, item by item: what as_json or as_yaml gives for all of it."""

    def __init__(self, output: str) -> None:
        """*output* is "json" or "yaml"."""
        self._json = output == "json"
        self._empty = True

    def item(self, form: Any) -> str:
        """Return the text that the next item adds."""
        start = "[\n  " if self._empty else ",\n  "
        self._empty = False
        if not self._json:
            return as_yaml([form])
        return start + as_json(form).removesuffix("\n").replace("\n", "\n  ")

    def end(self) -> str:
        """Return the text that ends the list."""
        if self._empty:
            return "[]\n"
        return "\n]\n" if self._json else ""


def one_or_list(forms: list[Form]) -> Form | list[Form]:
    """Return the only form by itself, several as a list."""
    return forms[0] if len(forms) == 1 else forms


def error_form(error: MailldapError) -> Form:
    """Return the shape of an error."""
    form: Form = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, AddressTaken):
        form |= {"address": error.address, "owners": list(error.owners)}
    if isinstance(error, LdapRefusal):
        form["result"] = error.result
    if isinstance(error, LdifError | ConfigError):
        form |= {"file": error.file, "line": error.line}
    return {"version": VERSION, "error": form}


def lookup_form(key: str, answer: Answer) -> Form:
    """Return the shape of one table lookup."""
    from mailldap.tables.base import Failed, Found

    form: Form = {"version": VERSION, "key": key, "status": "not-found", "value": None}
    form["error"] = None
    if isinstance(answer, Found):
        form |= {"status": "found", "value": answer.value}
    elif isinstance(answer, Failed):
        form |= {"status": "error", "error": answer.message}
    return form


def entry_form(entry: Entry) -> Form:
    """Return an entry as ``{"dn": …, attribute: [values]}``.

    A value that is not UTF-8 is ``{"base64": …}``.
    """
    form: Form = {"version": VERSION, "dn": entry.dn}
    for name, values in entry:
        form[name] = [_value(value) for value in values]
    return form


def _value(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def results_form(results: Iterable[Result]) -> Form:
    """Return what provisioning did, value by value."""
    return {
        "version": VERSION,
        "results": [
            {
                "dn": r.dn,
                "state": r.state.value.replace(" ", "-"),
                "attribute": r.attribute,
                "value": r.value,
                "source": r.source,
            }
            for r in results
        ],
    }


def import_form(name: str, report: ImportReport, refused: Sequence[Form]) -> Form:
    """Return what an import did; *name* is the file's, *refused* made by :func:`refused_form`."""
    return {
        "version": VERSION,
        "file": name,
        "complete": report.complete,
        "done": report.done,
        "already": report.already,
        "refused": refused,
        "faults": [error_form(fault)["error"] for fault in report.faults],
        "stopped": report.stopped,
    }


def refused_form(refused: Refused) -> Form:
    """Return a record that the directory refused; ``line`` is where it begins."""
    return {
        "line": refused.line,
        "dn": refused.change.dn,
        **error_form(refused.error)["error"],
    }


def resolution_form(resolution: Resolution, *, steps: bool = False) -> Form:
    """Return the shape of ``resolve`` and ``route``; *steps* adds what ``--trace`` shows more."""
    form: Form = {
        "version": VERSION,
        "query": resolution.query,
        "outcome": resolution.outcome,
        "reason": resolution.reason,
        "dsn": resolution.dsn,
        "recipients": [
            {
                "address": r.address,
                "class": r.address_class,
                "transport": r.transport,
                "nexthop": r.nexthop,
                "outcome": r.outcome,
                "dsn": r.dsn,
                "reason": r.reason,
            }
            for r in resolution.recipients
        ],
        "trace": [_probe_form(probe) for probe in resolution.trace],
    }
    if steps:
        form["steps"] = [_step_form(step) for step in resolution.steps]
    return form


def _step_form(step: Step) -> Form:
    """Return the shape of one step of ``--trace``."""
    return {
        "step": step.kind,
        "rule": step.rule,
        "from": step.before,
        "to": list(step.after),
        "level": step.level,
        "lookups": step.lookups,
    }


def _probe_form(probe: Probe) -> Form:
    return {
        "table": probe.table,
        "key": probe.key,
        "base": probe.base,
        "filter": probe.filter,
        "entries": list(probe.entries),
        "result": probe.result,
        "error": probe.error,
    }


def verdict_form(verdict: SenderVerdict) -> Form:
    """Return the shape of ``sender check``."""
    return {
        "version": VERSION,
        "login": verdict.login,
        "sender": verdict.sender,
        "allowed": verdict.allowed,
        "reply": verdict.reply,
        "owners": list(verdict.owners),
        "table_key": verdict.table_key,
    }


def owners_form(found: SenderOwners) -> Form:
    """Return the shape of ``sender owners``."""
    return {
        "version": VERSION,
        "sender": found.sender,
        "owners": list(found.owners),
        "table_key": found.table_key,
        "error": found.error,
    }


def sender_list_form(found: SenderList) -> Form:
    """Return the shape of ``sender list``."""
    return {
        "version": VERSION,
        "login": found.login,
        "addresses": list(found.addresses),
        "unlisted": list(found.unlisted),
        "error": found.error,
    }


def findings_form(findings: Iterable[Finding]) -> Form:
    """Return the shape of every audit."""
    return {
        "version": VERSION,
        "findings": [
            {
                "code": f.code,
                "severity": f.severity,
                "file": f.file,
                "line": f.line,
                "parameter": f.parameter,
                "message": f.message,
                "fix": f.fix,
            }
            for f in findings
        ],
    }
