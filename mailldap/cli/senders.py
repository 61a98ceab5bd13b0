"""``sender``: who may send as whom."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from mailldap.cli.postfix_side import ConfigDirectory, config_directory, simulator
from mailldap.cli.run import leave, run_of
from mailldap.cli.stdio import warn
from mailldap.output.escape import visible

if TYPE_CHECKING:
    from mailldap.simulate.simulator import Simulator

sender = typer.Typer(no_args_is_help=True, help="Who may send as whom.")

_COULD_NOT_ASK = 75
_MAPS = "smtpd_sender_login_maps"
#: The options that say what nobody can know.
_WAYS_OUT = {
    "the client": "--client",
    "the HELO name": "--helo",
    "the recipient": "--to",
    "whether the session is encrypted": "--tls or --no-tls",
}


def register(app: typer.Typer) -> None:
    """Add the noun of this file to *app*."""
    app.add_typer(sender, name="sender")


@sender.command("check")
def check(
    ctx: typer.Context,
    login: Annotated[str, typer.Argument(metavar="LOGIN", help="'' is not logged in")],
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="'' or <>: null sender")],
    client: Annotated[
        str | None,
        typer.Option("--client", metavar="CLIENT", help="IP or NAME[IP]; else outside mynetworks"),
    ] = None,
    helo: Annotated[str | None, typer.Option("--helo", metavar="NAME", help="said in HELO")] = None,
    recipient: Annotated[
        str | None,
        typer.Option("--to", metavar="ADDRESS", help="recipient; else one that we take"),
    ] = None,
    encrypted: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="whether the client uses TLS")
    ] = None,
    smtputf8: Annotated[
        bool, typer.Option("--smtputf8", help="the client asks for SMTPUTF8")
    ] = False,
    service: Annotated[
        str | None,
        typer.Option("--service", metavar="NAME", help="smtpd of master.cf, with its -o settings"),
    ] = None,
    directory: ConfigDirectory = None,
) -> None:
    """Say what smtpd answers when LOGIN sends as ADDRESS."""
    from mailldap.output.jsonform import verdict_form
    from mailldap.output.text import verdict_text
    from mailldap.simulate.services import services_of_their_own

    run = run_of(ctx)
    run.no_ldif()
    chosen = config_directory(run, directory)
    with closing(simulator(run, chosen, service=service)) as postfix:
        others = services_of_their_own(postfix.main) if service is None else []
        verdict = postfix.sender_check(
            login, address, client, recipient, helo, encrypted, smtputf8=smtputf8
        )
    for warning in verdict.warnings:
        run.warning(warning)
    if others:
        names = ", ".join(map(visible, others))
        warn(f"warning: master.cf has settings of their own for {names}: --service looks at them")
    for one in verdict.passed_over:
        way_out = _WAYS_OUT.get(one.needs)
        told = f" ({way_out} tells it)" if way_out else ""
        warn(f"warning: {one.restriction} was passed over: it needs {one.needs}{told}")
    for permitted, login_check in verdict.not_reached:
        warn(f"warning: {permitted} permits before {login_check} is reached")
    if verdict.allowed is False and not verdict.owners:
        _note_empty(postfix)
    for what in verdict.assumed:
        warn(f"warning: taken for granted: {what}")
    run.emit(verdict_form(verdict), lambda: verdict_text(verdict))
    leave(_COULD_NOT_ASK if verdict.allowed is None else 0 if verdict.allowed else 1)


def _note_empty(postfix: Simulator) -> None:
    """Say why nobody owns anything."""
    if not postfix.main.get(_MAPS):
        where = f"{postfix.main.directory}/main.cf"
        warn(f"{_MAPS} is empty in {where}: whoever has logged in owns no address")


@sender.command("owners")
def owners(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
    directory: ConfigDirectory = None,
) -> None:
    """List the logins that own ADDRESS."""
    from mailldap.output.jsonform import owners_form

    run = run_of(ctx)
    run.no_ldif()
    with closing(simulator(run, config_directory(run, directory))) as postfix:
        _note_empty(postfix)
        found = postfix.sender_owners(address)
    for warning in found.warnings:
        run.warning(warning)
    if found.error is not None:
        warn(found.error)
    run.emit(owners_form(found), "".join(f"{visible(owner)}\n" for owner in found.owners))
    leave(_COULD_NOT_ASK if found.error is not None else 0 if found.owners else 1)


@sender.command("list")
def list_addresses(
    ctx: typer.Context,
    login: Annotated[str, typer.Argument(metavar="LOGIN")],
    directory: ConfigDirectory = None,
) -> None:
    """List the addresses that LOGIN owns, as far as tables tell."""
    from mailldap.output.jsonform import sender_list_form

    run = run_of(ctx)
    run.no_ldif()
    with closing(simulator(run, config_directory(run, directory))) as postfix:
        _note_empty(postfix)
        found = postfix.sender_list(login)
    for warning in (*found.warnings, *found.unlisted):
        run.warning(warning)
    if found.error is not None:
        warn(found.error)
    run.emit(
        sender_list_form(found), "".join(f"{visible(address)}\n" for address in found.addresses)
    )
    unknown = found.error is not None or (found.unlisted and not found.addresses)
    leave(_COULD_NOT_ASK if unknown else 0 if found.addresses else 1)
