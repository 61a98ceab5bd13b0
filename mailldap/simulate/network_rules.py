"""Restrictions that ask DNS or another program: what can be said without, and what cannot.

smtpd often does not come so far as to ask: our own domains, address literals and the null sender
are no matter of DNS. What remains is passed over.

Source: Postfix 3.7, reject_unknown_address(), permit_mx_backup(), find_dnsxl_domain(),
permit_dnswl_addr() and generic_checks() in smtpd_check.c.
"""

from __future__ import annotations

from mailldap.simulate.address_rules import AddressRules
from mailldap.simulate.decision import Need, Session, Status
from mailldap.simulate.hostname import is_hostname
from mailldap.simulate.opened import Opened
from mailldap.simulate.peer import UNKNOWN
from mailldap.simulate.reply_pattern import require_pattern
from mailldap.simulate.smtpd import AddressChecks

#: Restrictions with a DNS list as argument.
DNS_LISTS = frozenset(
    {
        "permit_dnswl_client",
        "permit_rhswl_client",
        "reject_rbl",
        "reject_rbl_client",
        "reject_rhsbl_client",
        "reject_rhsbl_helo",
        "reject_rhsbl_recipient",
        "reject_rhsbl_reverse_client",
        "reject_rhsbl_sender",
    }
)

#: Those that ask about the client's address, which is always known.
_OF_ADDRESS = frozenset({"permit_dnswl_client", "reject_rbl", "reject_rbl_client"})


class NetworkRules:
    """Judges what needs the network as far as it does not, for one session."""

    def __init__(
        self, opened: Opened, checks: AddressChecks, rules: AddressRules, session: Session
    ) -> None:
        self._opened = opened
        self._main = opened.main
        self._checks = checks
        self._rules = rules
        self._session = session

    def unknown_sender_domain(self, name: str) -> Status:
        """Refuse a sender whose domain DNS does not have."""
        return self._unknown(name, self._session.sender, self._session.recipient)

    def unknown_recipient_domain(self, name: str) -> Status:
        """Refuse a recipient whose domain DNS does not have."""
        if self._session.any_recipient and self._session.recipient is None:
            return Status.DUNNO
        return self._unknown(name, self._session.recipient, self._session.sender)

    def _unknown(self, name: str, address: str | None, other: str | None) -> Status:
        if not address:
            return Status.DUNNO
        route = self._checks.resolve_or_refuse(address, other or "")
        domain = route.recipient.rpartition("@")[2]
        if route.final or "@" not in route.recipient or _literal(domain):
            return Status.DUNNO
        return self._session.pass_over(name, "DNS")

    def unverified_sender(self, name: str) -> Status:
        """Refuse a sender to which a probe could not be delivered."""
        if not self._session.sender:
            return Status.DUNNO
        return self._session.pass_over(name, "an address probe")

    def unverified_recipient(self, name: str) -> Status:
        """Refuse a recipient to which a probe could not be delivered."""
        if not (self._session.recipient or self._session.any_recipient):
            return Status.DUNNO
        return self._session.pass_over(name, "an address probe")

    def permit_mx_backup(self, name: str) -> Status:
        """Permit a recipient whose domain names us as mail exchanger."""
        recipient = self._session.recipient
        if recipient is None:
            return Status.OK if self._session.any_recipient else Status.DUNNO
        if self._rules.auth_destination() is Status.OK:
            return Status.OK
        route = self._checks.resolve(recipient, self._session.sender or "")
        untrusted = route.routed and not self._main.get_bool("allow_untrusted_routing")
        if untrusted or _literal(route.recipient.rpartition("@")[2]):
            return Status.DUNNO
        return self._session.pass_over(name, "DNS")

    def maps_rbl(self, name: str) -> Status:
        """Refuse a client that one of the lists in maps_rbl_domains has."""
        if not self._main.get_list("maps_rbl_domains"):
            return Status.DUNNO
        return self._session.pass_over(name, "DNS")

    def dns_list(self, name: str, argument: str) -> Status:
        """Judge one of DNS_LISTS; raises ConfigError where smtpd dies of its argument."""
        shown = f"{name} {argument}"
        subject, needs = self._listed(name)
        if needs is None and (subject is None or not _listable(subject)):
            return Status.DUNNO
        if needs is None or name in _OF_ADDRESS:
            require_pattern(argument)
        return self._session.pass_over(shown, needs or "DNS")

    def _listed(self, name: str) -> tuple[str | None, Need | None]:
        """Return whose domain the list is asked about, and what is not known of it."""
        session, peer = self._session, self._session.peer
        permits = name.startswith("permit_") and session.command == "RCPT" and session.recipient
        if permits and self._rules.auth_destination() is not Status.OK:
            return None, None  # nobody may relay because of an entry in a list
        if name in _OF_ADDRESS:
            return None, "DNS"
        if name == "reject_rhsbl_sender":
            return session.sender or None, None
        if name == "reject_rhsbl_recipient":
            unknown = session.recipient is None and session.any_recipient
            return session.recipient, "the recipient" if unknown else None
        if name == "reject_rhsbl_helo":
            return session.helo, "the HELO name" if session.helo is None else None
        if peer.guessed:
            return None, "DNS"
        host = peer.reverse_name if name == "reject_rhsbl_reverse_client" else peer.name
        return None if host == UNKNOWN else host, None


def _literal(domain: str) -> bool:
    return domain.startswith("[") and domain.endswith("]")


def _listable(name: str) -> bool:
    """Return whether smtpd asks a list about the domain of *name*."""
    domain = name.rpartition("@")[2]
    last = domain.rpartition(".")[2]
    if (
        not domain
        or ("@" in name and domain.startswith("["))
        or (last.isascii() and last.isdigit())
    ):
        return False
    return is_hostname(domain) or not domain.isascii()
