"""What smtpd(8) asks about an address before it takes it.

Source: Postfix 3.7, smtpd_resolve.c, smtpd_check_addr() and check_rcpt_maps() in
smtpd_check.c; postconf(5), smtpd_reject_unlisted_recipient, reject_unlisted_sender.
"""

from __future__ import annotations

from dataclasses import replace

from mailldap.postfix.words import fold
from mailldap.simulate.decision import Refused
from mailldap.simulate.lookup import ADDRESS, AddressSearch, Hit
from mailldap.simulate.opened import Opened
from mailldap.simulate.reply import RECIPIENT, SENDER, Reply, Wording, fit_status, split_status
from mailldap.simulate.rewrite import Rewriting
from mailldap.simulate.route import AddressClass, Resolver, Route
from mailldap.simulate.smtp_syntax import Argument, Refusal, option_complaint, read_command
from mailldap.simulate.virtual import override_options
from mailldap.tables.base import Failed

#: The table, the code parameter and the words for each class whose users can be listed.
_USERS = {
    AddressClass.LOCAL: (
        "local_recipient_maps",
        "unknown_local_recipient_reject_code",
        "local recipient table",
    ),
    AddressClass.VIRTUAL_MAILBOX: (
        "virtual_mailbox_maps",
        "unknown_virtual_mailbox_reject_code",
        "virtual mailbox table",
    ),
    AddressClass.RELAY: (
        "relay_recipient_maps",
        "unknown_relay_recipient_reject_code",
        "relay recipient table",
    ),
}


class AddressChecks:
    """smtpd's questions about addresses, with the rules of one configuration."""

    def __init__(
        self, opened: Opened, rewriting: Rewriting, search: AddressSearch, resolver: Resolver
    ) -> None:
        self._opened = opened
        self.main = opened.main
        self._rewriting = rewriting
        self._search = search
        self._resolver = resolver
        self._routes: dict[tuple[str, str], Route] = {}
        self.wording = Wording(self.main.get_bool("soft_bounce"), opened.utf8)
        #: Before soft_bounce, which comes after everything that a rejection may turn into.
        self._plain = Wording(utf8=opened.utf8)

    def read(
        self, verb: str, argument: str, *, other: str = "", smtputf8: bool = False
    ) -> Argument:
        """Return the address of MAIL FROM or RCPT TO; *verb* is "MAIL" or "RCPT".

        *other* is the sender for RCPT, in internal form. *smtputf8*: the client asked for
        SMTPUTF8, without which domains must be ASCII. Raises Refused with the reply to an
        argument that cannot be an address.
        """
        read = read_command(
            verb,
            argument,
            line_limit=self.main.get_int("line_length_limit"),
            utf8=self._opened.utf8,
            strict=self.main.get_bool("strict_rfc821_envelopes"),
        )
        if isinstance(read, Refusal):
            raise Refused(self.wording.protocol(read.reply))
        if read.address:
            route = self.resolve(read.address, other)
            domain = route.recipient.rpartition("@")[2]
            if route.bad_syntax or not (smtputf8 or domain.isascii()):
                which = "501 5.1.7 Bad sender" if verb == "MAIL" else "501 5.1.3 Bad recipient"
                raise Refused(self.wording.protocol(f"{which} address syntax"))
        complaint = option_complaint(verb, read.options)
        if complaint is not None:
            raise Refused(self.wording.protocol(complaint))
        if verb == "RCPT":
            self.require_smtputf8(read.address, smtputf8=smtputf8)
        probe = self._probe_sender(read.address)
        return read if probe is None else replace(read, address=probe, probe=True)

    def require_smtputf8(self, address: str, *, smtputf8: bool) -> None:
        """Raise Refused where strict_smtputf8 wants the client to have asked for SMTPUTF8.

        smtpd looks at a sender so after its restrictions, at a recipient before them.
        """
        if not smtputf8 and not address.isascii() and self.main.get_bool("strict_smtputf8"):
            reply = "553 5.6.7 Must declare SMTPUTF8 to send unicode address"
            raise Refused(self.wording.protocol(reply))

    def _probe_sender(self, address: str) -> str | None:
        """Return the sender of address probes if *address* is that one, without time stamp."""
        sender = self.main.get("address_verify_sender")
        if sender in {"", "<>"} or self.main.get_time("address_verify_sender_ttl"):
            return None
        sender = self._rewriting.internal(sender)
        utf8 = self._opened.utf8
        return sender if fold(sender, utf8=utf8) == fold(address, utf8=utf8) else None

    def resolve(self, address: str, other: str = "") -> Route:
        """Return the route of an address with the recipient case folded.

        *other* is the sender when a recipient is asked for, and the other way round; both are in
        internal form.
        """
        route = self._routes.get((address, other))
        if route is None:
            route = self._resolver.resolve(
                self._rewriting.internal(address), self._rewriting.internal(other)
            )
            route = replace(route, recipient=fold(route.recipient, utf8=self._opened.utf8))
            self._routes[address, other] = route
        return route

    def resolve_or_refuse(self, address: str, other: str = "") -> Route:
        """Return the route; raises Refused (try again) where the resolver failed."""
        route = self.resolve(address, other)
        if route.failed:
            raise Refused(self.lookup_failure(address))
        return route

    def lookup_failure(self, address: str) -> Reply:
        """Return what smtpd says when a table could not be asked about an address."""
        return self.wording.reject(451, "4.3.0", f"<{address}>: Temporary lookup failure")

    def server_error(self) -> Reply:
        """Return what smtpd says when its configuration is at fault."""
        return self.wording.reject(451, "4.3.5", "Server configuration error")

    def find(self, parameter: str, key: str, address: str) -> Hit | None:
        """Return what the tables of a parameter say of *key*, a resolved address.

        Raises Refused where they cannot be asked; the reply names *address*.
        """
        hit = self._search.find(self._opened.maps(parameter), key, ADDRESS)
        if isinstance(hit, Failed):
            if hit.kind == "retry":
                raise Refused(self.lookup_failure(address))
            raise Refused(self.server_error())
        return hit if isinstance(hit, Hit) else None

    def unlisted(self, address: str, role: str, other: str = "") -> Reply | None:
        """Return the refusal of an address that no table of its class lists, or None.

        The reply is the one before soft_bounce. *role* is reply.SENDER or reply.RECIPIENT.
        Raises Refused where a table fails.
        """
        if "no_unknown_recipient_checks" in override_options(self.main):
            return None
        route = self.resolve_or_refuse(address, other)
        aliases = ["recipient_canonical_maps", "canonical_maps", "virtual_alias_maps"]
        if role == SENDER:
            aliases.insert(1, "sender_canonical_maps")
        if any(self.find(parameter, route.recipient, address) for parameter in aliases):
            return None
        if route.transport in {"error", "retry"}:
            return self._by_error_transport(address, role, route)
        users = _USERS.get(route.address_class or AddressClass.DEFAULT)
        if users is None:
            return None
        parameter, code, table = users
        if not self.main.get(parameter):
            return None
        if route.address_class is AddressClass.LOCAL and self._always_local(route.recipient):
            return None
        if self.find(parameter, route.recipient, address):
            return None
        return self._plain.reject(
            self.main.get_int(code),
            "5.1.0" if role == SENDER else "5.1.1",
            f"<{address}>: {role} rejected: User unknown{self._in_table(table)}",
        )

    def _by_error_transport(self, address: str, role: str, route: Route) -> Reply:
        retry = route.transport == "retry"
        default = f"{4 if retry else 5}.1.{0 if role == SENDER else 1}"
        dsn, text = split_status(route.nexthop, default)
        code = 450 if retry else 550
        if not retry and route.address_class is AddressClass.VIRTUAL_ALIAS:
            code = self.main.get_int("unknown_virtual_alias_reject_code")
        text = f"<{address}>: {role} rejected: {text}"
        return self._plain.reject(code, fit_status(dsn, role), text)

    def _in_table(self, table: str) -> str:
        return f" in {table}" if self.main.get_bool("show_user_unknown_table_name") else ""

    def _always_local(self, recipient: str) -> bool:
        """Return whether the user exists in every local domain, tables or not."""
        names = ("postmaster", "mailer-daemon", self.main.get("double_bounce_sender"))
        utf8 = self._opened.utf8
        return fold(recipient, utf8=utf8).startswith(tuple(f"{fold(n, utf8=utf8)}@" for n in names))

    def recipient(self, read: Argument, sender: str = "") -> Reply | None:
        """Return the refusal of a recipient that is not listed, or None.

        ``postmaster`` alone is always welcome (RFC 5321 §4.5.1).
        """
        address = read.address
        if read.probe or fold(address, utf8=False) == "postmaster":
            return None
        if not self.main.get_bool("smtpd_reject_unlisted_recipient"):
            return None
        reply = self.unlisted(address, RECIPIENT, sender)
        return None if reply is None else self.wording.reject(reply.code, reply.dsn, reply.text)
