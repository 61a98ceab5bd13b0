"""check_*_access: smtpd(8)'s questions to access tables and what follows from the answers.

Source: Postfix 3.7, check_mail_access(), check_namadr_access(), check_sasl_access() and
check_table_result() in smtpd_check.c; access(5), postconf(5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mailldap.postfix.words import split_braced
from mailldap.simulate.access import Action, Verdict, address_keys, domain_keys, read_action
from mailldap.simulate.decision import Decision, Refused, Session, Status, Subject
from mailldap.simulate.lookup import AddressSearch, Hit, Keys
from mailldap.simulate.opened import Opened
from mailldap.simulate.reply import (
    CLIENT,
    HELO,
    RECIPIENT,
    SASL_LOGIN,
    SENDER,
    fit_status,
    printable,
    split_status,
)
from mailldap.simulate.smtpd import AddressChecks
from mailldap.tables.base import Answer, Failed, Found
from mailldap.tables.open import Maps

_MAX_RECURSION = 100
#: Restrictions that take a table; those that are not judged below need DNS or TLS.
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

    def check(self, name: str, spec: str, subject: Subject) -> Status | None:
        """Return what ``name spec`` decides; None where nobody can judge it here."""
        if name == "check_sender_access":
            return self._sender(spec, subject)
        if name == "check_recipient_access":
            return self._recipient(spec, subject)
        if name == "check_sasl_access":
            return self._sasl(spec, subject)
        client, helo = self._session.client, self._session.helo
        if name == "check_client_access" and client is not None:
            about = subject._replace(name=f"unknown[{client}]", reply_class=CLIENT)
            parts = (domain_keys("unknown", parents=self._parents), address_keys(client))
            return self._first(spec, parts, about)
        if name == "check_helo_access" and helo is not None:
            about = subject._replace(name=helo, reply_class=HELO)
            return self._first(spec, (domain_keys(helo, parents=self._parents),), about)
        if name in {"check_ccert_access", "check_etrn_access"}:
            return Status.DUNNO
        return None

    def _tables(self, spec: str) -> Maps:
        return self._opened.tables(spec, spec)

    def _sender(self, spec: str, subject: Subject) -> Status:
        sender = self._session.sender
        if sender is None:
            return Status.DUNNO
        about = subject._replace(name=sender, reply_class=SENDER)
        if sender:
            return self._mail(spec, sender, self._session.recipient or "", about)
        key = self._main.get("smtpd_null_access_lookup_key")
        return self._answered(self._tables(spec).find(key), spec, about)

    def _recipient(self, spec: str, subject: Subject) -> Status | None:
        recipient = self._session.recipient
        if recipient is None:
            return None if self._session.any_recipient else Status.DUNNO
        about = subject._replace(name=recipient, reply_class=RECIPIENT)
        sender = self._session.sender or ""
        status = self._mail(spec, recipient, sender, about)
        routed = self._checks.resolve(recipient, sender).routed
        if routed and not self._main.get_bool("allow_untrusted_routing"):
            return Status.DUNNO
        return status

    def _mail(self, spec: str, address: str, other: str, about: Subject) -> Status:
        recipient = self._checks.resolve_or_refuse(address, other).recipient
        keys = Keys.FULL | Keys.BARE | Keys.DOMAIN | Keys.LOCAL_PART_AT
        keys |= Keys.PARENTS if self._parents else Keys.DOT_PARENTS
        hit = self._search.find(self._tables(spec), recipient, keys)
        return self._answered(Found(hit.value) if isinstance(hit, Hit) else hit, spec, about)

    def _sasl(self, spec: str, subject: Subject) -> Status:
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

    # --- actions -----------------------------------------------------------------------------

    def _answered(self, answer: Answer, spec: str, subject: Subject) -> Status:
        """Do what a table says, or fail where it could not be asked."""
        if isinstance(answer, Failed):
            return self._act("451 4.3.5 Server configuration error", spec, subject)
        return self._act(answer.value, spec, subject) if isinstance(answer, Found) else Status.DUNNO

    def _act(self, value: str, spec: str, subject: Subject) -> Status:
        verdict = read_action(value, discards=self._session.sender is not None)
        if verdict.action is Action.DUNNO:
            return Status.DUNNO
        if verdict.action is Action.OK:
            return Status.OK
        if verdict.action is Action.DISCARD:
            self._decision.discard = True
            return Status.OK
        if verdict.action is Action.HANGUP:
            self._session.unknown.append(f"{spec} HANGUP")
            return Status.DUNNO
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
