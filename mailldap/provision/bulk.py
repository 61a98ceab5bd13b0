"""Entries and changes brought in from LDIF, in batches; a second run finishes a broken-off first.

What is so already is fine, so that an import can be run again until it is through: an entry that
is there and equal, a value that is there, an entry that is gone. What the directory refuses is
told with its place in the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import BinaryIO

from mailldap.directory.base import BulkWriter, Writer
from mailldap.errors import EntryExists, LdapRefusal, LdifError, MailldapError
from mailldap.ldap.change import Add, Change
from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif import Record, look_through, read_ldif
from mailldap.provision.already import entries_there, is_so
from mailldap.provision.ownership import exclusive

#: Changes that are sent together. Below 1,000 the cost of a transaction shows, above 2,000 a server
#: holds much in memory for nothing.
BATCH = 2000
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
    """What an import did. ``faults`` are records that were no LDIF, ``refused`` those refused.

    ``refused`` is empty where the caller has each one handed over; ``refusals`` counts them.
    """

    done: int = 0
    already: int = 0
    refusals: int = 0
    refused: list[Refused] = field(default_factory=list)
    faults: list[LdifError] = field(default_factory=list)
    #: Whether the import ended before the end of the file: at a refusal, a fault, or as asked.
    stopped: bool = False

    @property
    def complete(self) -> bool:
        """Whether the directory now has everything that the file says."""
        return not (self.refusals or self.faults or self.stopped)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import, and who is told.

    *go_on*: past faults and refusals. *progress* is called after each batch with the report so
    far and the bytes read. *on_refused* gets each refused record instead of ``report.refused``,
    so that memory does not grow with them. *stop* is asked now and then; when it says yes, what is
    under way is waited for, and the import ends.
    """

    go_on: bool = False
    progress: Callable[[ImportReport, int], None] | None = None
    on_refused: Callable[[Refused], None] | None = None
    stop: Callable[[], bool] | None = None


DEFAULTS = ImportOptions()
_Following = Callable[[], Sequence[Change]]


def import_ldif(
    writer: Writer, stream: BinaryIO, name: str, options: ImportOptions = DEFAULTS
) -> ImportReport:
    """Bring the records of *stream* (*name* in messages) into the directory, in their order.

    A file that can be read twice is looked through first, and with a fault anywhere nothing is
    written unless told to go on; a pipe is read once, up to its first fault. Memory is that of
    two batches.

    Raises CouldNotAsk when the directory went away; the same call finishes the rest. Refusals
    and faults are in the report, not raised. Source: RFC 2849.
    """
    report = ImportReport()
    ahead = stream.seekable()
    if ahead:
        start = stream.tell()
        for found in look_through(stream, name):
            report.faults += found
            if options.stop and options.stop():
                report.stopped = True
                return report
        if report.faults and not options.go_on:
            return report
        stream.seek(start)
    faults: list[LdifError] = []
    batches = _Batches(stream, name, faults, go_on=options.go_on)
    work = _Work(writer, report, options)
    with exclusive(writer), closing(work):
        while not report.stopped:
            batch = batches.take()
            if batch:
                # A pipe may be slow: what is made must be told before it is read again.
                work.apply(batch, batches.peek if ahead and len(batch) == BATCH else None)
            if options.progress:
                options.progress(report, batches.bytes)
            if len(batch) < BATCH:
                break
            report.stopped = report.stopped or (options.stop is not None and options.stop())
    if faults and not report.faults:
        report.faults = faults
    report.stopped = report.stopped or (bool(faults) and not options.go_on)
    return report


class _Batches:
    """The changes of a stream in batches, of which the next one may be read ahead."""

    def __init__(
        self, stream: BinaryIO, name: str, faults: list[LdifError], *, go_on: bool
    ) -> None:
        self._stream = stream
        records = read_ldif(self._pieces(), name, on_error=faults.append)
        self._changes = _until_fault(records, faults, go_on=go_on)
        self._ahead: list[tuple[int, Change]] | None = None
        self._failure: Exception | None = None
        #: How much of the stream the batches taken so far go through.
        self.bytes = 0
        self._read = 0

    def _pieces(self) -> Iterator[bytes]:
        while piece := self._stream.read(1 << 16):
            self._read += len(piece)
            yield piece

    def peek(self) -> list[Change]:
        """Return the next batch, empty at the end; what goes wrong is raised when it is taken."""
        self._read_ahead()
        return [change for _, change in self._ahead or ()]

    def _read_ahead(self) -> None:
        if self._ahead is None and self._failure is None:
            try:
                self._ahead = list(islice(self._changes, BATCH))
            except Exception as error:  # noqa: BLE001  raised by take
                self._failure = error

    def take(self) -> list[tuple[int, Change]]:
        """Return the next batch, shorter than BATCH only at the end."""
        self._read_ahead()
        if self._failure is not None:
            raise self._failure
        batch, self._ahead = self._ahead or [], None
        self.bytes = self._read
        return batch


def _until_fault(
    records: Iterable[Record], faults: list[LdifError], *, go_on: bool
) -> Iterator[tuple[int, Change]]:
    """Yield (line, change) of the records; without *go_on* up to the first fault."""
    for record in records:
        if faults and not go_on:
            return
        content = record.content
        yield record.line, Add(content) if isinstance(content, Entry) else content


class _Work:
    """The making of batches, which are entered into the report."""

    def __init__(self, writer: Writer, report: ImportReport, options: ImportOptions) -> None:
        self._writer = writer
        self._report = report
        self._options = options
        # In a second run most of what comes is there, up to where the first one broke off.
        self._there_already = False

    def close(self) -> None:
        """Give up what the directory has been sent and was not asked for."""
        if isinstance(self._writer, BulkWriter):
            self._writer.end_batches()

    def apply(self, batch: Sequence[tuple[int, Change]], following: _Following | None) -> None:
        """Make the changes of *batch*; *following* as in BulkWriter.apply_batch."""
        report = self._report
        stop = self._options.stop
        refusals = 0
        looked = self._there_already
        pending = self._left_of(batch) if looked else deque(batch)
        if following is not None:
            following = partial(self._expected, following)
        while pending and not (stop and stop()):
            # After some refusals a batch is no gain: each one makes the server do the rest again.
            size = len(pending) if refusals < _PATIENCE else 1
            outcomes = self._some(
                [change for _, change in islice(pending, size)], None if refusals else following
            )
            for error in outcomes:
                line, change = pending.popleft()
                if error is None:
                    report.done += 1
                elif is_so(self._writer, change):
                    report.already += 1
                else:
                    refusals += 1
                    self._refuse(Refused(line, change, error))
            if refusals and not self._options.go_on:
                break
            if not looked and any(isinstance(error, EntryExists) for error in outcomes):
                looked = True
                pending = self._left_of(pending)
        report.stopped = bool(pending) or (refusals > 0 and not self._options.go_on)

    def _left_of(self, pending: Sequence[tuple[int, Change]]) -> deque[tuple[int, Change]]:
        """Return *pending* without what is so already, which is entered into the report."""
        there = entries_there(self._writer, [change for _, change in pending])
        missing = deque(item for item, so in zip(pending, there, strict=True) if not so)
        self._there_already = len(missing) < len(pending)
        self._report.already += len(pending) - len(missing)
        return missing

    def _expected(self, following: _Following) -> Sequence[Change]:
        """Return what will surely come next, all of it."""
        changes = following()
        return () if self._there_already else changes

    def _refuse(self, refused: Refused) -> None:
        self._report.refusals += 1
        if self._options.on_refused:
            self._options.on_refused(refused)
        else:
            self._report.refused.append(refused)

    def _some(
        self, changes: Sequence[Change], following: _Following | None
    ) -> list[MailldapError | None]:
        """Make *changes* up to the first refusal; see BulkWriter.apply_batch."""
        stop = self._options.stop
        if isinstance(self._writer, BulkWriter) and len(changes) > 1:
            return self._writer.apply_batch(changes, following=following, stop=stop)
        outcomes: list[MailldapError | None] = []
        for change in changes:
            if outcomes and stop and stop():
                break
            try:
                self._writer.apply(change)
            except LdapRefusal as refusal:
                return [*outcomes, refusal]
            outcomes.append(None)
        return outcomes
