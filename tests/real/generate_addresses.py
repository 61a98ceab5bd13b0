"""Seeded addresses, names of domains and small tables that try what Postfix distinguishes."""

import random
from typing import Any

LOCALS = [
    "alice", "Alice", "bob", "carol", "alice+x", "alice+", "+x", "bob-y", "alice+x-y", "bob-y+x",
    "owner-list", "list-request", "owner-list+x", "-request", "postmaster", "Postmaster+x",
    "mailer-daemon", "MAILER-DAEMON", "double-bounce", "double-bounce+x", "a b", 'a"b', "a\\b",
    "a,b", "a;b", "(c)", "<a>", "a:b", "[a]", "a@b", "a@local.example", "a%b", "a%relay.example",
    "u!v", "other.example!v", "-opt", "x..y", ".x", "x.", "", "é", "STRASSE", "straße", "tab\tx",
    "a|b", "/file", "|cmd", ":include:/x", "~", "a'b", "a=b", "a#b", "#a", "\udce9", "a\x7fb",
]  # fmt: skip
DOMAINS = [
    "example.com", "Example.COM", "sub.example.com", "deep.sub.example.com", "local.example",
    "LOCAL.example", "relay.example", "sub.relay.example", "mbox.example", "other.example",
    "origin.example", "mail.example.com", "localhost", "short", "[127.0.0.1]", "[IPv6:::1]",
    "[192.0.2.9]", "[ipv6:2001:db8::1]", "[1.2.3]", "[x]", "192.0.2.9", "123", "1.2.3", "a.",
    "example.com.", "x..y", ".x", "-bad.example", "foo_bar.example", "müller.example",
    "\udce9.example", "local.example.", "a b.example", "x(y).example", 'q"q', "a]b", "a[b",
    "very" + "long" * 20 + ".example", "", ".", "..",
]  # fmt: skip
GOOD_LOCALS = LOCALS[:18]
GOOD_DOMAINS = DOMAINS[:16]
SPECIALS = [*list('|%!()<>@,;:\\".[] \t#+-='), "é", "�", "\x01", "\x7f"]


class Generator:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def pick(self, items: Any) -> Any:
        return self.random.choice(items)

    def some(self, items: list[str], most: int) -> list[str]:
        return self.random.sample(items, self.random.randint(0, min(most, len(items))))

    # --- addresses -----------------------------------------------------------------------------

    def local(self) -> str:
        return self.pick(GOOD_LOCALS if self.chance(0.7) else LOCALS)

    def domain(self) -> str:
        return self.pick(GOOD_DOMAINS if self.chance(0.8) else DOMAINS)

    def internal(self) -> str:
        """An address without quoting."""
        shape = self.random.random()
        if shape < 0.7:
            return f"{self.local()}@{self.domain()}"
        if shape < 0.78:
            return self.local()
        if shape < 0.84:
            return f"{self.local()}%{self.domain()}@{self.domain()}"
        if shape < 0.9:
            return f"{self.domain()}!{self.local()}" + (
                f"@{self.domain()}" if self.chance(0.5) else ""
            )
        if shape < 0.95:
            return f"{self.local()}@{self.domain()}@{self.domain()}"
        return self.noise(f"{self.local()}@{self.domain()}")

    def noise(self, text: str) -> str:
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randint(0, len(text))
            cut = self.random.randint(0, 1)
            text = text[:at] + self.pick(SPECIALS) + text[at + cut :]
        return text

    def external(self) -> str:
        """An address as people write it, quoted, with comments, routes, or just wrong."""
        shape = self.random.random()
        local, domain = self.local(), self.domain()
        if shape < 0.5:
            return self.quoted(f"{local}@{domain}")
        if shape < 0.6:
            return self.internal()
        if shape < 0.66:
            return f'"{local}"@{domain}'
        if shape < 0.7:
            return f"@{self.domain()},@{self.domain()}:{self.quoted(local)}@{domain}"
        if shape < 0.74:
            return f"(comment) {self.quoted(local)}(x)@{domain} (y)"
        if shape < 0.78:
            return f"Name <{self.quoted(local)}@{domain}>"
        if shape < 0.82:
            return f'"{local}@{self.domain()}"@{domain}'
        if shape < 0.86:
            return f"\\{local}@{domain}"
        if shape < 0.9:
            return f"{self.quoted(local)}@{domain}."
        return self.noise(f"{local}@{domain}")

    def argument(self) -> str:
        """What stands between the angle brackets of MAIL FROM and RCPT TO."""
        text = self.external() if self.chance(0.6) else self.quoted(self.internal())
        return text.replace("\r", "").replace("\n", "")

    def quoted(self, text: str) -> str:
        local, at, domain = text.rpartition("@")
        if not at:
            local, domain = text, ""
        if any(c in '()<>@,;:\\"[] \t' for c in local) or not local:
            local = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return local + at + domain

    # --- tables --------------------------------------------------------------------------------

    def key(self) -> str:
        shape = self.random.random()
        if shape < 0.45:
            return self.quoted(f"{self.local()}@{self.domain()}")
        if shape < 0.65:
            return f"@{self.domain()}"
        if shape < 0.85:
            return self.quoted(self.local())
        return self.internal()

    def result(self) -> str:
        shape = self.random.random()
        if shape < 0.4:
            return self.quoted(f"{self.local()}@{self.domain()}")
        if shape < 0.5:
            return self.quoted(self.local())
        if shape < 0.6:
            return f"@{self.domain()}"
        if shape < 0.85:
            separator = self.pick([", ", ",", " ", "; ", " , ,"])
            return separator.join(self.external() for _ in range(self.random.randint(2, 4)))
        if shape < 0.9:
            return self.external()
        return self.pick(
            [
                "<>", '""', ",", "()", "a@b # comment", "group: a@x.example, b@y.example;",
                "Some One <a@x.example>", "@m1.example, @m2.example", "|cmd arg", ":include:/etc/x",
                '"real@gmail.com"', "a b c", "x@y@z.example", "a@b,", "(only a comment)", "@", "a@",
                "user%dom", "host!user", "x" * 40 + "@example.com", "<a@b> <c@d>", "a@[127.0.0.1]",
            ]
        )  # fmt: skip

    def lines(self, value: Any, count: int = 14) -> str:
        entries: dict[str, str] = {}
        for _ in range(self.random.randint(3, count)):
            key = self.key()
            if key and not key.startswith("#") and key.lower() not in entries:
                entries[key.lower()] = f"{self.table_key(key)} {value()}"
        return "\n".join(entries.values()) + "\n"

    def table_key(self, key: str) -> str:
        """A key as postmap's format wants it: no blanks outside quotes."""
        return key.replace(" ", "_").replace("\t", "_") if '"' not in key else key
