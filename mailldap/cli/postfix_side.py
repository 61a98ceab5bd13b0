"""What the commands share that ask a Postfix: its files, and the directory behind its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mailldap.cli.run import Run
from mailldap.errors import UsageError

if TYPE_CHECKING:
    from mailldap.directory.base import SessionOpener
    from mailldap.simulate.simulator import Simulator
    from mailldap.tables.base import TableContext

ConfigDirectory = Annotated[
    str | None, typer.Option("-c", metavar="DIR", help="Postfix configuration directory")
]
PostfixVersion = Annotated[
    str,
    typer.Option(
        "--postfix-version",
        metavar="BUILD",
        help="debian or upstream: whose default LDAP protocol version (3 or 2) holds",
    ),
]


def config_directory(run: Run, given: str | None) -> str | None:
    """Return the directory of ``-c``, else of $MAIL_CONFIG, else None. Raises UsageError."""
    if given == "":
        raise UsageError("-c '' names nothing", hint="leave it out, or give it a value")
    return given or run.environment.get("MAIL_CONFIG") or None


def session_opener(run: Run) -> SessionOpener:
    """Return the opener for tables: their own servers, or those of an explicit ``-H``."""
    from mailldap.directory import open as opening

    if run.uri_flag is None:
        return opening.session_opener()
    from mailldap.directory.configured import embedded_schema, server_options

    settings = run.settings
    if opening.is_file(settings.uris):
        return opening.session_opener(settings.uris, schema=embedded_schema(settings))
    return opening.session_opener(settings.uris, **server_options(settings))


def table_context(
    run: Run,
    directory: str | None,
    *,
    fold: bool = True,
    version: str = "debian",
    started: bool = False,
) -> TableContext:
    """Return the context of the tables of the Postfix in *directory*.

    Says what Postfix warns about while it reads main.cf. With *started*, a main.cf with which no
    program of Postfix starts, not even postmap, raises ConfigError.
    """
    from mailldap.simulate import configured

    if version not in {"debian", "upstream"}:
        raise UsageError(f"--postfix-version {version}: no such build", hint="debian or upstream")
    main = configured.read_main(directory)
    for text in main.warnings:
        run.warning(text)
    if started:
        from mailldap.simulate.demands import check_parameters

        check_parameters(main)
    return configured.table_context(
        main,
        session_opener(run),
        warn=run.warning,
        fold=fold,
        debian=version == "debian",
    )


def simulator(
    run: Run, directory: str | None, *, version: str = "debian", service: str | None = None
) -> Simulator:
    """Return the simulated Postfix of *directory*; *service* is one of smtpd's in master.cf."""
    from mailldap.simulate import configured
    from mailldap.simulate.simulator import Simulator

    context = table_context(run, directory, version=version)
    main = configured.read_main(directory)
    if service is not None:
        from mailldap.simulate.services import of_service

        main = of_service(main, service)
    return Simulator(main, context)
