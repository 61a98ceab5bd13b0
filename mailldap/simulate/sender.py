"""May this login send as that address? smtpd(8)'s answer, and who owns an address.

Source: Postfix 3.7, reject_*_sender_login_mismatch in smtpd_check.c, helo_cmd() in smtpd.c;
postconf(5), smtpd_sender_login_maps; SASL_README.
"""

from __future__ import annotations

from collections.abc import Iterable

from mailldap.postfix.rfc822 import unquote
from mailldap.postfix.words import SPACE, fold, lower_ascii, split_list
from mailldap.simulate.conversation import SOME_HELO, SOME_RECIPIENT, Conversation
from mailldap.simulate.decision import HungUp, Refused, Session
from mailldap.simulate.footer import Footers
from mailldap.simulate.lookup import AddressSearch, Hit
from mailldap.simulate.opened import Opened
from mailldap.simulate.peer import identify
from mailldap.simulate.reply import Reply, printable
from mailldap.simulate.restriction_lists import RestrictionLists
from mailldap.simulate.result import SenderOwners, SenderVerdict
from mailldap.simulate.smtpd import AddressChecks

_NULL = ("", "<>")
#: What a table that failed gives; other temporary replies are a policy.
_COULD_NOT_ASK = 451
#: How addresses are refused that may need it.
_WITHOUT_SMTPUTF8 = frozenset({".1.3", ".1.7", ".6.7"})


class Senders:
    """Judges senders with the rules of one configuration."""

    def __init__(
        self,
        opened: Opened,
        search: AddressSearch,
        checks: AddressChecks,
        lists: RestrictionLists,
        footers: Footers,
    ) -> None:
        self.lists = lists
        self._footers = footers
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
        encrypted: bool | None = None,
        *,
        smtputf8: bool = False,
    ) -> SenderVerdict:
        """Return smtpd's verdict about *login* (``""``: not logged in) sending as *address*.

        *address* is the argument of MAIL FROM, ``""`` or ``<>`` for the null sender; *client* an
        IP address or ``NAME[ADDRESS]``, by default one outside mynetworks; *recipient* the
        argument of RCPT TO, by default some recipient that we take; *helo* the name in HELO;
        *encrypted* whether the client uses TLS, *smtputf8* whether it asks for SMTPUTF8.
        Raises UsageError for a client that is none, ConfigError where smtpd does not start.
        """
        peer = identify(client, self._main, self._opened.context.read_file)
        session = Session(
            peer,
            helo=helo,
            login=self.login_name(login),
        )
        conversation = Conversation(self._opened, self._search, self._checks, self.lists, session)
        sender = "" if address in _NULL else address
        line, hung_up = None, False
        reply: Reply | None = None
        try:
            reply = conversation.run(sender, recipient, encrypted=encrypted, smtputf8=smtputf8)
        except HungUp as action:
            self._opened.warn(f"smtpd hangs up without a reply: {action}")
            hung_up = True
        if reply is not None:
            line = self._footers.add(reply, conversation.said)
            if peer.guessed and peer.shown in line:
                session.name_of_client()
            in_footer = conversation.said.helo == SOME_HELO and "helo_name" in self._footers.named
            if helo is None and (in_footer or f"<{SOME_HELO}>" in line):
                session.assume(f"the name in HELO is {SOME_HELO}")
            if recipient is None and f"<{SOME_RECIPIENT}>" in line:
                session.assume(f"the recipient is called {SOME_RECIPIENT}")
            ascii_only = f"{sender}{recipient or ''}".isascii()
            if not (smtputf8 or ascii_only) and reply.dsn[1:] in _WITHOUT_SMTPUTF8:
                session.assume("the client does not ask for SMTPUTF8")
        owners = self.owners(address)
        allowed: bool | None = reply is None and not hung_up
        if reply is not None and reply.code == _COULD_NOT_ASK:
            allowed = None
        if session.login is None:
            strange = owners.table_key is not None
        else:
            strange = bool(session.sender) and not self._among(session.login, owners.owners)
        return SenderVerdict(
            login=login,
            sender=address,
            allowed=allowed,
            reply=line,
            owners=owners.owners,
            table_key=owners.table_key,
            passed_over=tuple(session.passed_over),
            assumed=tuple(session.assumed),
            not_reached=tuple(session.not_reached) if allowed and strange else (),
        )

    def owners(self, address: str) -> SenderOwners:
        """Return who owns *address* by smtpd_sender_login_maps."""
        sender = "" if address in _NULL else self._internal(address)
        try:
            hit = self._hit(sender)
        except Refused as refused:
            return SenderOwners(address, (), error=refused.reply.line)
        if hit is None:
            return SenderOwners(address, ())
        return SenderOwners(address, tuple(split_list(hit.value)), hit.key)

    def owns(self, owner: str, address: str) -> bool:
        """Return whether *owner*, a SASL user name, owns an address that smtpd takes.

        The client is taken to ask for SMTPUTF8. Raises Refused where a table could not be asked.
        """
        try:
            sender = self._checks.read("MAIL", address, smtputf8=True).address
        except Refused:
            return False
        hit = self._hit(sender)
        return hit is not None and self._among(owner, split_list(hit.value))

    def _among(self, login: str, owners: Iterable[str]) -> bool:
        utf8 = self._opened.utf8
        return fold(login, utf8=utf8) in {fold(owner, utf8=utf8) for owner in owners}

    def _hit(self, sender: str) -> Hit | None:
        """Return what smtpd_sender_login_maps say of an address in internal form."""
        if not sender:
            return None
        route = self._checks.resolve_or_refuse(sender)
        return self._checks.find("smtpd_sender_login_maps", route.recipient, sender)

    def _internal(self, address: str) -> str:
        """Return the address that smtpd reads, or what stands there where it reads none."""
        try:
            return self._checks.read("MAIL", address).address
        except Refused:
            return unquote(address)
