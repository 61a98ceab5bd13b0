"""``schema``, ``status`` and ``whoami``: the server's side."""

from __future__ import annotations

from typing import Annotated

import typer

from mailldap.cli.run import leave, run_of, write
from mailldap.errors import UsageError

schema = typer.Typer(no_args_is_help=True, help="The mailRecipient schema.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file to *app*."""
    app.add_typer(schema, name="schema")
    app.command("status")(status)
    app.command("whoami")(whoami)
