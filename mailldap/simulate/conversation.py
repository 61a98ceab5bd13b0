"""CONNECT, HELO, MAIL FROM, RCPT TO and DATA, as smtpd(8) judges them one after the other.

Source: Postfix 3.7, smtpd_check_client(), _helo(), _mail(), _rcpt(), _data(), _eod() and
_rewrite() in smtpd_check.c; smtpd_proto(), mail_cmd() and rcpt_cmd() in smtpd.c; postconf(5),
smtpd_delay_reject.
"""

from __future__ import annotations

from dataclasses import replace

from mailldap.postfix.expand import compatibility_level
from mailldap.postfix.words import is_utf8, lower_ascii
from mailldap.simulate.decision import Refused, Session
from mailldap.simulate.footer import Said
from mailldap.simulate.lookup import AddressSearch
from mailldap.simulate.opened import Opened
from mailldap.simulate.reply import Reply, printable
from mailldap.simulate.restriction_lists import RestrictionLists
from mailldap.simulate.restrictions import Restrictions
from mailldap.simulate.smtpd import AddressChecks
from mailldap.simulate.transport_security import TransportSecurity
from mailldap.tables.base import Failed, Found

#: Stands in replies for the recipient that nobody has named.
SOME_RECIPIENT = "recipient"
#: Stands for the name in HELO that nobody has told.
SOME_HELO = "helo"
#: What smtpd does not keep in a HELO name.
_SPECIAL = frozenset(' <>()\\";@')


def kept_helo(helo: str | None, *, utf8: bool) -> str | None:
    """Return the name in HELO as smtpd keeps it; None for one that nobody knows."""
    if helo is None:
        return None
    text = printable(helo, utf8=utf8, replacement="?")
    return "".join("?" if character in _SPECIAL else character for character in text)


class Conversation:
    """One conversation; ``said`` is what smtpd knew of it when it sent the last reply."""

    def __init__(
        self,
        opened: Opened,
        search: AddressSearch,
        checks: AddressChecks,
        lists: RestrictionLists,
        session: Session,
    ) -> None:
        self._opened = opened
        self._main = opened.main
        self._checks = checks
        self._session = session
        self._restrictions = Restrictions(opened, search, checks, lists, session)
        self.said = Said(session.peer)
        self._smtputf8 = False

    def run(
        self,
        sender: str,
        recipient: str | None,
        *,
        encrypted: bool | None = None,
        smtputf8: bool = False,
    ) -> Reply | None:
        """Return the first reply that does not accept, or None.

        *sender* and *recipient* are the arguments of MAIL FROM and RCPT TO. *smtputf8*: the
        client asks for it, which it cannot where smtputf8_enable is off.
        """
        self._smtputf8 = smtputf8 and self._opened.utf8
        try:
            self._run(sender, recipient, encrypted)
        except Refused as refused:
            return refused.reply
        return None

    def _run(self, sender: str, recipient: str | None, encrypted: bool | None) -> None:
        session = self._session
        security = TransportSecurity.of(self._main)
        delayed = self._main.get_bool("smtpd_delay_reject")
        if delayed:
            session.helo = kept_helo(session.helo, utf8=self._opened.utf8)
        else:
            # The login comes later, and TLS after the first HELO.
            login, session.login = session.login, None
            session.encrypted = security.wrapped
            helo, session.helo = session.helo, ""
            self._connection(helo)
            session.login = login
            session.helo = kept_helo(session.helo, utf8=self._opened.utf8)
        session.encrypted = security.encrypted(encrypted, logged_in=session.login is not None)
        self.said = replace(self.said, helo=SOME_HELO if session.helo is None else session.helo)
        # Who logs in hears of it then; others at MAIL, where illegible text is told first.
        legible = session.login is not None or is_utf8(sender) or not self._opened.utf8
        if security.enforced and session.encrypted is False and legible:
            reply = "530 5.7.0 Must issue a STARTTLS command first"
            raise Refused(self._checks.wording.protocol(reply))
        address = self._mail(sender, delayed=delayed)
        self._rcpt(address, recipient, delayed=delayed)
        self._restrictions.decision.forget_permit()
        for stage, command in (("data", "DATA"), ("end of data", "END-OF-MESSAGE")):
            session.command = command
            self._restrictions.decision.forget_permit()
            self._stage(stage, command)
            self._restrictions.decision.permit()

    def _stage(self, stage: str, name: str) -> None:
        self._restrictions.decision.begin_stage()
        self._restrictions.stage(stage, name)

    def _connection(self, helo: str | None) -> None:
        self._stage("client", self._session.peer.shown)
        self._session.helo = helo
        self._stage("helo", SOME_HELO if helo is None else helo)

    # --- MAIL FROM ---------------------------------------------------------------------------

    def _mail(self, argument: str, *, delayed: bool) -> str:
        """Return the sender in internal form."""
        session = self._session
        session.command = "MAIL"
        address = self._checks.read("MAIL", argument, smtputf8=self._smtputf8).address
        if not delayed:
            session.sender = address
            self._sender(address)
        self._rewriting()
        self._checks.require_smtputf8(address, smtputf8=self._smtputf8)
        session.sender = address
        self.said = replace(self.said, sender=address)
        return address

    def _sender(self, address: str) -> None:
        self._restrictions.rules.sender_checked = False
        self._stage("sender", address)
        reject = self._main.get_bool("smtpd_reject_unlisted_sender")
        if reject and not self._restrictions.decision.discard:
            self._restrictions.rules.unlisted_sender()

    def _rewriting(self) -> None:
        """Look for the client in local_header_rewrite_clients: a failure refuses the sender."""
        peer = self._session.peer
        if peer.address is None:
            return
        words = self._main.get_maps("local_header_rewrite_clients")
        for word in words:
            name = lower_ascii(word)
            if name == "permit_mynetworks":
                found: object = self._opened.match_list("mynetworks").match_client(
                    peer.name, peer.address
                )
            elif ":" in word:
                answer = self._opened.tables(word, word).find(peer.address)
                found = answer if isinstance(answer, Failed) else isinstance(answer, Found)
            else:
                continue
            if isinstance(found, Failed):
                if found.kind == "retry":
                    reply = "451 4.3.0 Temporary lookup error"
                    raise Refused(self._checks.wording.protocol(reply))
                raise Refused(self._checks.server_error())
            if found:
                return

    # --- RCPT TO -----------------------------------------------------------------------------

    def _rcpt(self, sender: str, argument: str | None, *, delayed: bool) -> None:
        session = self._session
        session.command = "RCPT"
        read = None
        if argument is not None:
            read = self._checks.read("RCPT", argument, other=sender, smtputf8=self._smtputf8)
        session.recipient = None if read is None else read.address
        session.any_recipient = True
        if read is None or not (read.probe or lower_ascii(read.address) == "postmaster"):
            if delayed:
                self._connection(session.helo)
                self._sender(sender)
            self._recipient(SOME_RECIPIENT if read is None else read.address)
        self.said = replace(self.said, recipient=session.recipient)

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
