"""``recipient``, ``alias`` and ``routing``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from mailldap.cli.run import Run, can_answer, run_of
from mailldap.cli.stdio import warn
from mailldap.errors import UsageError
from mailldap.output.escape import visible

if TYPE_CHECKING:
    from mailldap.client import MailDirectory
    from mailldap.ldap.entry import Entry
    from mailldap.provision.result import Result

recipient = typer.Typer(no_args_is_help=True, help="Whole mailRecipient entries.")
alias = typer.Typer(no_args_is_help=True, help="The addresses of recipients (mail).")
routing = typer.Typer(no_args_is_help=True, help="Where their mail goes (mailRoutingAddress).")

Who = Annotated[str, typer.Argument(metavar="RECIPIENT", help="uid, address or DN")]
Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS…")]
Shared = Annotated[bool, typer.Option("--allow-shared", help="let the address have several owners")]


_Function = TypeVar("_Function", bound=Callable[..., None])


def _removal(noun: typer.Typer) -> Callable[[_Function], _Function]:
    """Return what makes a function ``remove``, which people also type as rm and delete."""

    def registered(function: _Function) -> _Function:
        for word in ("rm", "delete"):
            noun.command(word, hidden=True)(function)
        return noun.command("remove")(function)

    return registered


def register(app: typer.Typer) -> None:
    """Add the nouns of this file to *app*."""
    app.add_typer(recipient, name="recipient")
    app.add_typer(alias, name="alias")
    app.add_typer(routing, name="routing")


def _done(run: Run, mail: MailDirectory, done: Sequence[Result]) -> None:
    """Say what was done, in LDIF the changes; with ``-n`` show the LDIF of what would be."""
    from mailldap.output.jsonform import results_form
    from mailldap.output.text import results_text

    ldif = mail.changes_ldif()
    if not run.options.dry_run:
        run.emit(results_form(done), lambda: results_text(done), ldif)
        return
    if not ldif:
        warn("nothing would change")
    run.emit(results_form(done) | {"dry_run": True, "ldif": ldif}, ldif, ldif)


@recipient.command("add")
def recipient_add(
    ctx: typer.Context,
    uid: Annotated[str, typer.Argument(metavar="UID")],
    address: Annotated[
        list[str], typer.Option("--address", "-a", help="an address (mail); once for each")
    ],
    routing_to: Annotated[
        list[str], typer.Option("--routing", "-r", help="where its mail goes; once for each")
    ],
    name: Annotated[str | None, typer.Option("--name", help="makes it an inetOrgPerson")] = None,
    allow_shared: Shared = False,
) -> None:
    """Make the entry of a recipient."""
    run = run_of(ctx)
    with run.connect() as mail:
        result = mail.recipients.add(
            uid,
            addresses=address,
            routing=routing_to,
            name=name,
            allow_shared=allow_shared or run.settings.allow_shared,
        )
        _done(run, mail, [result])


@recipient.command("show")
def recipient_show(ctx: typer.Context, who: Who) -> None:
    """Show one entry."""
    from mailldap.ldap.entry import without_secrets
    from mailldap.ldap.ldif import format_entry
    from mailldap.output.jsonform import entry_form
    from mailldap.output.text import entry_text

    run = run_of(ctx)
    with run.connect() as mail:
        entry = without_secrets(mail.recipients.entry(who))
    run.emit(entry_form(entry), lambda: entry_text(entry), format_entry(entry))


@recipient.command("list")
def recipient_list(ctx: typer.Context) -> None:
    """List all recipients, one a line: uid, addresses, routing."""
    from mailldap.ldap.entry import without_secrets
    from mailldap.ldap.ldif import format_entry
    from mailldap.output.jsonform import entry_form
    from mailldap.output.text import entry_row, table_text

    run = run_of(ctx)
    with run.connect() as mail:
        entries = map(without_secrets, mail.recipients.entries())
        if run.stdout.is_terminal and run.options.output == "text":
            run.write(table_text(("uid", "addresses", "routing"), map(entry_row, entries)))
        else:
            run.emit_each(entries, entry_form, _row, format_entry)


def _row(entry: Entry) -> str:
    """Return one recipient as fields with tabs between them."""
    from mailldap.output.text import entry_row

    return "\t".join(map(visible, entry_row(entry))) + "\n"


@recipient.command("set")
def recipient_set(
    ctx: typer.Context,
    who: Who,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=VALUE…", help="several of one NAME are its values; NAME= none"
        ),
    ],
) -> None:
    """Set other attributes: mailHost=…, mailQuota=…, cn=…."""
    from mailldap.ldap.entry import is_secret

    wanted: dict[str, list[str]] = {}
    for word in values:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{word!r} is not NAME=VALUE", hint="as in mailQuota=500000")
        if is_secret(name):
            raise UsageError(
                "a password is no argument: everybody can see those",
                hint="`mailldap import ldif -` takes a change record from stdin",
            )
        wanted.setdefault(name, [])
        if value:
            wanted[name].append(value)
    run = run_of(ctx)
    with run.connect() as mail:
        _done(run, mail, mail.recipients.set(who, wanted))


@recipient.command("rename")
def recipient_rename(
    ctx: typer.Context, who: Who, new_uid: Annotated[str, typer.Argument(metavar="NEW_UID")]
) -> None:
    """Give a recipient another uid."""
    run = run_of(ctx)
    with run.connect() as mail:
        _done(run, mail, [mail.recipients.rename(who, new_uid)])


@_removal(recipient)
def recipient_remove(
    ctx: typer.Context,
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Remove the whole entry, also what other tools keep in it."""
    run = run_of(ctx)
    with run.connect() as mail:
        if not (yes or run.options.dry_run):
            entry = mail.recipients.entry(who)
            if not can_answer():
                raise UsageError(f"{entry.dn} would be removed", hint="say --yes")
            run.must_agree(f"Remove {visible(entry.dn)}?")
        _done(run, mail, [mail.recipients.remove(who)])


@alias.command("add")
def alias_add(
    ctx: typer.Context, who: Who, addresses: Addresses, allow_shared: Shared = False
) -> None:
    """Give addresses to a recipient: all of them, or none."""
    run = run_of(ctx)
    with run.connect() as mail:
        shared = allow_shared or run.settings.allow_shared
        _done(run, mail, mail.aliases.add(who, *addresses, allow_shared=shared))


@_removal(alias)
def alias_remove(ctx: typer.Context, who: Who, addresses: Addresses) -> None:
    """Take addresses away from a recipient."""
    run = run_of(ctx)
    with run.connect() as mail:
        _done(run, mail, mail.aliases.remove(who, *addresses))


@alias.command("move")
def alias_move(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
    to: Annotated[str, typer.Option("--to", metavar="RECIPIENT", help="uid, address or DN")],
) -> None:
    """Move an address from its owner to another recipient."""
    run = run_of(ctx)
    with run.connect() as mail:
        _done(run, mail, [mail.aliases.move(address, to=to)])


@alias.command("list")
def alias_list(
    ctx: typer.Context,
    who: Annotated[str | None, typer.Argument(metavar="[RECIPIENT]")] = None,
) -> None:
    """List addresses and their owners."""
    run = run_of(ctx)
    with run.connect() as mail:
        if run.options.output == "ldif":
            _ldif_of(run, mail.recipients.some(who), ("mail", "mailAlternateAddress"))
        else:
            _pairs(run, "address", mail.aliases.list(who))


@routing.command("add")
def routing_add(ctx: typer.Context, who: Who, addresses: Addresses) -> None:
    """Add routing addresses."""
    run = run_of(ctx)
    with run.connect() as mail:
        _done(run, mail, mail.routing.add(who, *addresses))


@_removal(routing)
def routing_remove(ctx: typer.Context, who: Who, addresses: Addresses) -> None:
    """Remove routing addresses."""
    run = run_of(ctx)
    with run.connect() as mail:
        _done(run, mail, mail.routing.remove(who, *addresses))


@routing.command("set")
def routing_set(ctx: typer.Context, who: Who, addresses: Addresses) -> None:
    """Make these the only routing addresses."""
    run = run_of(ctx)
    with run.connect() as mail:
        _done(run, mail, mail.routing.set(who, *addresses))


@routing.command("list")
def routing_list(
    ctx: typer.Context,
    who: Annotated[str | None, typer.Argument(metavar="[RECIPIENT]")] = None,
) -> None:
    """List recipients and where their mail goes."""
    run = run_of(ctx)
    with run.connect() as mail:
        if run.options.output == "ldif":
            _ldif_of(run, mail.recipients.some(who), ("mailRoutingAddress",))
        else:
            _pairs(run, "routing", mail.routing.list(who))


def _pairs(run: Run, label: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Print (value, DN) pairs."""
    run.emit_each(
        pairs,
        lambda pair: {"version": 1, label: pair[0], "dn": pair[1]},
        lambda pair: f"{visible(pair[0])}\t{visible(pair[1])}\n",
    )


def _ldif_of(run: Run, entries: Iterable[Entry], names: Sequence[str]) -> None:
    """Print the values of *names* as LDIF, one record an entry that has any."""
    from mailldap.ldap.entry import Entry
    from mailldap.ldap.ldif import format_entry

    for entry in entries:
        chosen = tuple((name, entry.values(name)) for name in names if name in entry)
        if chosen:
            run.write(format_entry(Entry(entry.dn, chosen)))
