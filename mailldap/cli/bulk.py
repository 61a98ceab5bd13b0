"""``import ldif`` and ``export ldif``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, TextIO

import typer

from mailldap.cli.run import Run, leave, run_of
from mailldap.cli.stdio import say, warn
from mailldap.errors import BadData, ConfigError, UsageError

if TYPE_CHECKING:
    from mailldap.client import MailDirectory
    from mailldap.provision.bulk import ImportReport

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
    from mailldap.ldap.ldif import format_entry
    from mailldap.output.jsonform import entry_form

    run = run_of(ctx)
    with run.connect() as mail:
        entries = mail.export(recipients_only=recipients, passwords=passwords)
        run.emit_each(entries, entry_form, format_entry, format_entry)


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
    """Bring the entries and change records of an LDIF file into the directory.

    What is there already is left alone, so that an import that broke off is finished by a
    second run. Exit 77 when the directory refused something, 65 when something is no LDIF.
    """
    run = run_of(ctx)
    if not run.options.dry_run:
        run.no_ldif()
    with _input(file) as (stream, name), _rejects(rejects) as kept, run.connect() as mail:
        with _progress(run, stream) as progress:
            work = _Import(run, mail, name, progress)
            try:
                report = mail.import_ldif(stream, name, go_on=go_on, progress=work.update)
            finally:
                work.keep_refused(kept)
        work.finish(report)
    leave(work.status(report))


class _Import:
    """What is told about an import, while it runs and at its end."""

    def __init__(
        self, run: Run, mail: MailDirectory, name: str, progress: Callable[[int, int], None]
    ) -> None:
        self._run = run
        self._mail = mail
        self._name = name
        self._progress = progress
        self._seen: ImportReport | None = None
        self._planned: list[str] = []

    def update(self, report: ImportReport, size: int) -> None:
        """Take note of one batch."""
        self._seen = report
        self._progress(report.done + report.already + len(report.refused), size)
        if self._run.options.dry_run:
            planned = self._mail.changes_ldif()
            if self._run.options.output in {"text", "ldif"}:
                self._run.write(planned)
            else:
                self._planned.append(planned)

    def keep_refused(self, stream: TextIO | None) -> None:
        """Write what was refused so far as LDIF, each record below the reason."""
        if stream is None or self._seen is None:
            return
        from mailldap.ldap.ldif import format_change, format_comment

        for refused in self._seen.refused:
            reason = f"{self._name}:{refused.line}: {refused.error.message}"
            stream.write(format_comment(reason) + format_change(refused.change))

    def finish(self, report: ImportReport) -> None:
        """Print what was done, and on stderr each fault and refusal with its place."""
        from mailldap.output.jsonform import import_form

        run = self._run
        form = import_form(self._name, report)
        if run.options.output not in {"text", "ldif"}:
            if run.options.dry_run:
                form |= {"dry_run": True, "ldif": "".join(self._planned)}
            run.emit(form, "")
            return
        for fault in report.faults:
            run.complain(fault)
        for refused in report.refused:
            warn(f"{self._name}:{refused.line}: {refused.change.dn}: {refused.error.message}")
        counts = f"{report.done} imported, {report.already} there already"
        if report.refused:
            counts += f", {len(report.refused)} refused"
        if report.faults:
            counts += f", {len(report.faults)} faulty"
        if run.options.dry_run:
            say(f"with -n nothing was written: {counts}\n")
        else:
            run.write(f"{counts}\n")
        if report.stopped:
            warn("stopped there; --continue goes on past such records")

    def status(self, report: ImportReport) -> int:
        """Return the exit status."""
        if report.faults:
            return report.faults[0].exit_status
        return report.refused[0].error.exit_status if report.refused else 0


@contextmanager
def _input(file: str) -> Iterator[tuple[BinaryIO, str]]:
    """Open FILE, or stdin for ``-``; with its name for messages."""
    if file == "-":
        if sys.stdin is None:
            raise UsageError("there is no stdin to read")
        yield sys.stdin.buffer, "stdin"
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115  closed below, without this try
    except OSError as error:
        raise BadData(f"{file}: {error.strerror}") from error
    except ValueError as error:  # a NUL
        raise BadData(f"{file}: no such file") from error
    with stream:
        yield stream, file


@contextmanager
def _rejects(path: Path | None) -> Iterator[TextIO | None]:
    """Open the file for what is refused; there may be passwords in it."""
    if path is None:
        yield None
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise ConfigError(error.strerror or str(error), file=str(path)) from error
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        yield stream


@contextmanager
def _progress(run: Run, stream: BinaryIO) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while a person looks on; elsewhere nothing."""
    if sys.stderr is None or not sys.stderr.isatty() or run.options.dry_run:
        yield lambda _records, _size: None
        return
    from mailldap.output.progress import ProgressBar

    total = os.fstat(stream.fileno()).st_size if stream.seekable() else None
    with ProgressBar(total) as bar:
        yield bar.update
