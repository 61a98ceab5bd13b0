"""``init``: a commented configuration to start from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from mailldap.cli.run import run_of
from mailldap.errors import ConfigError
from mailldap.output.escape import visible

_EXAMPLE = "example.ldif"
_DATA = Path(__file__).parent.parent / "data"


def register(app: typer.Typer) -> None:
    """Add ``init`` to *app*."""
    app.command("init")(init)


def init(
    ctx: typer.Context,
    example: Annotated[
        bool, typer.Option("--example", help="with a small LDIF directory to try everything on")
    ] = False,
) -> None:
    """Write a commented mailldap.yaml here; never over another one."""
    from mailldap.config.load import FILE_NAME

    run = run_of(ctx)
    run.no_ldif()
    text = (_DATA / FILE_NAME).read_text()
    uri = f"ldif:{_EXAMPLE}" if example else "ldap://localhost"
    hosts = "hosts: [ldap://ldap1.internal, ldap://ldap2.internal]"
    filled = (
        text.replace("@URI@", uri)
        .replace("@BASE@", "dc=example,dc=com")
        .replace("@HOSTS@", hosts if example else f"#{hosts}")
    )
    contents = {FILE_NAME: filled.encode()}
    if example:
        contents[_EXAMPLE] = (_DATA / _EXAMPLE).read_bytes()
    _refuse_existing(contents)
    if run.options.dry_run:
        run.emit({"version": 1, "written": []}, "".join(f"would write {n}\n" for n in contents))
        return
    made = [str(path) for path in _write_new(contents)]
    lines = [f"wrote {visible(path)}\n" for path in made]
    if example:
        lines.append("now try: mailldap resolve sample.user@example.com\n")
    run.emit({"version": 1, "written": made}, "".join(lines))


def _refuse_existing(names: Iterable[str]) -> None:
    """Raise ConfigError where one of the files exists."""
    for name in names:
        if Path(name).exists():
            raise ConfigError("is there already", file=name, hint="move it away first")


def _write_new(contents: dict[str, bytes]) -> list[Path]:
    """Write all the files, or none where one cannot be written."""
    written: list[Path] = []
    name = ""
    try:
        for name, content in contents.items():
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            written.append(Path(name))
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise ConfigError(f"cannot be written: {error.strerror}", file=name) from error
    return written
