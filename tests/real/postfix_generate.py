"""Seeded configurations and tables that try what Postfix's source distinguishes."""

from typing import Any

from tests.real.generate_addresses import GOOD_DOMAINS, GOOD_LOCALS, Generator
from tests.real.postfix_compare import SINK, STRANGER, Case


class ConfigGenerator(Generator):
    """One configuration with its files."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.settings: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.postmap: list[str] = []

    def table(self, name: str, value: Any, *, pattern: bool = True) -> str:
        kind = self.random.random()
        if kind < 0.55:
            self.files[name] = self.lines(value)
            return f"texthash:@DIR@/{name}"
        if kind < 0.8:
            self.files[name] = self.lines(value)
            self.postmap.append(f"hash:{name}")
            return f"hash:@DIR@/{name}"
        if kind < 0.9 and pattern:
            word = self.pick(["alice", "bob", "example", "local", r"\.example$", "^a", "@"])
            self.files[name] = f"/{word}/ {value()}\n/^carol@(.*)$/ x@$1\n".replace("$$", "$")
            return f"{self.pick(['regexp', 'pcre'])}:@DIR@/{name}"
        if kind < 0.94:
            key = self.pick(["alice@example.com", "bob@local.example", "@example.com", "carol"])
            return (
                f"inline:{{ {{{key} = {self.pick(['bob', 'x@other.example', '@mbox.example'])}}} }}"
            )
        if kind < 0.95:
            return "fail:broken"
        if kind < 0.96:
            return f"texthash:@DIR@/missing-{name}"
        return f"static:{self.pick(['carol@example.com', 'a', '@dog.example'])}"

    def tables(self, name: str, value: Any, most: int = 2) -> str:
        return ", ".join(
            self.table(f"{name}{i}", value) for i in range(self.random.randint(1, most))
        )

    def domains(self, name: str, likely: list[str]) -> str:
        words = []
        for word in self.some(likely + GOOD_DOMAINS[:11], 4):
            shape = self.random.random()
            if shape < 0.75:
                words.append(word)
            elif shape < 0.82:
                words.append(f"!{word}")
            elif shape < 0.86:
                words.append(f".{word}")
            elif shape < 0.9:
                file = f"list-{name}-{len(words)}"
                self.files[file] = f"# comment\n{word} {self.pick(GOOD_DOMAINS)}\n"
                words.append(f"{self.pick(['', '!'])}@DIR@/{file}")
            elif shape < 0.95:
                file = f"map-{name}-{len(words)}"
                self.files[file] = f"{word} x\n{self.pick(GOOD_DOMAINS)} y\n"
                words.append(f"texthash:@DIR@/{file}")
            elif shape < 0.97:
                words.append(f"/nonexistent/{word}")
            elif shape < 0.98:
                words.append("fail:list")
            else:
                words.append(f"#{word}")
        return ", ".join(words) + (", " + self.pick(likely) if self.chance(0.7) else "")

    def networks(self) -> str:
        words = self.some(
            [
                "127.0.0.0/8", "127.0.0.1", "!127.9.9.9", "198.51.100.0/24", "198.51.100.7/32",
                "[::1]/128", "2001:db8::/32", "unknown", "client.example", "198.51.100.7/24",
                "/nonexistent/networks", "@DIR@/networks", "cidr:@DIR@/clients", "127.9.9.9/33",
            ],
            4,
        )  # fmt: skip
        self.files["networks"] = "# ours\n127.9.0.0/16 198.51.100.7\n"
        self.files["clients"] = "198.51.100.0/24 OK\n127.0.0.0/9 OK\n"
        return ", ".join(words)

    def boolean(self, name: str, part: float = 0.15) -> None:
        if self.chance(part):
            self.settings[name] = self.pick(["yes", "no"])

    def base(self) -> None:
        """Names, classes, rewriting."""
        s = self.settings
        s["compatibility_level"] = self.pick(["3.6", "3.6", "2", "1", "0"])
        s["myhostname"] = self.pick(
            ["mail.example.com", "mx.other.example", "localhost.localdomain"]
        )
        s["inet_interfaces"] = self.pick(["loopback-only", "127.0.0.1"])
        s["mynetworks"] = "127.0.0.0/8"
        if self.chance(0.7):
            s["myorigin"] = self.pick(
                [
                    "origin.example",
                    "$mydomain",
                    "local.example",
                    "localhost",
                    "example.com",
                    "short",
                ]
            )
        if self.chance(0.85):
            s["mydestination"] = self.domains("mydestination", ["local.example", "$myhostname"])
        s["recipient_delimiter"] = self.pick(["", "+", "+", "+", "+-", "-", "-+"])
        s["local_recipient_maps"] = ""
        for name in (
            "append_at_myorigin", "append_dot_mydomain", "swap_bangpath", "allow_percent_hack",
            "resolve_dequoted_address", "resolve_null_domain", "resolve_numeric_domain",
            "smtputf8_enable", "owner_request_special", "allow_min_user", "soft_bounce",
            "show_user_unknown_table_name", "strict_rfc821_envelopes",
        ):  # fmt: skip
            self.boolean(name)
        if self.chance(0.1):
            s["empty_address_recipient"] = self.pick(["root", "a@other.example", "x y"])
        if self.chance(0.1):
            s["proxy_interfaces"] = "192.0.2.9, 2001:db8::1"
        if self.chance(0.1):
            s["parent_domain_matches_subdomains"] = self.pick(
                [
                    "",
                    "relay_domains",
                    "transport_maps",
                    "smtpd_access_maps",
                    "transport_maps,relay_domains",
                ]
            )
        self.classes()

    def classes(self) -> None:
        s = self.settings
        if self.chance(0.8):
            s["virtual_alias_domains"] = self.domains("alias", ["example.com"])
        elif self.chance(0.5):
            s["virtual_alias_domains"] = ""
        if self.chance(0.4):
            s["virtual_mailbox_domains"] = self.domains("mailbox", ["mbox.example"])
        if self.chance(0.5):
            s["relay_domains"] = self.domains("relay", ["relay.example"])

    def routing(self) -> None:
        s = self.settings
        for name, values in {
            "relayhost": ["[smart.example]:587", "smart.example"],
            "default_transport": [
                "smtp",
                "smtp:hop.example",
                "error:5.7.1 no",
                "lmtp:unix:/x",
                "retry",
            ],
            "local_transport": ["local", "lmtp:unix:private/x", "error: 5.2.1 closed", "virtual"],
            "relay_transport": ["smtp", "relay:[in.example]"],
            "virtual_transport": ["lmtp:inet:h:24", "error"],
        }.items():
            if self.chance(0.25):
                s[name] = self.pick(values)
        targets = [
            "smtp:[t.example]", "relay:", ":[hop.example]:25", ":", "error:", "error:5.1.1 gone",
            "retry:", "retry:4.4.4 later", "local", "lmtp:unix:/s", "smtp", "discard:",
        ]  # fmt: skip
        if self.chance(0.5):
            self.transport_maps(targets)
        if self.chance(0.15):
            s["sender_dependent_relayhost_maps"] = self.tables(
                "sdr", lambda: self.pick(["[r.example]", "DUNNO", "dunno", "r.example:25"])
            )
        if self.chance(0.15):
            s["sender_dependent_default_transport_maps"] = self.tables(
                "sdd", lambda: self.pick(["smtp:[d.example]", "DUNNO", "error:no", "lmtp"])
            )
        if self.chance(0.15):
            s["relocated_maps"] = self.tables("relocated", lambda: "new@place.example")

    def transport_maps(self, targets: list[str]) -> None:
        lines = {}
        for _ in range(self.random.randint(2, 10)):
            key = self.pick(
                [
                    lambda: self.pick(GOOD_DOMAINS).lower(),
                    lambda: "." + self.pick(GOOD_DOMAINS).lower(),
                    lambda: self.table_key(self.quoted(f"{self.local()}@{self.domain()}")).lower(),
                    lambda: "*",
                    lambda: self.pick([".example", "example", "com"]),
                ]
            )()
            if not key.startswith("#"):
                lines.setdefault(key, f"{key} {self.pick(targets)}")
        self.files["transport"] = "\n".join(lines.values()) + "\n"
        tables = ["texthash:@DIR@/transport"]
        if self.chance(0.2):
            tables.append(self.table("transport2", lambda: self.pick(targets)))
        self.settings["transport_maps"] = " ".join(tables)

    def aliases(self) -> None:
        s = self.settings
        s["virtual_alias_maps"] = self.tables("virtual", self.result, 3)
        for name, limit in (
            ("virtual_alias_recursion_limit", 8),
            ("virtual_alias_expansion_limit", 12),
            ("virtual_alias_address_length_limit", 60),
        ):
            if self.chance(0.25):
                s[name] = str(self.random.randint(1, limit))
        s.setdefault("virtual_alias_expansion_limit", "50")
        s.setdefault("virtual_alias_recursion_limit", "30")
        if self.chance(0.2):
            s["propagate_unmatched_extensions"] = self.pick(["", "canonical", "virtual"])
        self.boolean("enable_original_recipient")
        if self.chance(0.15):
            s["canonical_maps"] = self.tables("canonical", self.result, 1)
        if self.chance(0.15):
            s["recipient_canonical_maps"] = self.tables("rcanonical", self.result, 1)
        if self.chance(0.1):
            s["canonical_classes"] = self.pick(["envelope_recipient", "header_sender"])
        if self.chance(0.15):
            s["masquerade_domains"] = self.pick(
                ["example.com", "!sub.example.com example.com", "relay.example, example"]
            )
            s["masquerade_classes"] = self.pick(["envelope_recipient", "envelope_sender"])
            if self.chance(0.4):
                s["masquerade_exceptions"] = self.pick(["alice", "postmaster, bob", "Alice"])
        if self.chance(0.1):
            s["receive_override_options"] = self.pick(
                ["no_address_mappings", "no_unknown_recipient_checks"]
            )
        if self.chance(0.1):
            s["always_bcc"] = self.pick(["archive@other.example", "bob", "alice@example.com"])
        if self.chance(0.1):
            s["recipient_bcc_maps"] = self.table("rbcc", self.result)

    def users(self) -> None:
        s = self.settings
        for name, part in (
            ("local_recipient_maps", 0.3),
            ("virtual_mailbox_maps", 0.3),
            ("relay_recipient_maps", 0.3),
        ):
            if self.chance(part):
                s[name] = self.tables(name.replace("_", "-"), lambda: "x", 2)
        self.boolean("smtpd_reject_unlisted_recipient")

    def main(self) -> str:
        return "".join(f"{name} = {value}\n" for name, value in self.settings.items())

    def case(self, name: str, ask: list[dict[str, Any]]) -> Case:
        return Case(name, self.main(), ask, self.files, self.postmap)


def resolve_case(seed: int, questions: int = 25) -> Case:
    g = ConfigGenerator(seed)
    g.base()
    g.aliases()
    if g.chance(0.3):
        g.routing()
    g.users()
    g.settings["smtpd_relay_restrictions"] = "permit_mynetworks, reject"
    ask: list[dict[str, Any]] = []
    for _ in range(questions):
        to = [g.argument() for _ in range(1 if g.chance(0.85) else g.random.randint(2, 4))]
        sender = "" if g.chance(0.8) else "bob@example.com"
        ask.append({"do": "resolve", "to": to, "from": sender})
    return g.case(f"resolve {seed}", ask)


def route_case(seed: int, questions: int = 40) -> Case:
    g = ConfigGenerator(seed)
    g.base()
    g.routing()
    g.settings["smtpd_relay_restrictions"] = "permit_mynetworks, reject"
    ask: list[dict[str, Any]] = []
    for _ in range(questions):
        sender = g.pick(["", "alice@example.com", g.internal()])
        ask.append({"do": "route", "address": g.internal(), "sender": sender})
    for _ in range(questions // 4):
        rule = g.pick(["local", "local", "remote"])
        ask.append({"do": "rewrite", "rule": rule, "address": g.external()})
    return g.case(f"route {seed}", ask)


LOGINS = ["alice", "bob", "Alice", "carol@example.com", "x y", "é", "alice@example.com", "a,b"]
RESTRICTIONS = [
    "reject_sender_login_mismatch",
    "reject_authenticated_sender_login_mismatch",
    "reject_unauthenticated_sender_login_mismatch",
    "reject_known_sender_login_mismatch",
]
OTHERS = [
    "permit_sasl_authenticated", "permit_mynetworks",
    "reject_unlisted_sender", "reject_non_fqdn_sender", "warn_if_reject", "permit", "reject",
    "defer", "defer_if_permit", "defer_if_reject", "reject_unauth_destination",
    "permit_auth_destination", "check_sender_access texthash:@DIR@/access",
    "check_sasl_access inline:{{alice = reject}}", "texthash:@DIR@/access", "myclass", "otherclass",
    "reject_unknown_word", "check_sender_access", "sleep 0", "reject_unauth_pipelining",
]  # fmt: skip


UNLISTED = {"reject_unlisted_sender", "otherclass", "myclass"}


def sender_case(seed: int, questions: int = 20) -> Case:
    g = ConfigGenerator(seed)
    g.base()
    g.users()
    s = g.settings
    s["smtpd_sasl_auth_enable"] = "yes" if g.chance(0.92) else "no"
    if g.chance(0.9):
        owners = [
            *LOGINS,
            "alice, bob",
            "bob carol@example.com",
            "ALICE",
            "alice # bob",
            "*",
            "a;b",
        ]
        s["smtpd_sender_login_maps"] = g.tables("login", lambda: g.pick(owners), 2)
    s["virtual_alias_maps"] = g.tables("virtual", g.result, 1) if g.chance(0.5) else ""
    s["inet_interfaces"] = "loopback-only"
    s["mynetworks"] = g.networks()
    access = ["OK", "REJECT", "DUNNO", "reject no thanks", "550 5.1.1 go away", "450 later", "DEFER",
              "defer_if_permit", "defer_if_reject maybe", "DISCARD", "permit", "myclass", "123",
              "REJECT 5.1.8 bad domain", "HOLD", "INFO x", "reject_sender_login_mismatch", "RELAY",
              "permit_mynetworks, reject", "WARN", "PREPEND X: y", "texthash:/x"]  # fmt: skip
    lines: dict[str, str] = {}
    for _ in range(8):
        key = g.pick(
            [
                g.pick(GOOD_DOMAINS).lower(), "." + g.pick(GOOD_DOMAINS).lower(), "<>",
                f"{g.pick(GOOD_LOCALS).lower()}@", f"{g.pick(GOOD_LOCALS)}@{g.pick(GOOD_DOMAINS)}".lower(),
                "example",
            ]
        )  # fmt: skip
        lines.setdefault(key, f"{key} {g.pick(access)}")
    g.files["access"] = "\n".join(lines.values()) + "\n"
    s["smtpd_restriction_classes"] = "myclass, otherclass"
    s["myclass"] = g.pick(["permit_sasl_authenticated, reject", g.pick(RESTRICTIONS), "otherclass"])
    s["otherclass"] = g.pick(["reject_unlisted_sender", "permit_mynetworks"])
    for stage in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data"):
        part = {"sender": 0.9, "recipient": 0.4, "relay": 0.2}.get(stage, 0.12)
        if g.chance(part):
            # smtpd remembers across connections that it has looked a sender up (3.7.11).
            others = [w for w in OTHERS if stage not in {"client", "helo"} or w not in UNLISTED]
            words = [
                g.pick(RESTRICTIONS if g.chance(0.5) else others)
                for _ in range(g.random.randint(1, 4))
            ]
            if stage in {"relay", "recipient"}:
                words.append("reject_unauth_destination")
            s[f"smtpd_{stage}_restrictions"] = ", ".join(words)
    for name in ("smtpd_delay_reject", "smtpd_reject_unlisted_sender"):
        g.boolean(name, 0.3)
    g.boolean("smtpd_relay_before_recipient_restrictions")
    if s.get("smtpd_delay_reject") == "no":
        # They would judge the runner's own address, before XCLIENT.
        s.pop("smtpd_client_restrictions", None)
        # XCLIENT logs in before EHLO; AUTH cannot.
        s.pop("smtpd_helo_restrictions", None)
    ask: list[dict[str, Any]] = []
    for _ in range(questions):
        login = g.pick(LOGINS) if g.chance(0.6) else None
        client = g.pick([STRANGER, STRANGER, "127.0.0.1", "127.9.9.9", "198.51.100.7"])
        sender = "" if g.chance(0.08) else g.argument()
        to = g.argument() if g.chance(0.2) else SINK
        ask.append({"do": "sender", "login": login, "client": client, "from": sender, "to": to})
    case = g.case(f"sender {seed}", ask)
    # What cleanup makes of the recipient is not the question.
    case.smtpd.append("receive_override_options=no_address_mappings")
    return case
