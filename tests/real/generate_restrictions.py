"""Seeded restriction lists for every stage of smtpd, and the conversations that meet them."""

from typing import Any

from tests.real.generate_addresses import GOOD_DOMAINS, GOOD_LOCALS
from tests.real.postfix_compare import SINK, Case
from tests.real.postfix_generate import LOGINS, ConfigGenerator

LOGIN_CHECKS = [
    "reject_sender_login_mismatch",
    "reject_authenticated_sender_login_mismatch",
    "reject_unauthenticated_sender_login_mismatch",
    "reject_known_sender_login_mismatch",
]
#: Restrictions that can be judged without DNS whatever the conversation.
SIMPLE = [
    "permit", "reject", "defer", "defer_if_permit", "defer_if_reject", "warn_if_reject",
    "permit_mynetworks", "permit_inet_interfaces", "permit_sasl_authenticated",
    "permit_tls_all_clientcerts", "permit_tls_clientcerts", "permit_auth_destination",
    "check_relay_domains", "reject_unauth_destination", "defer_unauth_destination",
    "reject_plaintext_session", "reject_unauth_pipelining", "reject_multi_recipient_bounce",
    "reject_unknown_client_hostname", "reject_unknown_client",
    "reject_unknown_reverse_client_hostname", "reject_invalid_helo_hostname",
    "reject_invalid_hostname", "reject_non_fqdn_helo_hostname", "reject_non_fqdn_hostname",
    "permit_naked_ip_address", "reject_non_fqdn_sender", "reject_non_fqdn_recipient",
    "reject_unlisted_recipient", "check_recipient_maps", "reject_maps_rbl", "sleep 0", "sleep",
    "Reject_Sender_Login_Mismatch", "PERMIT_MYNETWORKS", "no_such_restriction", "check_helo_access",
    "reject_rbl_client", "one", "two", "three",
]  # fmt: skip
#: Not before there is a sender: smtpd 3.7 begins with a random memory of having looked it up.
UNLISTED = ["reject_unlisted_sender", "three"]
ACCESS = [
    "check_client_access", "check_reverse_client_hostname_access", "check_helo_access",
    "check_sender_access", "check_recipient_access", "check_sasl_access", "check_ccert_access",
    "check_etrn_access",
    "",
]  # fmt: skip
#: DNS has no answer to these here; address literals need none.
SERVERS = ["check_sender_ns_access", "check_client_a_access", "check_helo_a_access"]
ACTIONS = [
    "OK", "RELAY", "ok and more", "1234567890", "DUNNO", "dunno so", "REJECT", "reject no thanks",
    "REJECT 5.1.8 bad domain", "REJECT 4.7.3 later", "DEFER", "DEFER 4.2.2 full", "defer 5.1.1 x",
    "DEFER_IF_PERMIT", "DEFER_IF_PERMIT 4.4.4 wait", "DEFER_IF_REJECT", "DEFER_IF_REJECT hm",
    "450 4.1.1 greylisted", "550 5.1.1 gone", "550 gone", "421 4.7.0 go away", "521 no", "450",
    "550", "599 5.7.0 x", "600 what", "5500 x", "DISCARD", "DISCARD quietly", "HOLD", "HOLD a",
    "FILTER smtp:[x.example]", "FILTER", "FILTER x", "REDIRECT a@other.example", "REDIRECT a",
    "BCC b@other.example", "BCC", "PREPEND X-A: b", "PREPEND", "PREPEND nothing", "WARN", "WARN me",
    "INFO", "INFO it", "permit", "reject", "one", "two, reject", "permit_mynetworks, reject",
    "reject_sender_login_mismatch", "defer_if_permit, defer_if_reject", "warn_if_reject reject",
    "no_such_restriction", "texthash:/x", "check_sender_access texthash:/x", "reject_non_fqdn_sender",
    "permit_sasl_authenticated", "REJECT caf\xe9 \u20ac", "DELAY 5m", "sleep 0", ",",
]  # fmt: skip
HELOS = [
    "client.example", "client", "a.client.example", "[198.51.100.7]", "198.51.100.7", "[1.2.3]",
    "[IPv6:2001:db8::1]", "IPv6:::1", "x_y.example", "-bad.example", "client.example.", "a..b",
    "Client.EXAMPLE", "me(x)@there", "\xfcml.example", "1.2.3.4.5", "[client.example]",
    "[]", "...",
]  # fmt: skip
CLIENTS = [
    "192.0.2.1", "192.0.2.1", "127.0.0.1", "127.9.9.9", "198.51.100.7", "203.0.113.9",
    "2001:db8::7", "::1",
]  # fmt: skip
NAMES = ["client.example", "mail.client.example", "other.example", "[UNAVAILABLE]", "relay.example"]
FOOTERS = [
    "\\c no help for you", "See http://$server_name/?ip=$client_address&h=${helo_name}", "$client",
    "\\c; $sender to $recipient\\nCall ${client_name?{us}:{them}}\\n", "$nonsense x", "${broken",
    "From $sender_name at $sender_domain via $reverse_client_name[$client]", "a\\nb\\nc",
    "\\c", "${sender_x} {$helo_name}", "\\c ${{$client_name} == {unknown} ? {who?} : {hello}}",
]  # fmt: skip
CODES = [
    "reject_code", "defer_code", "access_map_reject_code", "access_map_defer_code",
    "relay_domains_reject_code", "invalid_hostname_reject_code", "non_fqdn_reject_code",
    "unknown_client_reject_code", "plaintext_reject_code", "unknown_local_recipient_reject_code",
]  # fmt: skip


#: With these before what closes it a list is open; a smtpd that does not start takes a second.
OPENING = {"permit", "warn_if_reject", "one", "two"}


class RestrictionGenerator(ConfigGenerator):
    """A configuration whose lists are the question."""

    def access_table(self, name: str) -> str:
        """A table with keys of all kinds, or a pattern."""
        kind = self.random.random()
        lines: dict[str, str] = {}
        for _ in range(self.random.randint(2, 9)):
            lines.setdefault(self.access_key(), self.pick(ACTIONS))
        if kind < 0.6:
            self.files[name] = "".join(f"{key} {value}\n" for key, value in lines.items())
            return f"texthash:@DIR@/{name}"
        if kind < 0.7:
            self.files[name] = (
                f"/{self.pick(['example', '^a', '198', '.'])}/ {self.pick(ACTIONS)}\n"
            )
            return f"{self.pick(['regexp', 'pcre'])}:@DIR@/{name}"
        if kind < 0.78:
            network = self.pick(["198.51.100.0/24", "127.0.0.0/8", "0.0.0.0/0", "!127.0.0.0/8"])
            self.files[name] = f"{network} {self.pick(ACTIONS)}\n"
            return f"cidr:@DIR@/{name}"
        if kind < 0.86:
            key, value = self.pick(list(lines.items()))
            return f"inline:{{ {{{key} = {value}}} }}"
        if kind < 0.96:
            return f"static:{{{self.pick(ACTIONS)}}}"
        return self.pick(["fail:x", f"texthash:@DIR@/missing-{name}", "{texthash:@DIR@/x}"])

    def access_key(self) -> str:
        return self.pick(
            [
                lambda: self.pick(GOOD_DOMAINS[:9]).lower(),
                lambda: "." + self.pick(GOOD_DOMAINS[:9]).lower(),
                lambda: self.pick(["client.example", ".client.example", "unknown", "example"]),
                lambda: self.pick(["198.51.100.7", "198.51.100", "198", "127", "192.0.2.1", "2001:db8"]),
                lambda: self.pick(["<>", "none@example.com", "client", "alice", "bob", "x_y.example"]),
                lambda: f"{self.pick(GOOD_LOCALS).lower()}@",
                f"{self.pick(GOOD_LOCALS)}@{self.pick(GOOD_DOMAINS[:9])}".lower,
            ]
        )()  # fmt: skip

    def word(self, stage: str, number: int) -> str:
        """One restriction for a list, with its argument."""
        shape = self.random.random()
        if shape < 0.2:
            return self.pick(LOGIN_CHECKS)
        if shape < 0.6:
            chosen = self.pick(SIMPLE)
            opens = chosen in OPENING and stage in {"relay", "recipient"}
            return "sleep 0" if opens and self.chance(0.9) else chosen
        if shape < 0.65 and stage not in {"client", "helo", "class"}:
            return self.pick(UNLISTED)
        command = self.pick(SERVERS if self.chance(0.06) else ACCESS)
        return f"{command} {self.access_table(f'access-{stage}-{number}')}".strip()

    def words(self, stage: str, most: int = 4) -> str:
        separator = self.pick([", ", " "])
        words = (self.word(stage, n) for n in range(self.random.randint(1, most)))
        return separator.join(words)

    def lists(self) -> None:
        s = self.settings
        s["smtpd_restriction_classes"] = "one two, three"
        s["one"] = self.pick([*LOGIN_CHECKS, "permit", "reject", "two"])
        s["two"] = self.words("class", 2).replace("one", "permit").replace("two", "reject")
        s["three"] = "reject_unlisted_sender"
        likely = {"sender": 0.7, "recipient": 0.4, "relay": 0.3, "client": 0.35, "helo": 0.35}
        for stage in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data"):
            if self.chance(likely.get(stage, 0.15)):
                value = self.words(stage)
                if stage in {"client", "helo"}:
                    value = value.replace("three", "permit_mynetworks")
                if stage in {"relay", "recipient"} and self.chance(0.95):
                    value += ", reject_unauth_destination"
                s[f"smtpd_{stage}_restrictions"] = value

    def options(self) -> None:
        s = self.settings
        for name in ("smtpd_delay_reject", "smtpd_reject_unlisted_sender"):
            self.boolean(name, 0.3)
        for name in ("smtpd_relay_before_recipient_restrictions", "allow_untrusted_routing"):
            self.boolean(name)
        for name in CODES:
            if self.chance(0.06):
                s[name] = self.pick(["450", "550", "454", "554", "599", "200", "600", "0"])
        if self.chance(0.25):
            s["smtpd_reject_footer"] = self.pick(FOOTERS)
        if self.chance(0.08):
            self.files["footers"] = "/Access denied/ denied to $client_address\n/^4/ \\c (later)\n"
            s["smtpd_reject_footer_maps"] = "regexp:@DIR@/footers"
        if self.chance(0.1):
            s["smtpd_null_access_lookup_key"] = "none@example.com"
        if self.chance(0.1):
            # There is no certificate: nobody can use TLS, whoever may or must.
            s["smtpd_tls_security_level"] = self.pick(["may", "none", "Encrypt", "secure", ""])
        if self.chance(0.1):
            s["local_header_rewrite_clients"] = self.pick(
                ["permit_mynetworks", "permit_mynetworks, check_address_map fail:x", "fail:y"]
            )
        if self.chance(0.1):
            s["parent_domain_matches_subdomains"] = self.pick(["", "smtpd_access_maps"])
        s["smtpd_sasl_auth_enable"] = "yes" if self.chance(0.92) else "no"
        owners = ["alice, bob", "bob carol@example.com", "ALICE", *LOGINS[:4]]
        if self.chance(0.85):
            s["smtpd_sender_login_maps"] = self.tables("login", lambda: self.pick(owners), 2)


def restriction_case(seed: int, questions: int = 16) -> Case:
    g = RestrictionGenerator(seed)
    g.base()
    g.users()
    g.lists()
    g.options()
    s = g.settings
    s["inet_interfaces"] = "loopback-only"
    s["mynetworks"] = g.networks()
    # The login comes after the first HELO only if it is a real one.
    real_login = s.get("smtpd_delay_reject") == "no"
    if real_login:
        s["smtpd_sasl_type"] = "dovecot"
        s["smtpd_sasl_path"] = "private/auth"
        s["smtpd_sasl_security_options"] = "noanonymous"
    early = s.get("smtpd_delay_reject") == "no" and (
        "smtpd_client_restrictions" in s or "smtpd_helo_restrictions" in s
    )
    ask: list[dict[str, Any]] = []
    for _ in range(questions):
        question = {"do": "sender", "client": g.pick(CLIENTS), "helo": g.pick(HELOS)}
        login = g.pick(LOGINS) if g.chance(0.6) else None
        if s["smtpd_sasl_auth_enable"] == "no" and real_login:
            login = None
        if s.get("smtpd_tls_security_level") in {"Encrypt", "secure"} and not real_login:
            login = None
        question["login"] = login
        if login is not None and real_login:
            question["password"] = "x"
        # XCLIENT judges the client a second time, with its name.
        if g.chance(0.5) and not early:
            question["name"] = g.pick(NAMES)
        question["from"] = "" if g.chance(0.1) else g.argument()
        question["to"] = g.argument() if g.chance(0.5) else SINK
        ask.append(question)
    case = g.case(f"restrictions {seed}", ask)
    case.smtpd.append("receive_override_options=no_address_mappings")
    return case
