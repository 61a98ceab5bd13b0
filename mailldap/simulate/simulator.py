"""One object that answers as a Postfix with one configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import islice

from mailldap.directory.ahead import Ahead
from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.rfc822 import quote, unquote
from mailldap.simulate.ahead import ask_ahead
from mailldap.simulate.decision import Refused
from mailldap.simulate.demands import check_parameters
from mailldap.simulate.footer import Footers, Said
from mailldap.simulate.local import LocalDomains
from mailldap.simulate.lookup import AddressSearch, Extensions
from mailldap.simulate.opened import Opened
from mailldap.simulate.peer import identify
from mailldap.simulate.reply import Reply, split_status
from mailldap.simulate.restriction_lists import RestrictionLists
from mailldap.simulate.result import (
    MessageResolution,
    Outcome,
    Recipient,
    Resolution,
    SenderList,
    SenderOwners,
    SenderVerdict,
    worst,
)
from mailldap.simulate.rewrite import Rewriting, origin
from mailldap.simulate.route import Resolver, Route
from mailldap.simulate.sender import Senders
from mailldap.simulate.smtp_syntax import Argument
from mailldap.simulate.smtpd import AddressChecks
from mailldap.simulate.startup import check_cleanup, check_rewrite, check_smtpd
from mailldap.simulate.trace import Step
from mailldap.simulate.virtual import Cleanup, Envelope
from mailldap.tables.base import Probe, TableContext


class Simulator:
    """Answers about addresses as the Postfix that *main* configures would.

    Raises ConfigError for settings that no daemon starts with. Tables are opened through
    *context*, as a daemon opens them, when they are first asked; one that Postfix would not
    start with, or that cannot be asked from here, raises ConfigError then. Connections are kept
    until :meth:`close`.
    """

    def __init__(self, main: MainCf, context: TableContext) -> None:
        check_parameters(main, "trivial-rewrite")
        self.main = main
        self._outer = context
        self._probes: list[Probe] = []
        self._steps: list[Step] = []
        #: The same, without their places.
        self._noted: set[Step] = set()
        self._warnings: list[str] = []
        self._ahead = Ahead(context.open_session)
        #: What tables are opened with.
        self.context = replace(
            context,
            open_session=self._ahead.open_session,
            shared={},
            parameter=main.lookup,
            line_of=main.location,
            config_directory=main.directory,
            utf8=main.get_bool("smtputf8_enable"),
            daemon=True,
            warn=self._warn,
            probe=self._probe,
        )
        self._opened = Opened(main, self.context, self._note)

    # --- what the answers are made of --------------------------------------------------------

    @cached_property
    def _local(self) -> LocalDomains:
        return LocalDomains(self._opened)

    @cached_property
    def _rewriting(self) -> Rewriting:
        return Rewriting.of(self.main, self._origin)

    @cached_property
    def _origin(self) -> str:
        return origin(self.main, self.context)

    @cached_property
    def _search(self) -> AddressSearch:
        utf8 = self._opened.utf8
        extensions = Extensions(
            delimiters=self.main.get("recipient_delimiter"),
            double_bounce=self.main.get("double_bounce_sender"),
            owner_request_special=self.main.get_bool("owner_request_special"),
            utf8=utf8,
        )
        return AddressSearch(extensions, self._origin, self._local.contains, utf8)

    @cached_property
    def _resolver(self) -> Resolver:
        check_rewrite(self._opened)
        return Resolver(self._opened, self._rewriting, self._local, self._search)

    @cached_property
    def _checks(self) -> AddressChecks:
        return AddressChecks(self._opened, self._rewriting, self._search, self._resolver)

    @cached_property
    def _cleanup(self) -> Cleanup:
        check_cleanup(self._opened)
        return Cleanup(self._opened, self._rewriting, self._search)

    @cached_property
    def _senders(self) -> Senders:
        self._lists.require_closed()
        return Senders(self._opened, self._search, self._checks, self._lists, self._footers)

    @cached_property
    def _footers(self) -> Footers:
        return Footers(self._opened)

    @cached_property
    def _lists(self) -> RestrictionLists:
        """What smtpd has for lists; raises ConfigError where smtpd does not start."""
        lists = RestrictionLists(self.main)
        check_smtpd(self._opened, lists)
        return lists

    def _probe(self, probe: Probe) -> None:
        self._probes.append(probe)
        if self._outer.probe:
            self._outer.probe(probe)

    def _note(self, step: Step) -> None:
        """Keep a step, unless another program has done the same before."""
        if step not in self._noted:
            self._noted.add(step)
            self._steps.append(replace(step, lookups=len(self._probes)))

    def _warn(self, text: str) -> None:
        if text not in self._warnings:
            self._warnings.append(text)
        self._outer.warn(text)

    def _begin(self) -> None:
        self._probes.clear()
        self._steps.clear()
        self._noted.clear()
        self._warnings.clear()

    def close(self) -> None:
        """Give up all connections."""
        self._opened.close()

    # --- where mail goes ---------------------------------------------------------------------

    def resolve(
        self, address: str, sender: str | None = None, *, smtputf8: bool = False
    ) -> Resolution:
        """Return what becomes of mail for *address*, the argument of RCPT TO.

        *sender* is the envelope sender (by default the null one), *smtputf8* whether the client
        asks for SMTPUTF8. Whether the client may relay is not asked.
        """
        self._begin()
        resolution = self._message([address], sender, smtputf8=smtputf8)
        return self._traced(replace(resolution, query=address))

    def resolve_many(
        self,
        addresses: Iterable[str],
        sender: str | None = None,
        *,
        smtputf8: bool = False,
        chunk: int = 1000,
    ) -> Iterator[Resolution]:
        """Yield what :meth:`resolve` tells of each address, a message of its own.

        Quicker than one by one: LDAP tables are asked about a *chunk* of addresses at a time, and
        about the same key once only.
        """
        following = iter(addresses)
        while together := list(islice(following, chunk)):
            found: list[Resolution] = []
            with self._ahead.remembering():
                for address in together:
                    if len(found) == 1:  # the tables are open, and any warnings about them given
                        ask_ahead(self._opened.opened("virtual_alias_maps"), together[1:])
                    found.append(self.resolve(address, sender, smtputf8=smtputf8))
            yield from found

    def resolve_message(
        self, addresses: Iterable[str], sender: str | None = None, *, smtputf8: bool = False
    ) -> MessageResolution:
        """Return what becomes of one message for several addresses.

        A recipient that RCPT refuses is left out; one that the end of DATA cannot take fails
        the message for all.
        """
        queries = list(addresses)
        with self._ahead.remembering():
            each = tuple(self.resolve_many(queries, sender, smtputf8=smtputf8))
            self._begin()
            together = self._traced(self._message(queries, sender, smtputf8=smtputf8))
        return MessageResolution(each, together)

    def route(self, address: str, sender: str | None = None) -> Resolution:
        """Return where trivial-rewrite sends one address, without expanding it.

        Both are in external form; the null sender is the default.
        """
        self._begin()
        recipient = self._routed(_internal(address), _internal(sender or ""), resolved=True)
        return self._traced(_of_recipients(address, (recipient,)))

    def _message(self, arguments: list[str], sender: str | None, *, smtputf8: bool) -> Resolution:
        self._warn_of_open_lists()
        query = ", ".join(arguments)
        envelope_sender = _internal(sender or "")
        said = Said(identify(None, self.main, self.context.read_file), sender=envelope_sender)
        accepted: list[Argument] = []
        refusals: list[Reply] = []
        for argument in arguments:
            answer = self._rcpt(argument, envelope_sender, smtputf8=smtputf8)
            if isinstance(answer, Reply):
                refusals.append(answer)
            else:
                accepted.append(answer)
        if not accepted:
            return self._refused(query, max(refusals, key=lambda r: r.code), said)
        said = replace(said, recipient=accepted[0].address)
        envelope = Envelope(self.main.get_int("duplicate_filter_limit"))
        clean_sender = self._cleanup.sender(envelope, envelope_sender)
        for read in accepted:
            if envelope.failure is None:
                self._cleanup.recipient(envelope, read.address, read.original)
        self._cleanup.finish(envelope)
        if envelope.failure is not None:
            failure = envelope.failure
            return self._refused(query, Reply(451, failure.dsn, failure.reason), said)
        recipients = tuple(
            self._routed(recipient, clean_sender) for recipient in envelope.recipients
        )
        resolution = _of_recipients(query, recipients)
        if refusals and resolution.outcome == "deliver":
            refusal = self._refused(query, max(refusals, key=lambda r: r.code), said)
            return replace(refusal, recipients=recipients)
        return resolution

    def _warn_of_open_lists(self) -> None:
        """Say that smtpd does not start with these restrictions.

        That is no answer about the address: master.cf often has restrictions of its own for each
        service, and mail from the machine itself does not come by smtpd.
        """
        lists = self._lists
        try:
            lists.require_closed()
        except ConfigError as error:
            self._warn(f"smtpd does not start with this main.cf alone: {error.message}")

    def _rcpt(self, argument: str, sender: str, *, smtputf8: bool) -> Argument | Reply:
        """Return the recipient that RCPT TO names, or the reply that refuses it."""
        try:
            read = self._checks.read("RCPT", argument, other=sender, smtputf8=smtputf8)
            self._cleanup.rewritten(read.address)  # smtpd asks for it before cleanup does
            reply = self._checks.recipient(read, sender)
        except Refused as refused:
            return refused.reply
        return read if reply is None else reply

    def _refused(self, query: str, reply: Reply, said: Said) -> Resolution:
        return Resolution(
            query,
            "defer" if reply.temporary else "reject",
            reply.text,
            reply.dsn,
            reply=self._footers.add(reply, said),
        )

    def _routed(self, address: str, sender: str, *, resolved: bool = False) -> Recipient:
        """Return one recipient as the queue manager sees it.

        *resolved*: show the address that the resolver gives, not the one in the queue file.
        """
        route = self._resolver.resolve(address, sender)
        if route.recipient and route.recipient != address:
            after = (quote(route.recipient),)
            self._note(Step("rewrite", "trivial-rewrite(8) resolves it", quote(address), after))
        shown = (resolved and route.recipient) or address
        return _judged(quote(shown) if shown else "<>", route)

    def _traced(self, resolution: Resolution) -> Resolution:
        return replace(
            resolution,
            trace=tuple(self._probes),
            warnings=tuple(self._warnings),
            steps=tuple(self._steps),
        )

    # --- senders -----------------------------------------------------------------------------

    def sender_check(
        self,
        login: str,
        address: str,
        client: str | None = None,
        recipient: str | None = None,
        helo: str | None = None,
        encrypted: bool | None = None,
        *,
        smtputf8: bool = False,
    ) -> SenderVerdict:
        """Return smtpd's verdict about *login* sending as *address*; see Senders.check."""
        self._begin()
        verdict = self._senders.check(
            login, address, client, recipient, helo, encrypted, smtputf8=smtputf8
        )
        return replace(verdict, trace=tuple(self._probes), warnings=tuple(self._warnings))

    def sender_owners(self, address: str) -> SenderOwners:
        """Return who may send as *address* by smtpd_sender_login_maps."""
        self._begin()
        owners = self._senders.owners(address)
        return replace(owners, trace=tuple(self._probes), warnings=tuple(self._warnings))

    def sender_list(self, login: str) -> SenderList:
        """Return the addresses that *login* owns by smtpd_sender_login_maps; see SenderList."""
        from mailldap.simulate.sender_list import list_senders

        self._begin()
        owner = (self._senders.login_name(login) or login) or None
        found = list_senders(self._opened, self._senders, login, owner)
        return replace(found, trace=tuple(self._probes), warnings=tuple(self._warnings))


def _internal(address: str) -> str:
    return "" if address == "<>" else unquote(address)


def _judged(address: str, route: Route) -> Recipient:
    """Return what the queue manager does with a route."""
    known = route.address_class
    name = None if known is None else known.value
    if route.failed:
        text = "4.3.0 address resolver failure"
        return _undelivered(address, name, "retry", text)
    if route.bad_syntax:
        return _undelivered(address, name, "error", "5.1.3 bad address syntax")
    if route.transport in {"error", "retry"}:
        return _undelivered(address, name, route.transport, route.nexthop)
    return Recipient(address, name, route.transport, route.nexthop)


def _undelivered(address: str, name: str | None, transport: str, nexthop: str) -> Recipient:
    """Return a recipient that error(8) bounces or defers with the text of its next hop."""
    outcome: Outcome = "defer" if transport == "retry" else "reject"
    dsn, reason = split_status(nexthop, "4.0.0" if transport == "retry" else "5.0.0")
    return Recipient(address, name, transport, nexthop, outcome, dsn, reason)


def _of_recipients(query: str, recipients: tuple[Recipient, ...]) -> Resolution:
    outcome = worst(tuple(recipient.outcome for recipient in recipients))
    first = next((r for r in recipients if r.outcome == outcome), None)
    if first is None:
        return Resolution(query, outcome)
    return Resolution(query, outcome, first.reason, first.dsn, recipients)
