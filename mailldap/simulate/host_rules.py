"""Restrictions that judge the client, its session and its HELO.

Source: Postfix 3.7, reject_unknown_client(), reject_plaintext_session(), reject_invalid_hostname()
and their neighbours in smtpd_check.c; postconf(5), smtpd_client_restrictions,
smtpd_helo_restrictions.
"""

from __future__ import annotations

from collections.abc import Callable

from mailldap.simulate.decision import Decision, Refused, Session, Status, Subject
from mailldap.simulate.hostname import (
    bare_address,
    is_address,
    is_hostname,
    is_utf8_hostname,
    to_address,
)
from mailldap.simulate.opened import Opened
from mailldap.simulate.peer import UNKNOWN
from mailldap.simulate.reply import CLIENT, HELO
from mailldap.simulate.smtpd import AddressChecks
from mailldap.tables.base import Failed

_NAKED = frozenset("0123456789.:")


class HostRules:
    """Judges hosts with the rules of one configuration, for one session."""

    def __init__(
        self, opened: Opened, checks: AddressChecks, decision: Decision, session: Session
    ) -> None:
        self._opened = opened
        self._main = opened.main
        self._checks = checks
        self._decision = decision
        self._session = session

    # --- the client --------------------------------------------------------------------------

    def permit_inet_interfaces(self) -> Status:
        """Permit this machine."""
        address = to_address(self._session.peer.address or "")
        own = address in {interface.ip for interface in self._main.own_interfaces()}
        return Status.OK if own else Status.DUNNO

    def permit_mynetworks(self, subject: Subject) -> Status:
        """Permit what mynetworks lists."""
        peer = self._session.peer
        if peer.address is None:
            return Status.DUNNO
        inside = self._opened.match_list("mynetworks").match_client(peer.name, peer.address)
        if isinstance(inside, Failed):
            if inside.kind == "retry":
                raise Refused(self._checks.lookup_failure(subject.name))
            raise Refused(self._checks.server_error())
        return Status.OK if inside else Status.DUNNO

    def permit_sasl_authenticated(self) -> Status:
        """Permit who is logged in."""
        active = self._main.get_bool("smtpd_sasl_auth_enable")
        return Status.OK if active and self._session.login else Status.DUNNO

    def unknown_client(self, name: str) -> Status:
        """Refuse a client without verified host name."""
        return self._nameless(name, self._session.peer.name, "4.7.25", "your hostname")

    def unknown_reverse(self, name: str) -> Status:
        """Refuse a client whose address has no name."""
        reverse = self._session.peer.reverse_name
        return self._nameless(name, reverse, "4.7.1", "your reverse hostname")

    def _nameless(self, restriction: str, host: str, dsn: str, what: str) -> Status:
        peer = self._session.peer
        if peer.guessed:
            return self._session.pass_over(restriction, "DNS")
        if host != UNKNOWN:
            return Status.DUNNO
        code = self._main.get_int("unknown_client_reject_code")
        text = f"{CLIENT} rejected: cannot find {what}, [{peer.shown_address}]"
        return self._decision.reject(code, dsn, text)

    def plaintext_session(self, name: str) -> Status:
        """Refuse a session without TLS."""
        if self._session.encrypted is None:
            return self._session.pass_over(name, "whether the session is encrypted")
        if self._session.encrypted:
            return Status.DUNNO
        code = self._main.get_int("plaintext_reject_code")
        return self._decision.reject(code, "4.7.1", "Session encryption is required")

    # --- HELO --------------------------------------------------------------------------------

    def invalid_helo(self, name: str) -> Status:
        """Refuse what is no host name and no address."""
        return self._helo(name, "Invalid name", lambda h: is_hostname(h) or is_address(h), 0)

    def non_fqdn_helo(self, name: str) -> Status:
        """Refuse a host name without domain."""
        return self._helo(
            name,
            "need fully-qualified hostname",
            lambda h: is_utf8_hostname(h, utf8=False) and "." in h,
            1,
        )

    def unknown_helo(self, name: str) -> Status:
        """Refuse a name that DNS does not have; only an address literal can be judged here."""
        helo = self._session.helo
        if helo is None:
            return self._session.pass_over(name, "the HELO name")
        if not helo:
            return Status.DUNNO
        return self._valid_address(helo) if helo[0] == "[" else self._session.pass_over(name, "DNS")

    def permit_naked_address(self, name: str) -> Status:
        """Permit HELO with an address without brackets."""
        helo = self._session.helo
        if helo is None:
            return self._session.pass_over(name, "the HELO name")
        if not helo or not set(helo) <= _NAKED:
            return Status.DUNNO
        self._valid_address(helo)
        return Status.OK

    def _helo(
        self, restriction: str, text: str, good: Callable[[str], object], fqdn: int
    ) -> Status:
        helo = self._session.helo
        if helo is None:
            return self._session.pass_over(restriction, "the HELO name")
        if not helo:
            return Status.DUNNO
        if helo.startswith("["):
            return self._valid_address(helo)
        name = helo
        if len(name) > 1 and name.endswith(".") and not name.endswith(".."):
            name = name[:-1]
        if good(name):
            return Status.DUNNO
        code = ("invalid_hostname_reject_code", "non_fqdn_reject_code")[fqdn]
        return self._refuse_helo(code, text)

    def _valid_address(self, helo: str) -> Status:
        bracketed = helo.startswith("[") and helo.endswith("]") and len(helo) > 2
        if bare_address(helo[1:-1] if bracketed else helo) is not None:
            return Status.DUNNO
        return self._refuse_helo("invalid_hostname_reject_code", "invalid ip address")

    def _refuse_helo(self, code: str, text: str) -> Status:
        words = f"<{self._session.helo}>: {HELO} rejected: {text}"
        return self._decision.reject(self._main.get_int(code), "5.5.2", words)
