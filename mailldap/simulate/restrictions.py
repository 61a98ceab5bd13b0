"""smtpd(8)'s restriction lists, for one client, login, sender and recipient.

What can be judged from configuration, tables and these is judged; what needs something else (DNS,
policy servers, what nobody has told) is passed over and named in ``session.passed_over``.

Source: Postfix 3.7, generic_checks() in smtpd_check.c; postconf(5), SMTPD_ACCESS_README.
"""

from __future__ import annotations

from collections.abc import Callable

from mailldap.postfix.words import lower_ascii
from mailldap.simulate.access_rules import MAP_COMMANDS, AccessTables
from mailldap.simulate.address_rules import AddressRules
from mailldap.simulate.decision import Decision, Refused, Session, Status, Subject
from mailldap.simulate.host_rules import HostRules
from mailldap.simulate.lookup import AddressSearch
from mailldap.simulate.network_rules import DNS_LISTS, NetworkRules
from mailldap.simulate.opened import Opened
from mailldap.simulate.reply import CLIENT, HELO, RECIPIENT, SENDER
from mailldap.simulate.restriction_lists import (
    AUTHENTICATED,
    KNOWN,
    LOGIN_CHECKS,
    UNAUTHENTICATED,
    RestrictionLists,
)
from mailldap.simulate.smtpd import AddressChecks

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

#: What has no effect on a client that behaves, has no certificate and one recipient.
_WITHOUT_EFFECT = frozenset(
    {
        "permit_tls_all_clientcerts",
        "permit_tls_clientcerts",
        "reject_multi_recipient_bounce",
        "reject_unauth_pipelining",
    }
)


class Restrictions:
    """Judges restriction lists for one session."""

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
        self.session = session
        self.decision = Decision(checks.wording, opened.warn)
        self.rules = AddressRules(opened, checks, self.decision, session)
        self._hosts = HostRules(opened, checks, self.decision, session)
        self._network = NetworkRules(opened, checks, self.rules, session)
        self._tables = AccessTables(opened, search, checks, self.decision, session, self.judge)
        self._lists = lists
        self._classes = lists.classes

    # --- lists -------------------------------------------------------------------------------

    def stage(self, stage: str, name: str) -> Status:
        """Judge the list of one stage of the conversation; raises Refused.

        *name* is what the stage is about: the client, the sender, the recipient.
        """
        parameter, reply_class, command = STAGES[stage]
        words = list(_FAKE_RELAY) if parameter is None else self._lists.words(parameter)
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
            if status is Status.OK:
                missed = (name for name in map(lower_ascii, rest) if name in LOGIN_CHECKS)
                self.session.not_reached += [(word, name) for name in missed]
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
            return self._tables.check(name, spec, subject)
        if name in DNS_LISTS or name in {"check_policy_service", "sleep"}:
            return self._with_argument(name, rest)
        simple = self._simple(name, subject)
        if simple is not None:
            return simple()
        if word in self._classes:
            return self.judge(self._classes[word], subject)
        self._opened.warn(f'unknown smtpd restriction: "{word}"')
        raise Refused(self._checks.server_error())

    def _with_argument(self, name: str, rest: list[str]) -> Status:
        if name in DNS_LISTS:
            if not rest:
                self._opened.warn(f"restriction {name} requires domain name argument")
                return Status.DUNNO
            return self._network.dns_list(name, rest.pop(0))
        argument = rest.pop(0) if rest else ""
        if name == "sleep":
            if not (argument.isascii() and argument.isdigit()):
                raise Refused(self._checks.server_error())
            return Status.DUNNO
        if ":" not in argument:
            raise Refused(self._checks.server_error())
        return self.session.pass_over(f"{name} {argument}", "a policy server")

    def _simple(self, name: str, subject: Subject) -> Callable[[], Status] | None:
        """Return what judges a restriction without argument, or None for an unknown name."""
        if name in _WITHOUT_EFFECT:
            return lambda: Status.DUNNO
        rules, hosts, network = self.rules, self._hosts, self._network
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
            "permit_inet_interfaces": hosts.permit_inet_interfaces,
            "permit_mynetworks": lambda: hosts.permit_mynetworks(subject),
            "permit_sasl_authenticated": hosts.permit_sasl_authenticated,
            "reject_unknown_client": lambda: hosts.unknown_client(name),
            "reject_unknown_client_hostname": lambda: hosts.unknown_client(name),
            "reject_unknown_reverse_client_hostname": lambda: hosts.unknown_reverse(name),
            "reject_plaintext_session": lambda: hosts.plaintext_session(name),
            "reject_invalid_hostname": lambda: hosts.invalid_helo(name),
            "reject_invalid_helo_hostname": lambda: hosts.invalid_helo(name),
            "reject_non_fqdn_hostname": lambda: hosts.non_fqdn_helo(name),
            "reject_non_fqdn_helo_hostname": lambda: hosts.non_fqdn_helo(name),
            "reject_unknown_hostname": lambda: hosts.unknown_helo(name),
            "reject_unknown_helo_hostname": lambda: hosts.unknown_helo(name),
            "permit_naked_ip_address": lambda: hosts.permit_naked_address(name),
            "reject_unknown_address": lambda: network.unknown_sender_domain(name),
            "reject_unknown_sender_domain": lambda: network.unknown_sender_domain(name),
            "reject_unknown_recipient_domain": lambda: network.unknown_recipient_domain(name),
            "reject_unverified_sender": lambda: network.unverified_sender(name),
            "reject_unverified_recipient": lambda: network.unverified_recipient(name),
            "permit_mx_backup": lambda: network.permit_mx_backup(name),
            "reject_maps_rbl": lambda: network.maps_rbl(name),
            "permit_auth_destination": rules.auth_destination,
            "check_relay_domains": rules.relay_domains,
            "reject_unauth_destination": rules.unauth_destination,
            "defer_unauth_destination": lambda: rules.unauth_destination(soft=True),
            "reject_non_fqdn_sender": rules.non_fqdn_sender,
            "reject_non_fqdn_recipient": rules.non_fqdn_recipient,
            "reject_unlisted_sender": rules.unlisted_sender,
            "reject_unlisted_recipient": rules.unlisted_recipient,
            "check_recipient_maps": rules.unlisted_recipient,
            AUTHENTICATED: lambda: self._login(name, rules.authenticated),
            UNAUTHENTICATED: lambda: self._login(name, rules.unauthenticated),
            KNOWN: lambda: self._login(name, rules.known_sender),
        }.get(name)

    def _login(self, name: str, judge: Callable[[], Status]) -> Status:
        if not self._main.get_bool("smtpd_sasl_auth_enable"):
            self._opened.warn(f"restriction `{name}' ignored: no SASL support")
            return Status.DUNNO
        return judge()
