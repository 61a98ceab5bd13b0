"""May this login send as that address? smtpd(8)'s answer, and who owns an address.

Source: Postfix 3.7, smtpd_check_mail(), smtpd_check_rcpt() and reject_*_sender_login_mismatch in
smtpd_check.c; postconf(5), smtpd_sender_login_maps, smtpd_delay_reject; SASL_README.
"""

from __future__ import annotations

from mailldap.postfix.words import SPACE, lower_ascii, split_list
from mailldap.simulate.local import LocalDomains
from mailldap.simulate.lookup import AddressSearch
from mailldap.simulate.opened import Opened
from mailldap.simulate.reply import Reply, printable
from mailldap.simulate.restrictions import STAGES, Restrictions, Session, Subject
from mailldap.simulate.result import SenderOwners, SenderVerdict
from mailldap.simulate.rfc822 import unquote
from mailldap.simulate.smtpd import AddressChecks, Refused

_NULL = ("", "<>")


class Senders:
    """Judges senders with the rules of one configuration."""

    def __init__(
        self, opened: Opened, search: AddressSearch, local: LocalDomains, checks: AddressChecks
    ) -> None:
        self._opened = opened
        self._main = opened.main
        self._search = search
        self._local = local
        self._checks = checks

    def login_name(self, login: str) -> str | None:
        """Return the SASL user name that a login gives, or None for nobody.

        Cyrus SASL appends smtpd_sasl_local_domain to a name without a domain.
        """
        if not login or not self._main.get_bool("smtpd_sasl_auth_enable"):
            return None
        if lower_ascii(self._main.get("smtpd_sasl_type")) == "cyrus":
            login = login.strip(SPACE)
            realm = self._main.get("smtpd_sasl_local_domain")
            if realm and "@" not in login:
                login = f"{login}@{realm}"
        return printable(login, utf8=self._opened.utf8, replacement="?")

    def check(self, login: str, address: str, client: str | None = None) -> SenderVerdict:
        """Return smtpd's verdict about *login* (``""``: not logged in) sending as *address*.

        *address* is the argument of MAIL FROM, ``""`` or ``<>`` for the null sender; *client* an
        IP address, by default one outside mynetworks.
        """
        session = Session(client=client, login=self.login_name(login))
        reply = self._conversation(session, "" if address in _NULL else address)
        owners = self.owners(address)
        allowed: bool | None = reply is None
        if reply is not None and reply.temporary and reply.code == 451:
            allowed = None
        return SenderVerdict(
            login=login,
            sender=address,
            allowed=allowed,
            reply=None if reply is None else reply.line,
            owners=owners.owners,
            table_key=owners.table_key,
            unknown=tuple(session.unknown),
        )

    def owners(self, address: str) -> SenderOwners:
        """Return who owns *address* by smtpd_sender_login_maps."""
        sender = "" if address in _NULL else self._internal(address)
        if not sender:
            return SenderOwners(address, ())
        try:
            route = self._checks.resolve_or_refuse(sender)
            hit = self._checks.find("smtpd_sender_login_maps", route.recipient, sender)
        except Refused as refused:
            return SenderOwners(address, (), error=refused.reply.line)
        if hit is None:
            return SenderOwners(address, ())
        return SenderOwners(address, tuple(split_list(hit.value)), hit.key)

    def _internal(self, address: str) -> str:
        """Return the address that smtpd reads, or what stands there where it reads none."""
        try:
            return self._checks.read("MAIL", address).address
        except Refused:
            return unquote(address)

    def _conversation(self, session: Session, address: str) -> Reply | None:
        """Return what smtpd says instead of 250, from CONNECT to the end of DATA."""
        restrictions = Restrictions(self._opened, self._search, self._local, self._checks, session)
        restrictions.needs_destination_check(
            ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
        )
        try:
            self._stages(restrictions, session, address)
        except Refused as refused:
            return refused.reply
        return None

    def _stages(self, restrictions: Restrictions, session: Session, address: str) -> None:
        delayed = self._main.get_bool("smtpd_delay_reject")
        if not delayed:
            # No login and no sender exist yet.
            login, session.login = session.login, None
            self._stage(restrictions, "client", f"unknown[{session.client or 'unknown'}]")
            self._stage(restrictions, "helo", "")
            session.login = login
        sender = self._checks.read("MAIL", address).address
        session.sender = sender
        if not delayed:
            self._sender_stage(restrictions, sender)
        session.has_recipient = True
        if delayed:
            self._stage(restrictions, "client", f"unknown[{session.client or 'unknown'}]")
            self._stage(restrictions, "helo", "")
            self._sender_stage(restrictions, sender)
        self._recipient_stage(restrictions)
        self._stage(restrictions, "data", "DATA")
        self._stage(restrictions, "end of data", "END-OF-MESSAGE")

    def _stage(self, restrictions: Restrictions, stage: str, name: str) -> None:
        parameter, reply_class, command = STAGES[stage]
        restrictions.stage(parameter, Subject(name, reply_class, command))

    def _sender_stage(self, restrictions: Restrictions, sender: str) -> None:
        self._stage(restrictions, "sender", sender)
        if self._main.get_bool("smtpd_reject_unlisted_sender") and not restrictions.discard:
            restrictions.reject_unlisted_sender()

    def _recipient_stage(self, restrictions: Restrictions) -> None:
        """Judge the two lists of RCPT, in the order that the configuration wants."""
        first, second = "relay", "recipient"
        if not self._main.get_bool("smtpd_relay_before_recipient_restrictions"):
            first, second = second, first
        name = "recipient"
        parameter, reply_class, command = STAGES[first]
        restrictions.stage(parameter, Subject(name, reply_class, command))
        parameter, reply_class, command = STAGES[second]
        restrictions.judge(restrictions.words(parameter), Subject(name, reply_class, command))
        deferred = restrictions.deferred()
        if deferred is not None:
            raise Refused(deferred)
