"""``import ldif`` and ``export ldif``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mailldap.cli.run import run_of, write

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
        for text in mail.export_ldif(recipients_only=recipients, passwords=passwords):
            write(text)


@importing.command("ldif")
def import_ldif(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="- reads stdin")],
    go_on: Annotated[
        bool, typer.Option("--continue", help="go on past entries that are refused")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option("--rejects", metavar="FILE", help="LDIF of what was refused, with the reason"),
    ] = None,
) -> None:
    """Bring the entries and change records of an LDIF file into the directory."""
    from mailldap.output.progress import Progress

    run = run_of(ctx)
    with run.connect() as mail, Progress(sys.stderr) as progress:
        if file == "-":
            report = mail.import_ldif(
                sys.stdin.buffer, "stdin", go_on=go_on, progress=progress.update
            )
        else:
            with Path(file).open("rb") as stream:
                report = mail.import_ldif(stream, file, go_on=go_on, progress=progress.update)
    del report, rejects, warn, leave
