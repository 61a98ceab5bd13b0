"""``postfix generate``, ``check``, ``fix`` and ``undo``: the files that Postfix reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailldap.cli.run import Run, can_answer, leave, run_of
from mailldap.cli.stdio import say, warn
from mailldap.errors import ConfigError, UsageError
from mailldap.output.escape import visible

if TYPE_CHECKING:
    from mailldap.audit.finding import Finding
    from mailldap.config.settings import Settings
    from mailldap.postfix.generate.files import GeneratedFile

postfix = typer.Typer(no_args_is_help=True, help="The files that Postfix reads.")

_DIRECTORY = "/etc/postfix"


def register(app: typer.Typer) -> None:
    """Add the noun of this file to *app*."""
    app.add_typer(postfix, name="postfix")


@postfix.command("generate")
def generate(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="aliases, senders, relay, cyrus, main or all")
    ],
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="DIR", readable=False, help="write there, with the right modes"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite files edited by hand")] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="merge the main.cf lines too, with postconf -e")
    ] = False,
    deliver: Annotated[
        str | None, typer.Option("--deliver", metavar="PATH", help="Cyrus's deliver(8)")
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask-relay-password", help="prompt for the relay's password")
    ] = False,
) -> None:
    """Make Postfix's files from the settings: to stdout, or --dir."""
    from mailldap.postfix.generate import files
    from mailldap.postfix.generate.generate import generate as make

    run = run_of(ctx)
    run.no_ldif()
    wanted = next((known for known in files.KINDS if known == kind), None)
    if wanted is None:
        raise UsageError(f"{kind!r} cannot be generated", hint=f"one of {', '.join(files.KINDS)}")
    if apply and directory is None:
        raise UsageError("--apply changes files in place", hint=f"name them: --dir {_DIRECTORY}")
    relay = (
        run.secret("relay password: ") if ask else run.environment.get("MAILLDAP_RELAY_PASSWORD")
    )
    secrets = files.Secrets(relay_password=relay or None)
    settings = _complete(run)
    senders = settings.postfix.senders
    needs_directory = kind in {"senders", "all"} and senders and senders.format != "ldap"
    reader = run.connect() if needs_directory else None
    try:
        made = make(
            wanted,
            settings,
            secrets=secrets,
            deliver=deliver,
            reader=reader.directory if reader else None,
            for_display=directory is None,
        )
    finally:
        if reader:
            reader.close()
    if directory is None:
        _show(run, made, kind)
    else:
        _write(run, directory, made, force=force)
        if apply:
            _apply(run, settings, directory, deliver)


def _complete(run: Run) -> Settings:
    """Return the settings with the base that the directory has, where they name none."""
    settings = run.settings
    if settings.base is None and settings.uris:
        with run.connect() as mail:
            return mail.settings
    return settings


def _show(run: Run, made: Sequence[GeneratedFile], kind: str) -> None:
    """Print the file of *kind*; secrets go into files only."""
    first = made[0]
    if first.secret:
        raise UsageError(
            f"{first.name} holds a secret", hint="--dir DIR writes it, readable by its owner alone"
        )
    shown = [file for file in made if not file.secret] if kind == "all" else [first]
    form = [
        {
            "version": 1,
            "name": file.name,
            "mode": f"{file.mode:04o}",
            "content": file.content.decode("utf-8", "surrogateescape"),
        }
        for file in shown
    ]
    text = "".join(str(f["content"]) for f in form)
    run.emit(form if kind == "all" else form[0], _shown(text) if run.stdout.is_terminal else text)
    for file in made:
        if file not in shown:
            warn(f"{file.name} is written only with --dir DIR")


def _write(run: Run, directory: Path, made: Sequence[GeneratedFile], *, force: bool) -> None:
    from mailldap.postfix.write import indexed_tables, plan_write, run_postmap

    _recover(run, directory)
    plan = plan_write(directory, made)
    if run.options.dry_run:
        run.emit({"version": 1, "diff": plan.diff()}, lambda: _shown(plan.diff()))
        return
    written = {str(path) for path in plan.apply(force=force)}
    for command in run_postmap(indexed_tables(plan)):
        warn(f"postmap is not here; run: {command}")
    states = [
        {"file": str(f.path), "state": "written" if str(f.path) in written else "unchanged"}
        for f in plan.files
    ]
    run.emit(
        {"version": 1, "files": states},
        "".join(f"{state['state']}\t{visible(state['file'])}\n" for state in states),
    )


def _recover(run: Run, directory: Path) -> None:
    """Take back what a change that was cut off has done: nothing can be planned over it."""
    from mailldap.postfix.changeset import recover

    for path in () if run.options.dry_run else recover(directory):
        warn(f"a change was cut off: {path} is again as it was before it")


def _apply(run: Run, settings: Settings, directory: Path, deliver: str | None) -> None:
    from mailldap.postfix.apply import plan_apply
    from mailldap.postfix.generate.generate import main_parameters, master_services

    plan = plan_apply(directory, main_parameters(settings), master_services(settings, deliver))
    diff = plan.diff()
    say(_shown(diff))
    if run.options.dry_run or not diff:
        return
    backup = plan.apply()
    if backup:
        warn(f"merged; the files as they were are in {backup}")


@postfix.command("check")
def check(
    ctx: typer.Context,
    directory: Annotated[str, typer.Argument(metavar="[DIR]")] = _DIRECTORY,
    offline: Annotated[bool, typer.Option("--offline", help="ask no LDAP server")] = False,
) -> None:
    """Report faults of the files that exist; exit 1 if there are any.

    The servers of LDAP tables are asked as the tables ask them. With -H that directory is
    compared with what the tables see.
    """
    from mailldap.audit.check import check as find
    from mailldap.audit.finding import in_order
    from mailldap.output.jsonform import findings_form
    from mailldap.output.text import findings_text

    run = run_of(ctx)
    run.no_ldif()
    _exists(directory)
    findings = find(directory)
    if not offline:
        findings = in_order([*findings, *_asked(run, directory)])
    run.emit(findings_form(findings), lambda: findings_text(findings))
    leave(1 if findings else 0)


def _asked(run: Run, directory: str) -> Sequence[Finding]:
    """Return what the servers of the tables tell; what could not be asked is told on stderr."""
    from mailldap.admin.protection import protection
    from mailldap.audit.directory_rules import check_directory
    from mailldap.directory.open import session_opener

    if run.uri_flag is None:
        report = check_directory(directory, session_opener())
    else:
        with run.connect() as mail:
            reader = mail.directory
            shown = protection(reader, reader.base)
            report = check_directory(
                directory,
                session_opener(),
                reader=reader,
                indexed=shown.indexed if shown else None,
            )
    for text in report.unasked:
        warn(f"warning: its servers could not be asked: {text}")
    return report.findings


@postfix.command("undo")
def undo(
    ctx: typer.Context,
    directory: Annotated[str, typer.Argument(metavar="[DIR]")] = _DIRECTORY,
    force: Annotated[bool, typer.Option("--force", help="also files changed since")] = False,
) -> None:
    """Take back the newest change by fix or generate --apply."""
    from mailldap.audit.fix import tables_among
    from mailldap.postfix.changeset import roll_back
    from mailldap.postfix.write import run_postmap

    run = run_of(ctx)
    run.no_ldif()
    _exists(directory)
    if run.options.dry_run:
        raise UsageError("what would be taken back cannot be shown", hint="leave -n out")
    paths = roll_back(Path(directory), force=force)
    for command in run_postmap(tables_among(directory, paths)):
        warn(f"postmap is not here; run: {command}")
    restored = [str(path) for path in paths]
    run.emit(
        {"version": 1, "restored": restored},
        "".join(f"as it was\t{visible(path)}\n" for path in restored),
    )


@postfix.command("fix")
def fix(
    ctx: typer.Context,
    directory: Annotated[str, typer.Argument(metavar="[DIR]")] = _DIRECTORY,
    deliver: Annotated[
        str | None, typer.Option("--deliver", metavar="PATH", help="the path of deliver(8)")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Mend what needs no choice of yours; the diff comes first."""
    from mailldap.audit.fix import plan_fixes
    from mailldap.output.jsonform import findings_form

    run = run_of(ctx)
    run.no_ldif()
    _exists(directory)
    _recover(run, Path(directory))
    plan = plan_fixes(directory, deliver=deliver)
    diff = plan.diff()
    if run.options.output == "text":
        run.write(_shown(diff))
    done = bool(diff) and not run.options.dry_run and _agreed(run, yes=yes)
    if done:
        backup = plan.apply()
        warn(f"mended; the files as they were are in {backup}; then run: postfix reload")
        for command in plan.run_postmap():
            warn(f"postmap is not here; run: {command}")
    for finding in plan.left:
        warn(f"left to you: {finding.file}: {finding.message} [{finding.code}]")
    if run.options.output != "text":
        mended = findings_form(plan.mended)["findings"]
        left = findings_form(plan.left)["findings"]
        run.emit({"version": 1, "diff": diff, "applied": done, "mended": mended, "left": left}, "")


def _agreed(run: Run, *, yes: bool) -> bool:
    """Return True when the files may be changed; asks where somebody can answer."""
    if yes:
        return True
    if not can_answer():
        raise UsageError("the files would be changed as shown", hint="say --yes, or -n")
    run.must_agree("Change the files?")
    return True


def _shown(text: str) -> str:
    """Return lines of files as a terminal cannot obey them."""
    return "".join(f"{visible(line)}\n" for line in text.split("\n")[:-1])


def _exists(directory: str) -> None:
    if not Path(directory).is_dir():
        raise ConfigError("there is no such directory", file=directory, hint="name Postfix's own")
