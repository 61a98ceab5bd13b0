"""smtpd(8)'s restriction lists, for one client, login, sender and recipient.

What can be judged from configuration, tables and these is judged; what needs the network (DNS,
policy servers, TLS) is passed over and named in ``session.unknown``.

Source: Postfix 3.7, generic_checks() in smtpd_check.c; postconf(5), SMTPD_ACCESS_README.
"""

from __future__ import annotations

from collections.abc import Callable

from mailldap.errors import ConfigError
from mailldap.postfix.words import lower_ascii, split_braced, split_list
from mailldap.simulate.access_rules import MAP_COMMANDS, AccessTables
from mailldap.simulate.address_rules import AddressRules
from mailldap.simulate.decision import Decision, Refused, Session, Status, Subject
from mailldap.simulate.hostname import to_address
from mailldap.simulate.lookup import AddressSearch
from mailldap.simulate.opened import Opened
from mailldap.simulate.reply import CLIENT, HELO, RECIPIENT, SENDER
from mailldap.simulate.smtpd import AddressChecks
from mailldap.tables.base import Failed

#: The list of each stage, the class in its replies, and what a bare table means in it.
STAGES = {
    "client": ("smtpd_client_restrictions", CLIENT, "check_client_access"),
    "helo": ("smtpd_helo_restrictions", HELO, "check_helo_access"),
    "sender": ("smtpd_sender_restrictions", SENDER, "check_sender_access"),
    "relay": ("smtpd_relay_restrictions", RECIPIENT, "check_recipient_access"),
    "relay before compatibility_level 1": (None, RECIPIENT, "check_recipient_access"),
    "recipient": ("smtpd_recipient_restrictions", RECIPIENT, "check_recipient_access"),
    "data": ("smtpd_data_restrictions", "Data command", None),
    "end of data": ("smtpd_end_of_data_restrictions", "End-of-data", None),
}

#: What smtpd tries out where smtpd_relay_restrictions has no default yet.
_FAKE_RELAY = ("permit_mynetworks", "permit_sasl_authenticated", "permit_auth_destination")

_AUTHENTICATED = "reject_authenticated_sender_login_mismatch"
_UNAUTHENTICATED = "reject_unauthenticated_sender_login_mismatch"
_KNOWN = "reject_known_sender_login_mismatch"

#: What needs the network: nobody can judge it here.
_UNKNOWABLE = frozenset(
    {
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
        "reject_unknown_recipient_domain",
        "reject_unknown_reverse_client_hostname",
        "reject_unknown_sender_domain",
        "reject_unverified_recipient",
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
#: What has no effect on a client that behaves, has no certificate and one recipient.
_WITHOUT_EFFECT = frozenset(
    {
        "permit_tls_all_clientcerts",
        "permit_tls_clientcerts",
        "reject_multi_recipient_bounce",
        "reject_unauth_pipelining",
    }
)
#: What keeps others from relaying through us.
_CLOSING = frozenset(
    {
        "check_relay_domains",
        "defer",
        "defer_if_permit",
        "defer_unauth_destination",
        "reject",
        "reject_unauth_destination",
    }
)


class Restrictions:
    """Judges restriction lists for one session."""

    def __init__(
        self, opened: Opened, search: AddressSearch, checks: AddressChecks, session: Session
    ) -> None:
        self._opened = opened
        self._main = opened.main
        self._checks = checks
        self.session = session
        self.decision = Decision(checks.wording, opened.warn)
        self.rules = AddressRules(opened, checks, self.decision, session)
        self._tables = AccessTables(opened, search, checks, self.decision, session, self.judge)
        self._classes = self._restriction_classes()

    def _restriction_classes(self) -> dict[str, list[str]]:
        classes = {"reject_sender_login_mismatch": [_AUTHENTICATED, _UNAUTHENTICATED]}
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

    def require_closed(self) -> None:
        """Raise ConfigError where no list keeps others from relaying: smtpd does not start."""
        parameters = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
        if any(self._closes(self._main.get_maps(parameter)) for parameter in parameters):
            return
        raise ConfigError(
            f"in parameter {' or '.join(parameters)}, specify at least one working instance of: "
            f"{', '.join(sorted(_CLOSING))}",
            file=self._main.name,
            line=self._main.location(parameters[0]),
            hint="add reject_unauth_destination to smtpd_relay_restrictions",
        )

    def _closes(self, words: list[str]) -> bool:
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
            elif name in _CLOSING or (word in self._classes and self._closes(self._classes[word])):
                return True
        return False

    # --- lists -------------------------------------------------------------------------------

    def stage(self, stage: str, name: str) -> Status:
        """Judge the list of one stage of the conversation; raises Refused.

        *name* is what the stage is about: the client, the sender, the recipient.
        """
        parameter, reply_class, command = STAGES[stage]
        words = list(_FAKE_RELAY) if parameter is None else self._main.get_maps(parameter)
        return self.judge(words, Subject(name, reply_class, command))

    def judge(self, words: list[str], subject: Subject) -> Status:
        """Judge restrictions in order until one decides; raises Refused."""
        depth = self.decision.enter()
        status = Status.DUNNO
        rest = list(words)
        while rest and not self.decision.discard:
            word = rest.pop(0)
            if lower_ascii(word) == "warn_if_reject":
                self.decision.warn_if_reject()
                continue
            status = self._one(word, rest, subject)
            self.decision.after_restriction()
            if status is not Status.DUNNO or self.decision.settled:
                break
        self.decision.leave(depth)
        return status

    def _one(self, word: str, rest: list[str], subject: Subject) -> Status:
        """Judge one restriction; its argument is taken off *rest*."""
        name = lower_ascii(word)
        if ":" in word:
            if subject.command is None:
                raise Refused(self._checks.server_error())
            rest.insert(0, word)
            name = subject.command
        if name in MAP_COMMANDS:
            if not rest or ":" not in rest[0]:
                raise Refused(self._checks.server_error())
            spec = rest.pop(0)
            status = self._tables.check(name, spec, subject)
            return self._pass_over(f"{name} {spec}") if status is None else status
        if name in _UNKNOWABLE_WITH_ARGUMENT or name == "sleep":
            return self._with_argument(name, rest)
        simple = self._simple(name, subject)
        if simple is not None:
            return simple()
        if word in self._classes:
            return self.judge(self._classes[word], subject)
        self._opened.warn(f'unknown smtpd restriction: "{word}"')
        raise Refused(self._checks.server_error())

    def _with_argument(self, name: str, rest: list[str]) -> Status:
        argument = rest.pop(0) if rest else ""
        if name == "sleep":
            if not (argument.isascii() and argument.isdigit()):
                raise Refused(self._checks.server_error())
            return Status.DUNNO
        if name == "check_policy_service" and ":" not in argument:
            raise Refused(self._checks.server_error())
        return self._pass_over(f"{name} {argument}".rstrip())

    def _simple(self, name: str, subject: Subject) -> Callable[[], Status] | None:
        """Return what judges a restriction without argument, or None for an unknown name."""
        if name in _WITHOUT_EFFECT:
            return lambda: Status.DUNNO
        if name in _UNKNOWABLE:
            return lambda: self._pass_over(name)
        rules = self.rules
        about = f"<{subject.name}>: {subject.reply_class} rejected:"
        return {
            "permit": lambda: Status.OK,
            "reject": lambda: self.decision.reject(
                self._main.get_int("reject_code"), "5.7.1", f"{about} Access denied"
            ),
            "defer": lambda: self.decision.reject(
                self._main.get_int("defer_code"), "4.3.2", f"{about} Try again later"
            ),
            "defer_if_permit": lambda: self.decision.defer_if_permit(
                450, "4.7.0", f"{about} defer_if_permit requested"
            ),
            "defer_if_reject": lambda: self.decision.defer_if_reject(
                450, "4.7.0", f"{about} defer_if_reject requested"
            ),
            "permit_inet_interfaces": self._permit_inet_interfaces,
            "permit_mynetworks": lambda: self._permit_mynetworks(subject),
            "permit_sasl_authenticated": self._permit_sasl_authenticated,
            "permit_auth_destination": rules.auth_destination,
            "check_relay_domains": rules.relay_domains,
            "reject_unauth_destination": rules.unauth_destination,
            "defer_unauth_destination": lambda: rules.unauth_destination(soft=True),
            "reject_non_fqdn_sender": rules.non_fqdn_sender,
            "reject_non_fqdn_recipient": rules.non_fqdn_recipient,
            "reject_unlisted_sender": rules.unlisted_sender,
            "reject_unlisted_recipient": rules.unlisted_recipient,
            "check_recipient_maps": rules.unlisted_recipient,
            _AUTHENTICATED: lambda: self._login(name, rules.authenticated),
            _UNAUTHENTICATED: lambda: self._login(name, rules.unauthenticated),
            _KNOWN: lambda: self._login(name, rules.known_sender),
        }.get(name)

    def _pass_over(self, what: str) -> Status:
        if what not in self.session.unknown:
            self.session.unknown.append(what)
        return Status.DUNNO

    def _login(self, name: str, judge: Callable[[], Status]) -> Status:
        if not self._main.get_bool("smtpd_sasl_auth_enable"):
            self._opened.warn(f"restriction `{name}' ignored: no SASL support")
            return Status.DUNNO
        return judge()

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
