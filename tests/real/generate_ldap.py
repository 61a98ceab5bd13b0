"""Random directories, LDAP table files and keys for the comparison with postmap."""

import random
from base64 import b64encode

from tests.real.postmap import Case

BASE = "dc=example,dc=com"
NAMES = ["alice", "bob", "carol", "Dave.Mixed", "eve+x", "o'neil", "a*b", "(p)", "b\\s", "x y"]
DOMAINS = ["example.com", "EXAMPLE.com", "sub.example.com", "gmail.com", "a.b.c.example.org", "x"]
UNICODE = ["jürgen@example.com", "straße@example.com", "ÉCOLE@example.com", "İx@example.com"]
TEXTS = [
    "plain",
    "two words",
    "a,b",
    "100%s",
    "%u@%d",
    "trailing ",
    "x@",
    "@y.example",
    "a@b@c.d",
    "grün",
]
ATTRIBUTES = ["mail", "mailRoutingAddress", "mailAlternateAddress", "description", "uid", "cn"]
BINARY = [b"", b"abc", b"nul\0cut", b"\xff\xfe", b"two\nlines", "é@x.y".encode()]


def address(rng: random.Random) -> str:
    return f"{rng.choice(NAMES)}@{rng.choice(DOMAINS)}"


def ldif_line(name: str, value: str | bytes) -> str:
    data = value if isinstance(value, bytes) else value.encode()
    return f"{name}:: {b64encode(data).decode()}\n" if data else f"{name}:\n"


def directory(rng: random.Random, uri: str) -> bytes:
    """LDIF of a suffix with people, groups, aliases and URLs."""
    parts = [
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n",
    ]
    parts += [
        f"dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}\n"
        for unit in ("People", "Groups", "gmail.com")
    ]
    people = [f"uid=u{n},ou={rng.choice(['People', 'gmail.com'])},{BASE}" for n in range(9)]
    for number, dn in enumerate(people):
        lines = [
            f"dn: {dn}\n",
            "objectClass: inetOrgPerson\nobjectClass: extensibleObject\n",
            f"uid: u{number}\ncn: c{number}\nsn: s\n",
        ]
        pools = {
            "mail": lambda: address(rng),
            "mailAlternateAddress": lambda: rng.choice([address(rng), rng.choice(UNICODE)]),
            "mailRoutingAddress": lambda: rng.choice([address(rng), rng.choice(TEXTS)]),
            "description": lambda: rng.choice([*TEXTS, *UNICODE, address(rng)]),
            "description;lang-en": lambda: rng.choice(TEXTS),
            "audio": lambda: rng.choice(BINARY),
            "seeAlso": lambda: rng.choice([*people, f"cn=gone,{BASE}", f"cn=g1,ou=Groups,{BASE}"]),
            "labeledURI": lambda: url(rng, uri),
        }
        names = list(pools)
        rng.shuffle(names)
        for name in names:
            if rng.random() < {"mail": 0.9, "mailRoutingAddress": 0.7}.get(name, 0.35):
                many = rng.choice([1, 1, 1, 2, 3])
                values = {pools[name]() for _ in range(many)}
                folded: dict[object, object] = {}
                for value in sorted(values, key=repr):
                    normal = (
                        value if isinstance(value, bytes) else " ".join(value.casefold().split())
                    )
                    folded.setdefault(normal, value)
                lines += [ldif_line(name, v) for v in folded.values()]
        parts.append("".join(lines))
    for number in range(3):
        members = rng.sample(people, rng.randint(1, 3))
        if number and rng.random() < 0.5:
            members.append(f"cn=g{rng.randrange(number)},ou=Groups,{BASE}")
        mail = f"list{number}@example.com"
        parts.append(
            f"dn: cn=g{number},ou=Groups,{BASE}\nobjectClass: groupOfNames\n"
            f"objectClass: extensibleObject\ncn: g{number}\nmail: {mail}\n"
            + "".join(ldif_line("member", m) for m in members)
            + (ldif_line("mailRoutingAddress", address(rng)) if rng.random() < 0.4 else "")
            + (ldif_line("labeledURI", url(rng, uri)) if rng.random() < 0.5 else "")
        )
    if rng.random() < 0.5:
        parts.append(
            f"dn: cn=alias,ou=Groups,{BASE}\nobjectClass: alias\nobjectClass: extensibleObject\n"
            f"cn: alias\naliasedObjectName: {rng.choice(people)}\n"
        )
    return "\n".join(parts).encode()


def url(rng: random.Random, uri: str) -> str:
    base = rng.choice(
        [BASE, f"ou=People,{BASE}", f"ou=nowhere,{BASE}", "", f"uid=u1,ou=People,{BASE}"]
    )
    attributes = rng.choice(
        ["", "mail", "mail,description", "cn", "MAIL", "description;lang-en", "*"]
    )
    scope = rng.choice(
        ["", "sub", "one", "base", "SUB", "subtree", "bad"][: 7 if rng.random() < 0.1 else 6]
    )
    query = rng.choice(
        [
            "(mail=*)",
            "(uid=u1)",
            "(|(uid=u1)(uid=u2))",
            "",
            "uid=u3",
            "(uid=u1",
            "(uid=u*)",
            "(cn=c2)",
        ][: 8 if rng.random() < 0.2 else 4]
    )
    head = rng.choice([uri, "ldap://", "ldap://elsewhere.example:1", "ldaps://x", "LDAP://"])
    text = f"{head}/{base}?{attributes}?{scope}?{query}"
    if rng.random() < 0.1:
        text = rng.choice(
            [
                f"<{text}>",
                f"<{text}",
                f"URL:{text}",
                f"{text}?x",
                f"{text}??",
                f"{head}",
                f"{head}/{base}",
            ]
        )
    return text.rstrip("?") if rng.random() < 0.5 else text


FILTERS = [
    "mail=%s", "(mail=%s)", "(|(mail=%s)(mailAlternateAddress=%s))", "(&(objectClass=*)(mail=%s))",
    "(mail=%u@%d)", "(uid=%u)", "(mail=*%u*)", "(mail=%s*)", "(mail=*@%d)", "(!(mail=%s))",
    "(mail=u@%2.%1)", "(cn=%U)", "(mail=%S)", "(description=%s)", "(|(mail=%s)(uid=%u)(cn=%1))",
    "(mailAlternateAddress=%s)", "(objectClass=%%)", "( mail=%s)", "(mail = %s)", "(mail=%s) ",
    "(&(mail=%s)(uid=u*))", "&(mail=%s)(uid=*)", "(unknownAttribute=%s)", "(!(unknownAttribute=%s))",
    "(mail:caseIgnoreIA5Match:=%s)", "(mail~=%s)", "(mail>=%s)", "((mail=%s))", "(mail=%s", "mail=%s)",
    "(|(mail=%s)(mail=@%d))", "(seeAlso=%s)", "(entryDN=%s)", "(mail=%u@%d@%1)", "(|)", "(&)", "()",
    "(mail;x-opt=%s)", "(0.9.2342.19200300.100.1.3=%s)", "(mail=\\2a%s)", "(mail=\\zz%s)", "(mail=%s)(uid=*)",
    "(cn=%s)", "(description=%U)", "",
]  # fmt: skip
BASES = [
    BASE, BASE, BASE, f"ou=People,{BASE}", f"ou=%d,{BASE}", f"ou=nowhere,{BASE}", f"uid=%u,ou=People,{BASE}",
    "dc=%2,dc=%1", "", f"ou=%%,{BASE}", f"cn=g1,ou=Groups,{BASE}", "not a dn", f"ou={'%s'},{BASE}",
]  # fmt: skip
FORMATS = [
    "%s", "%s", "%s", "%u@%d", "%U@%D", "%S", "<%s>", "%s@relay.example", "smtp:[%d]", "%u", "%d", "%1.%2", "%D",
    "%%%s", "x", "%s %s", "%u+%U", "",
]  # fmt: skip
NUMBERS = ["0", "1", "2", "3", "10", "1000"]
BAD_NUMBERS = ["x", "20s", "5.5", "0x10", "1 2", "99999999999", "-1", "+5", "010", ""]
LISTS = [
    "mail", "mailRoutingAddress", "mailRoutingAddress, mail", "mail mailRoutingAddress description", "MAIL",
    "description;lang-en", "description", "audio", "*", "", "rfc822Mailbox", "name", "entryDN", "unknownAttribute",
    "mailRoutingAddress,description , mailAlternateAddress", "uid", "0.9.2342.19200300.100.1.3", "member", "cn",
]  # fmt: skip
SPECIALS = [
    "",
    "",
    "member",
    "seeAlso",
    "labeledURI",
    "member, seeAlso",
    "labeledURI member seeAlso",
    "description",
]
DOMAIN_LISTS = ["example.com", "example.com, gmail.com", "!gmail.com, example.com", "EXAMPLE.COM", ".example.com",
                "inline:{example.com=x}", "{dir}/domains", "!{dir}/domains", "example.com # x", "example.com #", "static:y",
                "regexp:{{/^.*com$/ x}}"]  # fmt: skip


def settings(rng: random.Random) -> dict[str, str]:
    """Parameters of one table file; mostly sound ones."""
    values = {
        "server_host": "{uri}",
        "search_base": rng.choice(BASES if rng.random() < 0.5 else [BASE]),
        "query_filter": rng.choice(FILTERS if rng.random() < 0.5 else FILTERS[:8]),
        "bind": rng.choice(["no", "no", "yes", "none", "NO"]),
    }

    def sometimes(name: str, chance: float, pool: list[str]) -> None:
        if rng.random() < chance:
            values[name] = rng.choice(pool)

    sometimes("result_attribute", 0.85, LISTS)
    sometimes("result_format", 0.4, FORMATS)
    sometimes("result_filter", 0.1, FORMATS)
    sometimes("special_result_attribute", 0.35, SPECIALS)
    sometimes("leaf_result_attribute", 0.15, LISTS)
    sometimes("terminal_result_attribute", 0.15, LISTS)
    sometimes(
        "scope",
        0.3,
        ["sub", "one", "base", "SUB", "One", "sub"] + (["subtree"] if rng.random() < 0.2 else []),
    )
    sometimes("size_limit", 0.15, NUMBERS)
    sometimes("expansion_limit", 0.15, NUMBERS)
    sometimes("recursion_limit", 0.15, NUMBERS[1:])
    sometimes("domain", 0.15, DOMAIN_LISTS)
    sometimes("timeout", 0.1, ["5", "10", "+7"])
    sometimes("version", 0.15, ["3", "3", "2", "4"])
    sometimes("dereference", 0.15, ["0", "1", "2", "3", "4", "-1"])
    sometimes("chase_referrals", 0.1, ["yes", "no", "YES"])
    sometimes("server_port", 0.1, ["389", "{port}"])
    sometimes("bind_dn", 0.05, [f"cn=admin,{BASE}", "cn=nobody"])
    sometimes("bind_pw", 0.05, ["secret", "wrong"])
    sometimes("special_result_filter", 0.05, ["%q%"])
    sometimes("cache", 0.05, ["no", "yes"])
    sometimes("cache_expiry", 0.05, ["-1", "10"])
    sometimes("debuglevel", 0.05, ["0"])
    sometimes("tls_require_cert", 0.05, ["yes", "no"])
    sometimes("tls_ca_cert_file", 0.05, ["/nonexistent"])
    sometimes("start_tls", 0.05, ["no"])
    sometimes("sasl_minssf", 0.05, ["9999", "x"])
    if rng.random() < 0.12:
        name = rng.choice(["size_limit", "expansion_limit", "recursion_limit", "timeout", "version", "dereference",
                           "server_port", "debuglevel", "cache_size"])  # fmt: skip
        values[name] = rng.choice(BAD_NUMBERS)
    if rng.random() < 0.06:
        name = rng.choice(["chase_referrals", "cache", "start_tls", "tls_require_cert"])
        values[name] = rng.choice(["1", "true", "", "no # x", "nein"])
    if rng.random() < 0.06:
        name, value = rng.choice([("bind", "maybe"), ("bind", ""), ("scope", ""), ("server_host", ""), ("result_filter", ""),
            ("domain", "!"), ("domain", "/nonexistent"), ("domain", "LDAP:x"), ("query_filter", "%q"), ("search_base", "%"),
            ("result_format", "%0"), ("result_format", "%")])  # fmt: skip
        values[name] = value
    if rng.random() < 0.05:
        values["server_host"] = rng.choice(["127.0.0.1:{port}", "127.0.0.1", "127.0.0.1:1 {uri}", "{uri}, ldap://127.0.0.1:1",
            "http://127.0.0.1:{port}", "ldap://127.0.0.1:x {uri}", "LDAP://127.0.0.1:{port}/dc=x", "ldap://127.0.0.1:1", '"{uri}"',
            "<{uri}/>", "URL:{uri}", "ldap://127.0.0.1:{port}?", "::1:1", "[::1]:1 {uri}", "ldapi://%2Fnonexistent {uri}"])  # fmt: skip
        if values["server_host"] == "127.0.0.1":
            values["server_port"] = "{port}"
    return values


def file_text(rng: random.Random, values: dict[str, str], prefix: str = "") -> str:
    """The parameters as a file, in any order, with the liberties that the syntax allows."""
    lines = []
    for name, value in rng.sample(list(values.items()), len(values)):
        equals = rng.choice([" = ", "=", " =", "= ", "\t=\t"])
        line = f"{prefix}{name}{equals}{value}"
        if rng.random() < 0.05 and " " in value:
            head, _, tail = value.partition(" ")
            line = f"{prefix}{name} = {head}\n# comment\n\n  {tail}"
        if rng.random() < 0.03:
            line += rng.choice(["   ", "\r", "\t"])
        lines.append(line)
        if rng.random() < 0.03:
            lines.append(
                rng.choice(
                    ["", "# comment", "   # indented", "unknown = 1", f"{prefix}{name} = {value}"]
                )
            )
        if rng.random() < 0.02:
            lines.append(f"{prefix}{name} = {rng.choice(['x', value + ' ', '1'])}")
        if rng.random() < 0.01:
            lines.append(rng.choice(["novalue", "= value", "two words = x", "scope: sub"]))
    if rng.random() < 0.02:
        lines.insert(0, "  leading")
    return "\n".join(lines) + rng.choice(["\n", "\n", ""])


def keys(rng: random.Random, count: int = 6) -> list[str]:
    def one() -> str:
        kind = rng.random()
        if kind < 0.5:
            return address(rng)
        if kind < 0.6:
            return f"list{rng.randrange(3)}@example.com"
        if kind < 0.7:
            return rng.choice(UNICODE)
        if kind < 0.8:
            return rng.choice([address(rng).upper(), address(rng).lower(), f" {address(rng)}"])
        return rng.choice(["", "@example.com", "alice", "alice@", "a@b@example.com", "*", "*@example.com", "u1", "x@com.",
            "@", "a@example..com", "a@.com", "caf\udce9@example.com", "u1@example.com", "c1@c1", "%s", "tab\there@x", "a,b@gmail.com", "#",
            f"uid=u1,ou=People,{BASE}"])  # fmt: skip

    return list(dict.fromkeys(one() for _ in range(count)))


def case(rng: random.Random, name: str) -> Case:
    """One table with keys: a file, or main.cf's older form."""
    values = settings(rng)
    level = rng.choice(["3.6", "3.6", "3.6", "2", "0"])
    main = f"compatibility_level = {level}\n"
    if rng.random() < 0.1:
        main += f"smtputf8_enable = {rng.choice(['yes', 'no'])}\n"
    files = {"domains": "example.com\n# gmail.com\ngmail.com x\n"}
    maps: list[str] = ["ldap:{dir}/x.cf"]
    if rng.random() < 0.15:
        main += file_text(rng, values, prefix="legacy_")
        if rng.random() < 0.5:
            main += f"\nwho = {BASE}\nlegacy_search_base = ${{who}}\n"
        maps = ["ldap:legacy"]
    else:
        files["x.cf"] = file_text(rng, values)
    if rng.random() < 0.1:
        maps = ["inline:{ {alice@example.com = inline} }", *maps]
    if rng.random() < 0.05:
        maps = [*maps, "static:last"]
    if rng.random() < 0.05:
        maps = [
            rng.choice(
                [
                    "unionmap:{static:u,%s}",
                    "pipemap:{%s,inline:{x=y}}",
                    "pipemap:{inline:{u1=alice@example.com},%s}",
                ]
            )
            % maps[-1]
        ]
    return Case(name, keys(rng), maps, files, main, fold=rng.random() > 0.1)
