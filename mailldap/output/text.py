"""Results for people. Everything from a directory or a file is escaped; nothing is cut short.

rich is imported only where a terminal is there to show its tables; piped, the same rows are
lines of tab-separated fields.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailldap.ldap.entry import Entry
from mailldap.output.escape import visible
from mailldap.provision.result import Result, State


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


def entries_text(entries: Sequence[Entry], *, color: bool) -> str:
    """Return one row a recipient: uid, addresses, routing."""
    rows = [
        (
            " ".join(entry.texts("uid")) or entry.dn,
            ", ".join([*entry.texts("mail"), *entry.texts("mailAlternateAddress")]),
            ", ".join(entry.texts("mailRoutingAddress")),
        )
        for entry in entries
    ]
    return rows_text(("uid", "addresses", "routing"), rows, color=color)


def rows_text(header: Sequence[str], rows: Sequence[Sequence[str]], *, color: bool) -> str:
    """Return *rows* as a table on a terminal (*color*), else as lines with tabs."""
    escaped = [[visible(cell) for cell in row] for row in rows]
    if not color:
        return "".join("\t".join(row) + "\n" for row in escaped)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in escaped:
        table.add_row(*(Text(cell) for cell in row))  # Text: markup in data is not obeyed
    console = Console(highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
