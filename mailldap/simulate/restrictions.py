"""smtpd(8)'s restriction lists, for one client, login and sender.

What can be judged from configuration, tables and the three is judged; what needs the network
(DNS, policy servers, TLS) or a recipient's own tables is passed over and named in ``unknown``. The
recipient is taken to be one that we accept: what is asked here is about the sender.

Source: Postfix 3.7, generic_checks() in smtpd_check.c; postconf(5), SMTPD_ACCESS_README.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from mailldap.errors import ConfigError
from mailldap.postfix.words import fold, lower_ascii, split_braced, split_list
from mailldap.simulate.access import Action, address_keys, domain_keys, read_action
from mailldap.simulate.hostname import is_utf8_hostname, to_address
from mailldap.simulate.local import LocalDomains
from mailldap.simulate.lookup import AddressSearch, Hit, Keys
from mailldap.simulate.opened import Opened
from mailldap.simulate.reply import (
    CLIENT,
    RECIPIENT,
    SASL_LOGIN,
    SENDER,
    Reply,
    fit_status,
    printable,
    split_status,
)
from mailldap.simulate.smtpd import AddressChecks, Refused
from mailldap.tables.base import Failed, Found
from mailldap.tables.open import Maps

_MAX_RECURSION = 100
_LOGIN_MAPS = "smtpd_sender_login_maps"
_MISMATCH = "reject_sender_login_mismatch"
_AUTHENTICATED = "reject_authenticated_sender_login_mismatch"
_UNAUTHENTICATED = "reject_unauthenticated_sender_login_mismatch"
_KNOWN = "reject_known_sender_login_mismatch"

#: What needs the network, or a recipient's tables: nobody can judge it here.
_UNKNOWABLE = frozenset(
    {
        "check_helo_access",
        "check_recipient_access",
        "check_reverse_client_hostname_access",
        "permit_mx_backup",
        "permit_naked_ip_address",
        "reject_invalid_helo_hostname",
        "reject_invalid_hostname",
        "reject_maps_rbl",
        "reject_non_fqdn_helo_hostname",
        "reject_non_fqdn_hostname",
        "reject_plaintext_session",
        "reject_unknown_address",
        "reject_unknown_client",
        "reject_unknown_client_hostname",
        "reject_unknown_helo_hostname",
        "reject_unknown_hostname",
        "reject_unknown_reverse_client_hostname",
        "reject_unknown_sender_domain",
        "reject_unverified_sender",
    }
)
_UNKNOWABLE_WITH_ARGUMENT = frozenset(
    {
        "check_policy_service",
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
#: What has no effect on a well-behaved client without certificate and an acceptable recipient.
_WITHOUT_EFFECT = frozenset(
    {
        "check_recipient_maps",
        "permit_tls_all_clientcerts",
        "permit_tls_clientcerts",
        "reject_multi_recipient_bounce",
        "reject_non_fqdn_recipient",
        "reject_unauth_pipelining",
        "reject_unknown_recipient_domain",
        "reject_unlisted_recipient",
        "reject_unverified_recipient",
    }
)
_MAP_COMMANDS = frozenset(
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


class Status(Enum):
    """What a restriction decides; a rejection is the exception Refused."""

    DUNNO = 0
    OK = 1


class Subject(NamedTuple):
    """What a list is about.

    Replies use the name and the class; ``command`` is what a bare ``type:name`` means.
    """

    name: str
    reply_class: str
    command: str | None


@dataclass(slots=True)
class Session:
    """Who talks to smtpd and what it has said so far; None where it has not.

    ``sender`` is in internal form. ``client`` is an address or None for one outside mynetworks.
    """

    client: str | None = None
    login: str | None = None
    sender: str | None = None
    has_recipient: bool = False
    unknown: list[str] = field(default_factory=list)


class Restrictions:
    """Judges restriction lists for one session."""

    def __init__(
        self,
        opened: Opened,
        search: AddressSearch,
        local: LocalDomains,
        checks: AddressChecks,
        session: Session,
    ) -> None:
        self._opened = opened
        self._main = opened.main
        self._search = search
        self._local = local
        self._checks = checks
        self.session = session
        self.discard = False
        self.sender_checked = False
        self._recursion = 0
        self._warn_if_reject = 0
        self._defer_if_permit: Reply | None = None
        self._defer_if_reject: Reply | None = None
        self._classes = self._restriction_classes()

    def _restriction_classes(self) -> dict[str, list[str]]:
        classes = {_MISMATCH: [_AUTHENTICATED, _UNAUTHENTICATED]}
        for name in split_list(self._main.get("smtpd_restriction_classes")):
            value = self._main.lookup(name)
            if not value:
                raise ConfigError(
                    f"restriction class `{name}' needs a definition",
                    file=self._main.name,
                    line=self._main.location("smtpd_restriction_classes"),
                    hint=f"set {name} to a list of restrictions",
                )
            classes.setdefault(name, split_braced(value))
        return classes

    def words(self, parameter: str) -> list[str]:
        """Return a restriction list."""
        return self._main.get_maps(parameter)

    def needs_destination_check(self, parameters: tuple[str, ...]) -> None:
        """Raise ConfigError where none of the lists refuses to relay: smtpd does not start."""
        for parameter in parameters:
            if self._refuses_relaying(self.words(parameter)):
                return
        wanted = (
            "reject_unauth_destination, defer_unauth_destination, reject, defer, "
            "defer_if_permit or check_relay_domains"
        )
        raise ConfigError(
            f"in parameter {' or '.join(parameters)}, specify at least one working instance of: "
            f"{wanted}",
            file=self._main.name,
            line=self._main.location(parameters[0]),
            hint="add reject_unauth_destination to smtpd_relay_restrictions",
        )

    def _refuses_relaying(self, words: list[str]) -> bool:
        wanted = {"reject_unauth_destination", "defer_unauth_destination", "reject", "defer"}
        wanted |= {"defer_if_permit", "check_relay_domains"}
        skip = False
        for position, word in enumerate(words):
            if skip:
                skip = False
                continue
            name = lower_ascii(word)
            if name == "warn_if_reject" and position + 1 < len(words):
                skip = True
            elif name == "permit":
                return False
            elif name in wanted or (
                word in self._classes and self._refuses_relaying(self._classes[word])
            ):
                return True
        return False

    # --- one list ----------------------------------------------------------------------------

    def stage(self, parameter: str, subject: Subject) -> Status:
        """Judge the list of one stage of the conversation; raises Refused."""
        self._recursion = self._warn_if_reject = 0
        self._defer_if_reject = None
        return self.judge(self.words(parameter), subject)

    def deferred(self) -> Reply | None:
        """Return what a permission turns into, after defer_if_permit."""
        return self._defer_if_permit

    def judge(self, words: list[str], subject: Subject) -> Status:
        """Judge the restrictions in order; raises Refused."""
        saved = self._recursion
        self._recursion += 1
        status = Status.DUNNO
        rest = list(words)
        while rest and not self.discard:
            word = rest.pop(0)
            if lower_ascii(word) == "warn_if_reject":
                self._warn_if_reject = self._warn_if_reject or self._recursion
                continue
            status = self._one(word, rest, subject)
            if self._warn_if_reject >= self._recursion:
                self._warn_if_reject = 0
            if status is not Status.DUNNO or (self._defer_if_permit and self._defer_if_reject):
                break
        self._recursion = saved
        if self._warn_if_reject >= self._recursion:
            self._warn_if_reject = 0
        return status

    def _one(self, word: str, rest: list[str], subject: Subject) -> Status:
        """Judge one restriction; its argument is taken off *rest*."""
        name = lower_ascii(word)
        if ":" in word:
            if subject.command is None:
                raise Refused(self._checks.server_error())
            rest.insert(0, word)
            name = subject.command
        if name in _MAP_COMMANDS:
            return self._map_command(name, rest, subject)
        if name in _UNKNOWABLE_WITH_ARGUMENT:
            if name == "check_policy_service" and not (rest and ":" in rest[0]):
                raise Refused(self._checks.server_error())
            argument = f" {rest.pop(0)}" if rest else ""
            return self._pass_over(name + argument)
        if name == "sleep":
            if not (rest and rest[0].isascii() and rest.pop(0).isdigit()):
                raise Refused(self._checks.server_error())
            return Status.DUNNO
        simple = self._simple(name, subject)
        if simple is not None:
            return simple()
        if word in self._classes:
            return self.judge(self._classes[word], subject)
        self._opened.warn(f'unknown smtpd restriction: "{word}"')
        raise Refused(self._checks.server_error())

    def _simple(self, name: str, subject: Subject) -> Callable[[], Status] | None:
        """Return what judges a restriction without argument, or None for an unknown name."""
        if name in _WITHOUT_EFFECT:
            return lambda: Status.DUNNO
        if name in _UNKNOWABLE:
            return lambda: self._pass_over(name)
        destination = name in {"permit_auth_destination", "check_relay_domains"}
        if destination or name in {"reject_unauth_destination", "defer_unauth_destination"}:
            ok = destination and self.session.has_recipient
            return lambda: Status.OK if ok else Status.DUNNO
        return {
            "permit": lambda: Status.OK,
            "reject": lambda: self._reject(
                self._main.get_int("reject_code"),
                "5.7.1",
                f"<{subject.name}>: {subject.reply_class} rejected: Access denied",
            ),
            "defer": lambda: self._reject(
                self._main.get_int("defer_code"),
                "4.3.2",
                f"<{subject.name}>: {subject.reply_class} rejected: Try again later",
            ),
            "defer_if_permit": lambda: self._defer_permit(
                450,
                "4.7.0",
                f"<{subject.name}>: {subject.reply_class} rejected: defer_if_permit requested",
            ),
            "defer_if_reject": lambda: self._defer_reject(
                450,
                "4.7.0",
                f"<{subject.name}>: {subject.reply_class} rejected: defer_if_reject requested",
            ),
            "permit_inet_interfaces": self._permit_inet_interfaces,
            "permit_mynetworks": lambda: self._permit_mynetworks(subject),
            "permit_sasl_authenticated": self._permit_sasl_authenticated,
            "reject_non_fqdn_sender": self._reject_non_fqdn_sender,
            "reject_unlisted_sender": self.reject_unlisted_sender,
            _AUTHENTICATED: lambda: self._login(name, self._not_owner),
            _UNAUTHENTICATED: lambda: self._login(name, self._not_logged_in),
            _KNOWN: lambda: self._login(name, self._known_mismatch),
        }.get(name)

    def _pass_over(self, what: str) -> Status:
        if what not in self.session.unknown:
            self.session.unknown.append(what)
        return Status.DUNNO

    # --- rejecting ---------------------------------------------------------------------------

    def _reject(self, code: int, dsn: str, text: str) -> Status:
        """Refuse; with warn_if_reject only warn, after a temporary failure defer."""
        reply = self._checks.wording.reject(code, dsn, text)
        if self._warn_if_reject:
            self._opened.warn(f"reject_warning: {reply.line}")
            return Status.DUNNO
        if self._defer_if_reject is not None and code >= 500:
            reply = self._defer_if_reject
        raise Refused(reply)

    def _defer_permit(self, code: int, dsn: str, text: str) -> Status:
        if self._warn_if_reject:
            return self._reject(code, dsn, text)
        if self._defer_if_permit is None:
            self._defer_if_permit = self._checks.wording.reject(code, dsn, text)
        return Status.DUNNO

    def _defer_reject(self, code: int, dsn: str, text: str) -> Status:
        if self._defer_if_reject is None:
            self._defer_if_reject = self._checks.wording.reject(code, dsn, text)
        return Status.DUNNO

    # --- the client --------------------------------------------------------------------------

    def _permit_inet_interfaces(self) -> Status:
        client = self.session.client
        address = None if client is None else to_address(client)
        own = address in {interface.ip for interface in self._main.own_interfaces()}
        return Status.OK if own else Status.DUNNO

    def _permit_mynetworks(self, subject: Subject) -> Status:
        client = self.session.client
        if client is None:
            return Status.DUNNO
        inside = self._opened.match_list("mynetworks").match_client("unknown", client)
        if isinstance(inside, Failed):
            if inside.kind == "retry":
                raise Refused(self._checks.lookup_failure(subject.name))
            raise Refused(self._checks.server_error())
        return Status.OK if inside else Status.DUNNO

    def _permit_sasl_authenticated(self) -> Status:
        active = self._main.get_bool("smtpd_sasl_auth_enable")
        return Status.OK if active and self.session.login else Status.DUNNO

    # --- the sender --------------------------------------------------------------------------

    def _reject_non_fqdn_sender(self) -> Status:
        sender = self.session.sender
        if not sender:
            return Status.DUNNO
        domain = sender.rpartition("@")[2] if "@" in sender else ""
        if domain.startswith("[") and domain.endswith("]"):
            return Status.DUNNO
        if domain.endswith(".") and not domain.endswith(".."):
            domain = domain[:-1]
        if domain and is_utf8_hostname(domain, utf8=False) and "." in domain:
            return Status.DUNNO
        return self._reject(
            self._main.get_int("non_fqdn_reject_code"),
            "4.5.2",
            f"<{sender}>: {SENDER} rejected: need fully-qualified address",
        )

    def reject_unlisted_sender(self) -> Status:
        """Refuse a sender in our domains that no table lists; once is enough."""
        sender = self.session.sender
        if not sender or self.sender_checked:
            return Status.DUNNO
        if not self._warn_if_reject:
            self.sender_checked = True
        reply = self._checks.unlisted(sender, SENDER)
        return Status.DUNNO if reply is None else self._again(reply)

    def _again(self, reply: Reply) -> Status:
        return self._reject(reply.code, reply.dsn, reply.text)

    def _login(self, name: str, judge: Callable[[str], Status]) -> Status:
        if not self._main.get_bool("smtpd_sasl_auth_enable"):
            self._opened.warn(f"restriction `{name}' ignored: no SASL support")
            return Status.DUNNO
        return judge(self.session.sender) if self.session.sender else Status.DUNNO

    def _owners(self, sender: str) -> Hit | None:
        recipient = self._checks.resolve_or_refuse(sender).recipient
        return self._checks.find(_LOGIN_MAPS, recipient, sender)

    def _not_owner(self, sender: str, *, unknown_ok: bool = False) -> Status:
        login = self.session.login
        if login is None:
            return Status.DUNNO
        hit = self._owners(sender)
        if hit is None and unknown_ok:
            return Status.DUNNO
        utf8 = self._opened.utf8
        owners = split_list(hit.value) if hit else []
        if any(fold(login, utf8=utf8) == fold(owner, utf8=utf8) for owner in owners):
            return Status.DUNNO
        text = f"<{sender}>: {SENDER} rejected: not owned by user {login}"
        return self._reject(553, "5.7.1", text)

    def _not_logged_in(self, sender: str) -> Status:
        if self.session.login is not None or self._owners(sender) is None:
            return Status.DUNNO
        return self._reject(553, "5.7.1", f"<{sender}>: {SENDER} rejected: not logged in")

    def _known_mismatch(self, sender: str) -> Status:
        if self.session.login is None:
            return self._not_logged_in(sender)
        return self._not_owner(sender, unknown_ok=True)

    # --- access tables -----------------------------------------------------------------------

    def _map_command(self, name: str, rest: list[str], subject: Subject) -> Status:
        if not rest or ":" not in rest[0]:
            raise Refused(self._checks.server_error())
        spec = rest.pop(0)
        if name == "check_sender_access":
            return self._sender_access(spec, subject) if self._has_sender else Status.DUNNO
        if name == "check_sasl_access":
            return self._sasl_access(spec, subject)
        if name == "check_client_access" and self.session.client is not None:
            return self._client_access(spec, subject)
        if name in {"check_ccert_access", "check_etrn_access"}:
            return Status.DUNNO
        if name == "check_recipient_access" and not self.session.has_recipient:
            return Status.DUNNO
        return self._pass_over(f"{name} {spec}")

    @property
    def _has_sender(self) -> bool:
        return self.session.sender is not None

    def _tables(self, spec: str) -> Maps:
        return self._opened.tables(spec, spec)

    def _sender_access(self, spec: str, subject: Subject) -> Status:
        sender = self.session.sender or ""
        about = subject._replace(name=sender, reply_class=SENDER)
        maps = self._tables(spec)
        if not sender:
            answer = maps.find(self._main.get("smtpd_null_access_lookup_key"))
            return self._answered(answer, spec, about)
        recipient = self._checks.resolve_or_refuse(sender).recipient
        keys = Keys.FULL | Keys.BARE | Keys.DOMAIN | Keys.LOCAL_PART_AT
        keys |= Keys.PARENTS if self._access_parents else Keys.DOT_PARENTS
        hit = self._search.find(maps, recipient, keys)
        answer = Found(hit.value) if isinstance(hit, Hit) else hit
        return self._answered(answer, spec, about)

    def _sasl_access(self, spec: str, subject: Subject) -> Status:
        if not self._main.get_bool("smtpd_sasl_auth_enable"):
            self._opened.warn("restriction `check_sasl_access' ignored: no SASL support")
            return Status.DUNNO
        login = self.session.login
        if not login:
            return Status.DUNNO
        name = printable(login, utf8=self._opened.utf8, replacement="_")
        about = subject._replace(name=name, reply_class=SASL_LOGIN)
        return self._answered(self._tables(spec).find(login), spec, about)

    def _client_access(self, spec: str, subject: Subject) -> Status:
        client = self.session.client or ""
        about = subject._replace(name=f"unknown[{client}]", reply_class=CLIENT)
        maps = self._tables(spec)
        groups = (
            domain_keys("unknown", parents=self._access_parents),
            address_keys(client),
        )
        for keys in groups:
            for position, key in enumerate(keys):
                answer = maps.find(key, partial=position > 0)
                if isinstance(answer, Found | Failed):
                    return self._answered(answer, spec, about)
        return Status.DUNNO

    @property
    def _access_parents(self) -> bool:
        return self._opened.parents_match("smtpd_access_maps")

    def _answered(self, answer: object, spec: str, subject: Subject) -> Status:
        """Do what a table says, or fail where it could not be asked."""
        if isinstance(answer, Failed):
            return self._act("451 4.3.5 Server configuration error", spec, subject)
        return self._act(answer.value, spec, subject) if isinstance(answer, Found) else Status.DUNNO

    def _act(self, value: str, spec: str, subject: Subject) -> Status:
        verdict = read_action(value, discards=self._has_sender)
        action = verdict.action
        if action is Action.DUNNO:
            return Status.DUNNO
        if action is Action.OK:
            return Status.OK
        if action is Action.DISCARD:
            self.discard = True
            return Status.OK
        if action is Action.HANGUP:
            return self._pass_over(f"{spec} HANGUP")
        if action is Action.RESTRICTIONS:
            return self._nested(value, spec, subject)
        return self._refuse_by_table(verdict.action, verdict.text, verdict.code, subject)

    def _refuse_by_table(self, action: Action, text: str, code: int, subject: Subject) -> Status:
        hard = action is Action.REJECT or (action is Action.REPLY and code >= 500)
        dsn, text = split_status(text, "5.7.1" if hard else "4.7.1")
        default = "Access denied"
        if action in {Action.DEFER_IF_PERMIT, Action.DEFER_IF_REJECT}:
            default = "Service unavailable"
        if action is Action.REJECT:
            code = self._main.get_int("access_map_reject_code")
        elif action is not Action.REPLY:
            code = self._main.get_int("access_map_defer_code")
        dsn = fit_status(dsn, subject.reply_class)
        words = f"<{subject.name}>: {subject.reply_class} rejected: {text or default}"
        if action is Action.DEFER_IF_PERMIT:
            return self._defer_permit(code, dsn, words)
        if action is Action.DEFER_IF_REJECT:
            return self._defer_reject(code, dsn, words)
        return self._reject(code, dsn, words)

    def _nested(self, value: str, spec: str, subject: Subject) -> Status:
        """Judge the restrictions that an access table gives."""
        if ":" in value:
            self._opened.warn(f"access table {spec} has entry with lookup table: {value}")
            raise Refused(self._checks.server_error())
        if self._recursion > _MAX_RECURSION:
            self._opened.warn(f"access table {spec} entry {value} causes unreasonable recursion")
            raise Refused(self._checks.server_error())
        words = split_braced(value)
        if not words:
            self._opened.warn(f"access table {spec} entry {value} has empty value")
            return Status.OK
        return self.judge(words, subject)


#: The lists that smtpd judges at each stage.
STAGES = {
    "client": ("smtpd_client_restrictions", CLIENT, "check_client_access"),
    "helo": ("smtpd_helo_restrictions", "Helo command", "check_helo_access"),
    "sender": ("smtpd_sender_restrictions", SENDER, "check_sender_access"),
    "relay": ("smtpd_relay_restrictions", RECIPIENT, "check_recipient_access"),
    "recipient": ("smtpd_recipient_restrictions", RECIPIENT, "check_recipient_access"),
    "data": ("smtpd_data_restrictions", "Data command", None),
    "end of data": ("smtpd_end_of_data_restrictions", "End-of-data", None),
}
