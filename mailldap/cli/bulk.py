"""``import ldif`` and ``export ldif``."""

from __future__ import annotations

import io
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Self, TextIO, cast

import typer

from mailldap.cli.run import Run, leave, run_of
from mailldap.cli.stdio import say, warn
from mailldap.errors import BadData, ConfigError, CouldNotAsk, UsageError

if TYPE_CHECKING:
    from mailldap.client import MailDirectory
    from mailldap.provision.bulk import ImportReport, Refused

importing = typer.Typer(no_args_is_help=True, help="Bring entries and changes in, in bulk.")
exporting = typer.Typer(no_args_is_help=True, help="Bring entries out, in bulk.")


def register(app: typer.Typer) -> None:
    """Add the nouns of this file to *app*."""
    app.add_typer(importing, name="import")
    app.add_typer(exporting, name="export")


@exporting.command("ldif")
def export_ldif(
    ctx: typer.Context,
    recipients: Annotated[
        bool, typer.Option("--recipients", help="recipients only, not the tree around them")
    ] = False,
    passwords: Annotated[
        bool, typer.Option("--with-passwords", help="userPassword too, where we may read it")
    ] = False,
) -> None:
    """Write the entries below the base as LDIF to stdout."""
    run = run_of(ctx)
    with run.connect() as mail:
        if run.options.output in {"text", "ldif"}:
            run.write_each(mail.export_ldif(recipients_only=recipients, passwords=passwords))
        else:
            from mailldap.output.jsonform import entry_form

            entries = mail.export(recipients_only=recipients, passwords=passwords)
            run.emit_list(map(entry_form, entries))


@importing.command("ldif")
def import_ldif(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="- reads stdin")],
    go_on: Annotated[
        bool, typer.Option("--continue", help="go on past what is faulty or refused")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            readable=False,
            help="LDIF of what was refused, with the reason",
        ),
    ] = None,
) -> None:
    """Bring in the entries and change records of an LDIF file.

    What is there already is left alone, so that an import that broke off is finished by a
    second run. Exit 77 when the directory refused something, 65 when something is no LDIF.
    """
    run = run_of(ctx)
    if not run.options.dry_run:
        run.no_ldif()
    interruption = _Interruption()
    with (
        _input(file, interruption) as (stream, name),
        run.connect() as mail,
        _rejects(rejects, stream) as kept,
    ):
        work = _Import(run, mail, name, kept)
        try:
            with interruption, _progress(run, stream) as work.show:
                work.report = mail.import_ldif(
                    stream,
                    name,
                    go_on=go_on,
                    progress=work.update,
                    on_refused=work.refuse,
                    stop=interruption.asked,
                )
        except KeyboardInterrupt:
            if not interruption:
                raise
            work.report.stopped = True
        except CouldNotAsk:
            work.tell_so_far()
            raise
        interrupted = bool(interruption) and work.report.stopped
        work.finish(interrupted=interrupted)
    leave(interruption.status if interrupted else work.status())


class _Interruption:
    """Ctrl-C or kill during an import: what the directory is at work on is waited for.

    While a pipe is waited for, and at the second time, it ends the import where it stands.
    """

    def __init__(self) -> None:
        #: The signal that came, 0 before.
        self.signal = 0
        #: Whether a read is under way that may take for ever.
        self.reading = False
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.signal != 0

    @property
    def status(self) -> int:
        """The exit status, as a shell reports a program that the signal ended."""
        return 128 + self.signal

    def asked(self) -> bool:
        """Return whether somebody asked for the end."""
        return self.signal != 0

    def _note(self, number: int, _: object) -> None:
        at_once = self or self.reading
        self.signal = number
        if at_once:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:  # as nohup and shells do for the background
                self._before[number] = before
                signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


class _Pipe(io.RawIOBase):
    """A stream that can be read once, and left while it is waited for."""

    def __init__(self, stream: BinaryIO, interruption: _Interruption) -> None:
        self._stream = stream
        self._interruption = interruption

    def readable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the number of the stream."""
        return self._stream.fileno()

    def read(self, size: int = -1) -> bytes:
        """Return up to *size* bytes, none at the end. Raises KeyboardInterrupt."""
        self._interruption.reading = True
        try:
            if self._interruption:
                raise KeyboardInterrupt
            return self._stream.read(size)
        finally:
            self._interruption.reading = False


class _Import:
    """What is told about an import, while it runs and at its end."""

    def __init__(self, run: Run, mail: MailDirectory, name: str, kept: TextIO | None) -> None:
        from mailldap.provision.bulk import ImportReport

        self._run = run
        self._mail = mail
        self._name = name
        self._kept = kept
        self.show: Callable[[int, int], None] = _nothing
        self.report = ImportReport()
        self._planned: list[str] = []
        self._refused: list[Any] = []
        self._worst = 0

    @property
    def _for_people(self) -> bool:
        return self._run.options.output in {"text", "ldif"}

    def update(self, report: ImportReport, size: int) -> None:
        """Take note of one batch."""
        self.report = report
        self.show(report.done + report.already + report.refusals, size)
        if self._run.options.dry_run:
            planned = self._mail.changes_ldif()
            if self._for_people:
                self._run.write(planned)
            else:
                self._planned.append(planned)

    def refuse(self, refused: Refused) -> None:
        """Tell of one refused record, and keep it as LDIF below the reason if asked to."""
        from mailldap.ldap.ldif import format_change, format_comment
        from mailldap.output.jsonform import refused_form

        error = refused.error
        self._worst = self._worst or error.exit_status
        place = f"{self._name}:{refused.line}"
        if self._kept is not None:
            reason = f"{place}: {error.message}"
            self._kept.write(format_comment(reason) + format_change(refused.change))
        if self._for_people:
            warn(f"{place}: {refused.change.dn}: {error.message}")
        else:
            self._refused.append(refused_form(refused))

    def finish(self, *, interrupted: bool) -> None:
        """Print what was done, and each fault on stderr with its place."""
        from mailldap.output.jsonform import import_form

        run, report = self._run, self.report
        if not self._for_people:
            form = import_form(self._name, report, self._refused)
            if run.options.dry_run:
                form |= {"dry_run": True, "ldif": "".join(self._planned)}
            run.emit(form, "")
            return
        for fault in report.faults:
            run.complain(fault)
        if run.options.dry_run:
            say(f"with -n nothing was written: {self._counts()}\n")
        else:
            run.write(f"{self._counts()}\n")
        if interrupted:
            warn("interrupted; the same command finishes the rest")
        elif report.stopped:
            warn("stopped there; --continue goes on past such records")

    def tell_so_far(self) -> None:
        """Say what was done before the directory went away."""
        if self._for_people:
            say(f"until then {self._counts()}; the same command finishes the rest\n")

    def _counts(self) -> str:
        report = self.report
        counts = f"{report.done} imported, {report.already} there already"
        if report.refusals:
            counts += f", {report.refusals} refused"
        if report.faults:
            counts += f", {len(report.faults)} faulty"
        return counts

    def status(self) -> int:
        """Return the exit status."""
        return self.report.faults[0].exit_status if self.report.faults else self._worst


def _nothing(_records: int, _size: int) -> None:
    pass


@contextmanager
def _input(file: str, interruption: _Interruption) -> Iterator[tuple[BinaryIO, str]]:
    """Open FILE, or stdin for ``-``; with its name for messages."""
    if file == "-":
        if sys.stdin is None:
            raise UsageError("there is no stdin to read")
        yield _readable(sys.stdin.buffer, interruption), "stdin"
        return
    if not file:
        raise BadData("the name of the file is empty")
    try:
        stream = Path(file).open("rb")  # noqa: SIM115  closed below, without this try
    except OSError as error:
        raise BadData(f"{file}: {error.strerror}") from error
    except ValueError as error:  # a NUL
        raise BadData(f"{file}: no such file") from error
    with stream:
        yield _readable(stream, interruption), file


def _readable(stream: BinaryIO, interruption: _Interruption) -> BinaryIO:
    return stream if stream.seekable() else cast("BinaryIO", _Pipe(stream, interruption))


@contextmanager
def _rejects(path: Path | None, stream: BinaryIO) -> Iterator[TextIO | None]:
    """Open the file for what is refused; there may be passwords in it.

    Raises UsageError where it is *stream* itself, which would be lost.
    """
    if path is None:
        yield None
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(error.strerror or str(error), file=str(path)) from error
    with os.fdopen(handle, "w", encoding="ascii") as kept:
        status = os.fstat(handle)
        if os.path.samestat(status, os.fstat(stream.fileno())):
            raise UsageError(
                f"{path} is what is read", hint="--rejects takes the name of another file"
            )
        if stat.S_ISREG(status.st_mode):
            os.fchmod(handle, 0o600)
            os.ftruncate(handle, 0)
        yield kept


@contextmanager
def _progress(run: Run, stream: BinaryIO) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while a person looks on; elsewhere nothing."""
    if sys.stderr is None or not sys.stderr.isatty() or run.options.dry_run:
        yield _nothing
        return
    from mailldap.output.progress import ProgressBar

    total = os.fstat(stream.fileno()).st_size if stream.seekable() else None
    with ProgressBar(total) as bar:
        yield bar.update
