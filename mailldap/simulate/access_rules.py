"""check_*_access: smtpd(8)'s questions to access tables and what follows from the answers.

Source: Postfix 3.7, check_mail_access(), check_namadr_access(), check_sasl_access() and
check_table_result() in smtpd_check.c; access(5), postconf(5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mailldap.postfix.words import split_braced
from mailldap.simulate.access import Action, Verdict, address_keys, domain_keys, read_action
from mailldap.simulate.decision import (
    Decision,
    HungUp,
    Need,
    Refused,
    Session,
    Status,
    Subject,
)
from mailldap.simulate.hostname import bare_address, is_address
from mailldap.simulate.lookup import AddressSearch, Hit, Keys, Searchable
from mailldap.simulate.opened import Opened
from mailldap.simulate.peer import UNKNOWN
from mailldap.simulate.reply import (
    CLIENT,
    HELO,
    RECIPIENT,
    REVERSE_CLIENT,
    SASL_LOGIN,
    SENDER,
    fit_status,
    printable,
    split_status,
)
from mailldap.simulate.smtpd import AddressChecks
from mailldap.tables.base import Answer, Failed, Found

_MAX_RECURSION = 100
_SERVER_ERROR = "451 4.3.5 Server configuration error"
#: Restrictions that take a table.
MAP_COMMANDS = frozenset(
    {
        "check_client_access",
        "check_reverse_client_hostname_access",
        "check_ccert_access",
        "check_sasl_access",
        "check_helo_access",
        "check_sender_access",
        "check_recipient_access",
        "check_etrn_access",
        *(
            f"check_{who}_{what}_access"
            for who in ("client", "reverse_client_hostname", "helo", "sender", "recipient")
            for what in ("mx", "ns", "a")
        ),
    }
)


class _Unexpected:
    """A table in a form that smtpd does not look for here."""

    def __init__(self, opened: Opened, spec: str) -> None:
        self._opened = opened
        self._spec = spec

    def find(self, key: str, *, partial: bool = False) -> Answer:  # noqa: ARG002
        """Return a failure, whatever is asked."""
        self._opened.warn(f"unexpected dictionary: {self._spec}")
        return Failed(f"unexpected dictionary: {self._spec}", "config")


class AccessTables:
    """Judges check_*_access; ``judge`` goes through the restrictions that a table may name."""

    def __init__(
        self,
        opened: Opened,
        search: AddressSearch,
        checks: AddressChecks,
        decision: Decision,
        session: Session,
        judge: Callable[[list[str], Subject], Status],
    ) -> None:
        self._opened = opened
        self._main = opened.main
        self._search = search
        self._checks = checks
        self._decision = decision
        self._session = session
        self._judge = judge

    def check(self, name: str, spec: str, subject: Subject) -> Status:
        """Return what ``name spec`` decides; what nobody can judge here is passed over."""
        judge: Callable[[str, str, Subject], Status] = {
            "check_client_access": self._named_client,
            "check_reverse_client_hostname_access": self._reverse_client,
            "check_ccert_access": lambda *_: Status.DUNNO,
            "check_sasl_access": self._sasl,
            "check_helo_access": self._helo,
            "check_sender_access": self._sender,
            "check_recipient_access": self._recipient,
            "check_etrn_access": lambda *_: Status.DUNNO,
        }.get(name, self._server)
        return judge(name, spec, subject)

    def _named_client(self, name: str, spec: str, subject: Subject) -> Status:
        peer = self._session.peer
        if peer.address is None:
            return self._session.pass_over(f"{name} {spec}", "the client")
        host = self._session.name_of_client()
        return self._client(spec, host, subject._replace(name=peer.shown, reply_class=CLIENT))

    def _reverse_client(self, name: str, spec: str, subject: Subject) -> Status:
        peer = self._session.peer
        if peer.address is None or peer.guessed:
            need: Need = "DNS" if peer.address else "the client"
            return self._session.pass_over(f"{name} {spec}", need)
        host = peer.reverse_name
        about = subject._replace(name=host, reply_class=REVERSE_CLIENT)
        return self._no_exception(name, host, self._client(spec, host, about))

    def _helo(self, name: str, spec: str, subject: Subject) -> Status:
        helo = self._session.helo
        if helo is None:
            return self._session.pass_over(f"{name} {spec}", "the HELO name")
        about = subject._replace(name=helo, reply_class=HELO)
        return self._first(spec, (domain_keys(helo, parents=self._parents),), about)

    def _client(self, spec: str, host: str, about: Subject) -> Status:
        parts = (
            domain_keys(host, parents=self._parents),
            address_keys(self._session.peer.shown_address),
        )
        return self._first(spec, parts, about)

    def _no_exception(self, name: str, target: str, status: Status) -> Status:
        """Refuse an OK for what a stranger can choose."""
        if status is Status.OK and not self._decision.discard:
            self._opened.warn(f"restriction {name} returns OK for {target}")
            self._opened.warn("this is not allowed for security reasons")
            raise Refused(self._checks.server_error())
        return status

    def _server(self, name: str, spec: str, subject: Subject) -> Status:
        """Judge check_WHO_WHAT_access: the mail or name servers, or addresses, of a domain."""
        who, _, what = name.removeprefix("check_").removesuffix("_access").rpartition("_")
        host, reply_class, need = self._served(who)
        whole = f"{name} {spec}"
        if need is not None:
            return self._session.pass_over(whole, need)
        if not host:
            return Status.DUNNO
        domain = host.rpartition("@")[2]
        if domain.startswith("["):
            address = bare_address(domain[1:-1]) if domain.endswith("]") else None
            if what == "ns" or address is None:
                return Status.DUNNO
        elif what == "a" and is_address(domain):
            address = domain
        else:
            return self._session.pass_over(whole, "DNS")
        shown = self._session.peer.shown if who == "client" else host
        about = subject._replace(name=shown, reply_class=reply_class)
        return self._no_exception(name, host, self._first(spec, (address_keys(address),), about))

    def _served(self, who: str) -> tuple[str | None, str, Need | None]:
        """Return the host or address that is meant, its class, and what is not known of it."""
        session, peer = self._session, self._session.peer
        if who == "sender":
            return session.sender, SENDER, None
        if who == "recipient":
            unknown = session.recipient is None and session.any_recipient
            return session.recipient, RECIPIENT, "the recipient" if unknown else None
        if who == "helo":
            return session.helo, HELO, "the HELO name" if session.helo is None else None
        if peer.guessed:
            return None, CLIENT, "DNS"
        name, reply_class = (peer.name, CLIENT)
        if who == "reverse_client_hostname":
            name, reply_class = peer.reverse_name, REVERSE_CLIENT
        return None if name == UNKNOWN else name, reply_class, None

    def _tables(self, spec: str) -> Searchable:
        if spec.startswith("{"):  # only check_ccert_access takes a table with options
            return _Unexpected(self._opened, spec)
        return self._opened.tables(spec, spec)

    def _sender(self, _name: str, spec: str, subject: Subject) -> Status:
        sender = self._session.sender
        if sender is None:
            return Status.DUNNO
        about = subject._replace(name=sender, reply_class=SENDER)
        if sender:
            return self._mail(spec, sender, self._session.recipient or "", about)
        key = self._main.get("smtpd_null_access_lookup_key")
        return self._answered(self._tables(spec).find(key), spec, about)

    def _recipient(self, name: str, spec: str, subject: Subject) -> Status:
        recipient = self._session.recipient
        if recipient is None:
            if self._session.any_recipient:
                return self._session.pass_over(f"{name} {spec}", "the recipient")
            return Status.DUNNO
        about = subject._replace(name=recipient, reply_class=RECIPIENT)
        sender = self._session.sender or ""
        status = self._mail(spec, recipient, sender, about)
        routed = self._checks.resolve(recipient, sender).routed
        if routed and not self._main.get_bool("allow_untrusted_routing"):
            return Status.DUNNO
        return status

    def _mail(self, spec: str, address: str, other: str, about: Subject) -> Status:
        recipient = self._checks.resolve_or_refuse(address, other).recipient
        if "@" not in recipient:
            return Status.DUNNO
        keys = Keys.FULL | Keys.BARE | Keys.DOMAIN | Keys.LOCAL_PART_AT
        keys |= Keys.PARENTS if self._parents else Keys.DOT_PARENTS
        hit = self._search.find(self._tables(spec), recipient, keys)
        return self._answered(Found(hit.value) if isinstance(hit, Hit) else hit, spec, about)

    def _sasl(self, _name: str, spec: str, subject: Subject) -> Status:
        if not self._main.get_bool("smtpd_sasl_auth_enable"):
            self._opened.warn("restriction `check_sasl_access' ignored: no SASL support")
            return Status.DUNNO
        login = self._session.login
        if not login:
            return Status.DUNNO
        name = printable(login, utf8=self._opened.utf8, replacement="_")
        about = subject._replace(name=name, reply_class=SASL_LOGIN)
        return self._answered(self._tables(spec).find(login), spec, about)

    def _first(self, spec: str, parts: Iterable[Iterable[str]], subject: Subject) -> Status:
        """Do what the first key decides; the first one of each part is not partial."""
        maps = self._tables(spec)
        for keys in parts:
            for position, key in enumerate(keys):
                answer = maps.find(key, partial=position > 0)
                if isinstance(answer, Found | Failed):
                    return self._answered(answer, spec, subject)
        return Status.DUNNO

    @property
    def _parents(self) -> bool:
        return self._opened.parents_match("smtpd_access_maps")

    @property
    def _discards(self) -> bool:
        """Whether DISCARD has an effect: not before there is a sender, nor for a proxy."""
        return self._session.sender is not None and not self._main.get("smtpd_proxy_filter")

    # --- actions -----------------------------------------------------------------------------

    def _answered(self, answer: Answer, spec: str, subject: Subject) -> Status:
        """Do what a table says, or fail where it could not be asked."""
        if isinstance(answer, Failed):
            return self._act(_SERVER_ERROR, spec, subject)
        return self._act(answer.value, spec, subject) if isinstance(answer, Found) else Status.DUNNO

    def _act(self, value: str, spec: str, subject: Subject) -> Status:
        verdict = read_action(value, discards=self._discards)
        if verdict.action is Action.DUNNO:
            return Status.DUNNO
        if verdict.action is Action.OK:
            return Status.OK
        if verdict.action is Action.DISCARD:
            self._decision.discard = True
            return Status.OK
        if verdict.action is Action.HANGUP:
            raise HungUp(f"{spec}: HANGUP")
        if verdict.action is Action.RESTRICTIONS:
            return self._nested(value, spec, subject)
        return self._refuse(verdict, subject)

    def _refuse(self, verdict: Verdict, subject: Subject) -> Status:
        action, code = verdict.action, verdict.code
        hard = action is Action.REJECT or (action is Action.REPLY and code >= 500)
        dsn, text = split_status(verdict.text, "5.7.1" if hard else "4.7.1")
        put_off = action in {Action.DEFER_IF_PERMIT, Action.DEFER_IF_REJECT}
        text = text or ("Service unavailable" if put_off else "Access denied")
        if action is Action.REJECT:
            code = self._main.get_int("access_map_reject_code")
        elif action is not Action.REPLY:
            code = self._main.get_int("access_map_defer_code")
        dsn = fit_status(dsn, subject.reply_class)
        words = f"<{subject.name}>: {subject.reply_class} rejected: {text}"
        if action is Action.DEFER_IF_PERMIT:
            return self._decision.defer_if_permit(code, dsn, words)
        if action is Action.DEFER_IF_REJECT:
            return self._decision.defer_if_reject(code, dsn, words)
        return self._decision.reject(code, dsn, words)

    def _nested(self, value: str, spec: str, subject: Subject) -> Status:
        """Judge the restrictions that an access table gives."""
        if ":" in value:
            self._opened.warn(f"access table {spec} has entry with lookup table: {value}")
            raise Refused(self._checks.server_error())
        if self._decision.depth > _MAX_RECURSION:
            self._opened.warn(f"access table {spec} entry {value} causes unreasonable recursion")
            raise Refused(self._checks.server_error())
        words = split_braced(value)
        if not words:
            self._opened.warn(f"access table {spec} entry {value} has empty value")
            return Status.OK
        return self._judge(words, subject)
