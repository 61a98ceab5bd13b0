"""Results for people. Everything from a directory or a file is escaped; nothing is cut short.

rich is imported only where a terminal is there to show its tables; piped, the same rows are
lines of tab-separated fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailldap.admin.protection import Protection
from mailldap.admin.schema import SchemaReport
from mailldap.admin.status import Status
from mailldap.audit.finding import Finding
from mailldap.ldap.entry import Entry
from mailldap.output.escape import visible
from mailldap.provision.result import Result, State
from mailldap.simulate.result import Recipient, Resolution, SenderVerdict
from mailldap.tables.base import Probe


def results_text(results: Sequence[Result]) -> str:
    """Return one line a value: what became of it and where."""
    lines = []
    for r in results:
        what = f"{r.attribute}: {r.value}" if r.attribute else "entry"
        where = f"{r.source} -> {r.dn}" if r.source else r.dn
        mark = {State.ALREADY: "=", State.ABSENT: "="}.get(r.state, "*")
        lines.append(f"{mark} {r.state.value}\t{visible(what)}\t{visible(where)}\n")
    return "".join(lines)


def entry_text(entry: Entry) -> str:
    """Return an entry as ``name: value`` lines under its DN."""
    lines = [f"{visible(entry.dn)}\n"]
    for name in dict.fromkeys(name for name, _ in entry):
        lines += [f"  {visible(name)}: {visible(value)}\n" for value in entry.texts(name)]
    return "".join(lines)


def entry_row(entry: Entry) -> tuple[str, str, str]:
    """Return uid (or DN), addresses and routing of a recipient, not escaped."""
    return (
        " ".join(entry.texts("uid")) or entry.dn,
        ", ".join([*entry.texts("mail"), *entry.texts("mailAlternateAddress")]),
        ", ".join(entry.texts("mailRoutingAddress")),
    )


def table_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return *rows*, escaped, as a table for the terminal; long cells are folded, not cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))  # markup in a Text is not obeyed
    console = Console(highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def resolution_text(resolution: Resolution, *, trace: bool) -> str:
    """Return an address with its outcome, its recipients below it, and the trace if wanted."""
    words = [resolution.outcome, resolution.dsn, resolution.reason]
    head = [visible(resolution.query), *(visible(word) for word in words if word)]
    lines = ["\t".join(head) + "\n"]
    lines += [f"  {_recipient_text(recipient)}\n" for recipient in resolution.recipients]
    if trace:
        lines += [f"  | {line}\n" for probe in resolution.trace for line in _probe_lines(probe)]
    return "".join(lines)


def _recipient_text(r: Recipient) -> str:
    words = [r.address, f"{r.transport}:{r.nexthop}", f"class {r.address_class or 'unknown'}"]
    if r.outcome != "deliver":
        words += [r.outcome, *(word for word in (r.dsn, r.reason) if word)]
    return "\t".join(visible(word) for word in words)


def _probe_lines(probe: Probe) -> list[str]:
    """Return one question and its answer: the table and key, what was searched, what came."""
    lines = [f"{visible(probe.table)}  {visible(probe.key)}"]
    if probe.filter is not None:
        lines.append(f"    search {visible(probe.base or '')}  {visible(probe.filter)}")
    lines += [f"    entry  {visible(dn)}" for dn in probe.entries]
    if probe.error is not None:
        lines.append(f"    error  {visible(probe.error)}")
    elif probe.result is None:
        lines.append("    not found")
    else:
        lines.append(f"    result {visible(probe.result)}")
    return lines


def verdict_text(verdict: SenderVerdict) -> str:
    """Return whether the login may send as the address, and the reply if it may not."""
    words = {True: "allowed", False: "refused", None: "could not ask"}
    lines = [words[verdict.allowed]]
    if verdict.reply:
        lines.append(f"  reply   {visible(verdict.reply)}")
    if verdict.table_key is not None:
        owners = ", ".join(verdict.owners) or "nobody"
        lines.append(f"  owners  {visible(owners)} (by {visible(verdict.table_key)})")
    return "\n".join(lines) + "\n"


def findings_text(findings: Sequence[Finding]) -> str:
    """Return each finding as ``file:line: severity: parameter: message [code]``, mend below."""
    lines = []
    for f in findings:
        where = f"{f.file}:{f.line}" if f.line else f.file or "directory"
        about = f"{f.parameter}: " if f.parameter else ""
        lines.append(f"{visible(where)}: {f.severity}: {visible(about + f.message)} [{f.code}]\n")
        if f.fix:
            lines.append(f"  mend: {visible(f.fix)}\n")
    return "".join(lines)


def schema_report_text(report: SchemaReport) -> str:
    """Return what the server has of the schema: the variant, and what is not as it should be."""
    lines = [f"{visible(report.uri)}: {visible(report.server)}, schema {report.variant.value}\n"]
    lines += [f"  {visible(problem)}\n" for problem in report.problems]
    if report.hint:
        lines.append(f"  mend: {visible(report.hint)}\n")
    return "".join(lines)


def status_text(status: Status) -> str:
    """Return a paragraph a server, what is wrong with it marked with ``!``, then the notes."""
    lines = []
    for s in status.servers:
        lines.append(f"{visible(s.uri)}: {'unreachable' if s.error else 'ok'}\n")
        facts = [
            ("server", " ".join(word for word in (s.product, s.version) if word)),
            ("identity", s.identity),
            ("suffixes", "; ".join(s.suffixes)),
            ("recipients", s.recipients),
            ("schema", s.schema.variant.value if s.schema else None),
            ("unique", _unique_text(s.protection) if s.protection else None),
            ("behind", f"{s.lag:g} s" if s.lag is not None else None),
        ]
        lines += [f"  {name:<11}{visible(str(x))}\n" for name, x in facts if x not in {None, ""}]
        lines += [f"  ! {visible(problem)}\n" for problem in s.problems]
    lines += [f"{visible(note)}\n" for note in status.notes]
    return "".join(lines)


def _unique_text(protection: Protection) -> str:
    """Return what makes the server itself refuse a second owner."""
    return "; ".join(
        f"{rule.by} on {', '.join(rule.attributes)}"
        + (", across them" if rule.across else "")
        + (", serialized" if rule.serialized else "")
        for rule in protection.unique
    )
