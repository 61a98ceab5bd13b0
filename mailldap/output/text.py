"""Results for people. Everything from a directory or a file is escaped; nothing is cut short.

rich is imported only where a terminal is there to show its tables; piped, the same rows are
lines of tab-separated fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mailldap.output.escape import visible

if TYPE_CHECKING:  # a short command has only what it prints
    from mailldap.audit.finding import Finding
    from mailldap.ldap.entry import Entry
    from mailldap.provision.result import Result
    from mailldap.simulate.result import Recipient, Resolution, SenderVerdict
    from mailldap.simulate.trace import Step
    from mailldap.tables.base import Probe


def results_text(results: Sequence[Result]) -> str:
    """Return one line a value: what became of it and where."""
    lines = []
    for r in results:
        what = f"{r.attribute}: {r.value}" if r.attribute else "entry"
        where = f"{r.source} -> {r.dn}" if r.source else r.dn
        mark = "*" if r.changed else "="
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
        lines.append(trace_text(resolution.trace, resolution.steps))
    return "".join(lines)


def trace_text(trace: Sequence[Probe], steps: Sequence[Step] = ()) -> str:
    """Return the questions to tables in their order, below each table what it was asked.

    Between them stands what was done to addresses; of a loop of aliases the first round.
    """
    lines = ["  asked and done, in this order:" if trace or steps else "  no table was asked"]
    seen: set[Probe] = set()
    loop, last = _loop(steps)
    if loop is not None:
        steps = steps[: steps.index(loop)]
        trace = trace[: steps[-1].lookups]
    table = None
    for number in range(len(trace) + 1):
        done = [step for step in steps if step.lookups == number]
        lines += [f"    {_step_text(step)}" for step in done]
        if number == len(trace):
            break
        probe = trace[number]
        if done or probe.table != table:
            table = probe.table
            lines.append(f"    {visible(table)}")
        told = probe_lines(probe)
        if probe in seen:  # smtpd and cleanup ask the same things
            told = [f"{told[0]}  (again)"]
        seen.add(probe)
        lines += [f"      {line}" for line in told]
    if loop is not None:
        again = f"{visible(loop.before)} comes round again: a loop"
        lines.append(f"    {again}, which is followed up to a limit  (to level {last})")
    return "".join(f"{line}\n" for line in lines)


def _loop(steps: Sequence[Step]) -> tuple[Step | None, int]:
    """Return the step that begins the second round of a loop of aliases, and its last level.

    An address that becomes itself again at a higher level does so until a limit fails the message.
    """
    levels: dict[str, int] = {}
    first = None
    last = 0
    for step in steps:
        if step.kind != "alias":
            continue
        if step.level <= last and first is None:
            levels.clear()
        last = step.level
        if first is None and step.before.lower() in levels:
            first = step
        levels[step.before.lower()] = step.level
    return first, last


def _step_text(step: Step) -> str:
    """Return one line: what became of an address, and by which rule."""
    words = f"{step.rule}, level {step.level}" if step.level else step.rule
    if step.kind == "duplicate":
        return f"{visible(step.before)} is there already, and is left out  ({visible(words)})"
    if step.kind == "identity":
        return f"{visible(step.before)} is its own result, and stays  ({visible(words)})"
    after = ", ".join(map(visible, step.after))
    if step.kind == "copy":
        return f"a copy of mail for {visible(step.before)} goes to {after}  ({visible(words)})"
    if step.kind == "extension" and step.after == (step.before,):
        return f"{after}: the extension is left out  ({visible(words)})"
    return f"{visible(step.before)} -> {after}  ({visible(words)})"


def _recipient_text(r: Recipient) -> str:
    words = [r.address, f"{r.transport}:{r.nexthop}", f"class {r.address_class or 'unknown'}"]
    if r.outcome != "deliver":
        words += [r.outcome, *(word for word in (r.dsn, r.reason) if word)]
    return "\t".join(visible(word) for word in words)


def probe_lines(probe: Probe) -> list[str]:
    """Return a key with the answer, and below it what was searched and which entries came."""
    if probe.error is not None:
        answer = f"error: {visible(probe.error)}"
    elif probe.result is None:
        answer = "not found"
    else:
        answer = f"-> {visible(probe.result)}"
    lines = [f"{visible(probe.key)}  {answer}"]
    if probe.filter is not None:
        lines.append(f"  base   {visible(probe.base or '(the root)')}")
        lines.append(f"  filter {visible(probe.filter)}")
    lines += [f"  entry  {visible(dn)}" for dn in probe.entries]
    lines += [f"  ({visible(note)})" for note in probe.notes]
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
