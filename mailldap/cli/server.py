"""``schema``, ``status`` and ``whoami``: the server's side."""

from __future__ import annotations

from typing import Annotated

import typer

from mailldap.cli.run import leave, run_of
from mailldap.errors import UsageError
from mailldap.output.escape import visible

_UNREACHABLE = 69

schema = typer.Typer(no_args_is_help=True, help="The mailRecipient schema.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file to *app*."""
    app.add_typer(schema, name="schema")
    app.command("status")(status)
    app.command("whoami")(whoami)


_EDITION = typer.Option(
    "--beside-misc", help="the variant for servers that have OpenLDAP's misc.schema"
)


@schema.command("show")
def show(
    ctx: typer.Context,
    form: Annotated[
        str, typer.Option("--form", help="schema (slapd.conf) or ldif (cn=config)")
    ] = "schema",
    beside_misc: Annotated[bool, _EDITION] = False,
) -> None:
    """Print the schema as a server loads it."""
    from mailldap.admin.schema import Edition, Form, schema_text

    run = run_of(ctx)
    if form not in set(Form):
        raise UsageError(f"--form {form}: no such form", hint="schema or ldif")
    edition = Edition.MISC if beside_misc else Edition.FULL
    wanted = Form.LDIF if run.options.output == "ldif" else Form(form)
    text = schema_text(wanted, edition)
    run.emit({"version": 1, "form": wanted.value, "text": text}, text, text)


@schema.command("check")
def check(ctx: typer.Context) -> None:
    """Say by OID what schema the server has; exit 1: of no use."""
    from mailldap.admin.schema import check_schema
    from mailldap.output.server_form import schema_form
    from mailldap.output.server_text import schema_report_text

    run = run_of(ctx)
    run.no_ldif()
    with run.connect(need_base=False) as mail:
        report = check_schema(mail.directory)
    run.emit(schema_form(report), lambda: schema_report_text(report))
    leave(0 if report.usable else 1)


@schema.command("install")
def install(ctx: typer.Context, beside_misc: Annotated[bool, _EDITION] = False) -> None:
    """Load the schema into a running OpenLDAP, over ldapi:///.

    As root on its machine: -H ldapi:/// -Y EXTERNAL.
    """
    from mailldap.admin.schema import Edition, install_schema, plan_install
    from mailldap.ldap.ldif import format_change

    run = run_of(ctx)
    edition = Edition.MISC if beside_misc else None
    with run.connect(need_base=False) as mail:
        act = plan_install if run.options.dry_run else install_schema
        plan = act(mail.directory, edition)
    ldif = "".join(map(format_change, plan.changes))
    form = {"version": 1, "message": plan.text, "ldif": ldif, "dry_run": run.options.dry_run}
    run.emit(form, ldif if run.options.dry_run else f"{visible(plan.text)}\n", ldif)


def status(ctx: typer.Context) -> None:
    """Show how each server is: base, schema, recipients, replication.

    Exit 0 when all is well, 1 when something is wrong, 69 when no server answers.
    """
    from mailldap.admin.status import status as look
    from mailldap.output.server_form import status_form
    from mailldap.output.server_text import status_text

    run = run_of(ctx)
    run.no_ldif()
    with run.connect(need_base=False) as mail:
        report = look(mail.directory)
    run.emit(status_form(report), lambda: status_text(report))
    if not report.reachable:
        leave(_UNREACHABLE)
    leave(1 if any(server.problems for server in report.servers) else 0)


def whoami(ctx: typer.Context) -> None:
    """Show as whom the directory sees this command."""
    from mailldap.admin.whoami import whoami as ask

    run = run_of(ctx)
    run.no_ldif()
    with run.connect(need_base=False) as mail:
        found = ask(mail.directory)
    run.talk(found.uri)
    form = {"version": 1, "uri": found.uri, "identity": found.authzid}
    run.emit(form, f"{visible(found.text)}\n")
