"""May this login send as that address? smtpd(8)'s answer, and who owns an address.

Source: Postfix 3.7, smtpd_check_mail(), smtpd_check_rcpt() and reject_*_sender_login_mismatch in
smtpd_check.c; postconf(5), smtpd_sender_login_maps, smtpd_delay_reject; SASL_README.
"""

from __future__ import annotations

from mailldap.postfix.expand import compatibility_level
from mailldap.postfix.rfc822 import unquote
from mailldap.postfix.words import SPACE, lower_ascii, split_list
from mailldap.simulate.decision import Refused, Session
from mailldap.simulate.lookup import AddressSearch
from mailldap.simulate.opened import Opened
from mailldap.simulate.reply import Reply, printable
from mailldap.simulate.restrictions import Restrictions
from mailldap.simulate.result import SenderOwners, SenderVerdict
from mailldap.simulate.smtpd import AddressChecks

_NULL = ("", "<>")
#: What a table that failed gives; other temporary replies are a policy.
_COULD_NOT_ASK = 451


class Senders:
    """Judges senders with the rules of one configuration."""

    def __init__(self, opened: Opened, search: AddressSearch, checks: AddressChecks) -> None:
        self._opened = opened
        self._main = opened.main
        self._search = search
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

    def check(
        self,
        login: str,
        address: str,
        client: str | None = None,
        recipient: str | None = None,
        helo: str | None = None,
    ) -> SenderVerdict:
        """Return smtpd's verdict about *login* (``""``: not logged in) sending as *address*.

        *address* is the argument of MAIL FROM, ``""`` or ``<>`` for the null sender; *client* an
        IP address, by default one outside mynetworks; *recipient* the argument of RCPT TO, by
        default some recipient that we take; *helo* the name in HELO.
        """
        session = Session(client=client, helo=helo, login=self.login_name(login))
        reply = self._conversation(session, "" if address in _NULL else address, recipient)
        owners = self.owners(address)
        allowed: bool | None = reply is None
        if reply is not None and reply.code == _COULD_NOT_ASK:
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

    def _conversation(self, session: Session, sender: str, recipient: str | None) -> Reply | None:
        """Return what smtpd says instead of 250, from CONNECT to the end of DATA."""
        restrictions = Restrictions(self._opened, self._search, self._checks, session)
        restrictions.require_closed()
        try:
            _Conversation(self._checks, restrictions, session).run(sender, recipient)
        except Refused as refused:
            return refused.reply
        return None


class _Conversation:
    """CONNECT, HELO, MAIL FROM, RCPT TO and DATA, one after the other; Refused ends it."""

    def __init__(self, checks: AddressChecks, restrictions: Restrictions, session: Session) -> None:
        self._checks = checks
        self._restrictions = restrictions
        self._session = session
        self._main = checks.main

    def run(self, sender: str, recipient: str | None) -> None:
        """Raise Refused with the first reply that does not accept."""
        delayed = self._main.get_bool("smtpd_delay_reject")
        if not delayed:
            login, self._session.login = self._session.login, None
            self._connection()
            self._session.login = login
        address = self._checks.read("MAIL", sender).address
        if not delayed:
            self._session.sender = address
            self._sender(address)
        read = None if recipient is None else self._checks.read("RCPT", recipient, other=address)
        self._session.sender = address
        if read is None or not (read.probe or lower_ascii(read.address) == "postmaster"):
            self._session.any_recipient = True
            self._session.recipient = None if read is None else read.address
            if delayed:
                self._connection()
                self._sender(address)
            self._recipient("recipient" if read is None else read.address)
        self._restrictions.decision.forget_permit()
        self._stage("data", "DATA")
        self._restrictions.decision.permit()
        self._stage("end of data", "END-OF-MESSAGE")
        self._restrictions.decision.permit()

    def _stage(self, stage: str, name: str) -> None:
        self._restrictions.decision.begin_stage()
        self._restrictions.stage(stage, name)

    def _connection(self) -> None:
        self._stage("client", f"unknown[{self._session.client or 'unknown'}]")
        self._stage("helo", self._session.helo or "")

    def _sender(self, address: str) -> None:
        self._restrictions.rules.sender_checked = False
        self._stage("sender", address)
        reject = self._main.get_bool("smtpd_reject_unlisted_sender")
        if reject and not self._restrictions.decision.discard:
            self._restrictions.rules.unlisted_sender()

    def _recipient(self, name: str) -> None:
        """Judge the two lists of RCPT, in the order that the configuration wants."""
        first, second = "relay", "recipient"
        unset = self._main.explicit("smtpd_relay_restrictions") is None
        if unset and self._main.compatibility_level < compatibility_level("1"):
            # Only logged, but a table that fails in it fails the recipient.
            first, second = "recipient", "relay before compatibility_level 1"
        elif not self._main.get_bool("smtpd_relay_before_recipient_restrictions"):
            first, second = second, first
        self._stage(first, name)
        self._restrictions.stage(second, name)
        self._restrictions.decision.permit()
        reject = self._main.get_bool("smtpd_reject_unlisted_recipient")
        if reject and not self._restrictions.decision.discard:
            self._restrictions.rules.unlisted_recipient()
