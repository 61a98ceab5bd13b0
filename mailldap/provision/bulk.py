"""Entries and changes brought in from LDIF, in batches; a second run finishes a broken-off first.

What is so already is fine, so that an import can be run again until it is through: an entry that
is there and equal, a value that is there, an entry that is gone. What the directory refuses is
told with its place in the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from mailldap.directory.base import BulkWriter, Reader, Writer
from mailldap.errors import EntryExists, LdapRefusal, LdifError, MailldapError
from mailldap.ldap.change import Add, Change, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif import Record, read_ldif
from mailldap.provision.find import fold
from mailldap.provision.ownership import exclusive

#: Changes that are sent together. Below 500 the cost of a transaction shows, above 2,000 a server
#: holds much in memory for nothing.
BATCH = 1000
#: Refusals in one batch after which the rest of it is sent one by one.
_PATIENCE = 8


@dataclass(frozen=True, slots=True)
class Refused:
    """One record that the directory would not take, and why."""

    line: int
    change: Change
    error: MailldapError


@dataclass(slots=True)
class ImportReport:
    """What an import did. ``faults`` are records that were no LDIF, ``refused`` those refused."""

    done: int = 0
    already: int = 0
    refused: list[Refused] = field(default_factory=list)
    faults: list[LdifError] = field(default_factory=list)
    #: Whether the import ended at the first refusal instead of at the end of the file.
    stopped: bool = False

    @property
    def complete(self) -> bool:
        """Whether the directory now has everything that the file says."""
        return not (self.refused or self.faults or self.stopped)


def import_ldif(
    writer: Writer,
    stream: BinaryIO,
    name: str,
    *,
    go_on: bool = False,
    progress: Callable[[ImportReport, int], None] | None = None,
) -> ImportReport:
    """Bring the records of *stream* (*name* in messages) into the directory, in their order.

    A file that can be read twice is looked through first, and with a fault anywhere nothing is
    written unless *go_on*; a pipe is read once, up to its first fault. *go_on* also goes past
    what the directory refuses. *progress* is called after each batch with the report so far and
    the bytes read. Memory is that of one batch.

    Raises CouldNotAsk when the directory went away; the same call finishes the rest. Refusals
    and faults are in the report, not raised. Source: RFC 2849.
    """
    report = ImportReport()
    if stream.seekable():
        start = stream.tell()
        for _ in read_ldif(stream, name, on_error=report.faults.append):
            pass
        if report.faults and not go_on:
            return report
        stream.seek(start)
    counted = _Counted(stream)
    faults: list[LdifError] = []
    records = read_ldif(counted, name, on_error=faults.append)
    with exclusive(writer):
        while not report.stopped:
            batch = list(islice(_until_fault(records, faults, go_on=go_on), BATCH))
            if batch:
                _apply(writer, batch, report, go_on=go_on)
            if progress:
                progress(report, counted.bytes)
            if len(batch) < BATCH:
                break
    if faults and not report.faults:
        report.faults = faults
    report.stopped = report.stopped or (bool(faults) and not go_on)
    return report


class _Counted:
    """A stream that knows how much of it was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.bytes = 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> bytes:
        piece = self._stream.read(1 << 16)
        if not piece:
            raise StopIteration
        self.bytes += len(piece)
        return piece


def _until_fault(
    records: Iterable[Record], faults: list[LdifError], *, go_on: bool
) -> Iterator[tuple[int, Change]]:
    """Yield (line, change) of the records; without *go_on* up to the first fault."""
    for record in records:
        if faults and not go_on:
            return
        content = record.content
        yield record.line, Add(content) if isinstance(content, Entry) else content


def _apply(
    writer: Writer, batch: Sequence[tuple[int, Change]], report: ImportReport, *, go_on: bool
) -> None:
    """Make the changes of one batch and enter them into the report."""
    pending = deque(batch)
    refusals = 0
    looked = False
    while pending:
        # After some refusals a batch is no gain: each one makes the server do the rest again.
        size = len(pending) if refusals < _PATIENCE else 1
        outcomes = _apply_some(writer, [change for _, change in islice(pending, size)])
        for error in outcomes:
            line, change = pending.popleft()
            if error is None:
                report.done += 1
            elif is_so(writer, change):
                report.already += 1
            else:
                refusals += 1
                report.refused.append(Refused(line, change, error))
        if report.refused and not go_on:
            report.stopped = True
            return
        if not looked and any(isinstance(error, EntryExists) for error in outcomes):
            looked = True  # a second run: most of the batch may be there
            kept = deque(item for item in pending if not is_so(writer, item[1]))
            report.already += len(pending) - len(kept)
            pending = kept


def _apply_some(writer: Writer, changes: Sequence[Change]) -> list[MailldapError | None]:
    """Make *changes* up to the first refusal; see BulkWriter.apply_batch."""
    if isinstance(writer, BulkWriter) and len(changes) > 1:
        return writer.apply_batch(changes)
    outcomes: list[MailldapError | None] = []
    for change in changes:
        try:
            writer.apply(change)
        except LdapRefusal as refusal:
            return [*outcomes, refusal]
        outcomes.append(None)
    return outcomes


def is_so(reader: Reader, change: Change) -> bool:
    """Return whether the directory is already as *change* would make it.

    An entry is when all its user attributes have the same values; superior object classes that a
    server adds (389) and passwords that it does not show do not count.
    """
    match change:
        case Add(entry):
            there = reader.get(entry.dn)
            return there is not None and _equal(entry, there)
        case Delete(dn):
            return reader.get(dn) is None
        case Rename(dn, new_rdn, _, new_superior):
            parent = new_superior if new_superior is not None else str(DN.parse(dn).parent or "")
            return reader.get(dn) is None and reader.get(f"{new_rdn},{parent}") is not None
        case Modify(dn, mods):
            there = reader.get(dn)
            return there is not None and all(_holds(there, mod) for mod in mods)


def _equal(wanted: Entry, there: Entry) -> bool:
    own, found = _folded(wanted), _folded(there)
    own_classes, classes = own.pop("objectclass", set()), found.pop("objectclass", set())
    if "userpassword" not in found:
        own.pop("userpassword", None)
    return own == found and own_classes <= classes


def _folded(entry: Entry) -> dict[str, set[str]]:
    folded: dict[str, set[str]] = {}
    for name, values in entry:
        folded.setdefault(name.lower(), set()).update(map(_fold_value, values))
    return folded


def _fold_value(value: bytes) -> str:
    return fold(value.decode("utf-8", "surrogateescape"))


def _holds(there: Entry, mod: Mod) -> bool:
    """Return whether *there* is as *mod* would leave it."""
    have = set(map(_fold_value, there.values(mod.attribute)))
    wanted = set(map(_fold_value, mod.values))
    if mod.op is ModOp.ADD:
        return wanted <= have
    if mod.op is ModOp.DELETE:
        return not (have & wanted) if wanted else not have
    return have == wanted
