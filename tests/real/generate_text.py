"""Random tables without servers, and keys, for the comparison with postmap."""

import random

from tests.real.postmap import Case

KEYS = ["alice@example.com", "ALICE@Example.COM", "bob", "Bob", "example.com", "a b", '"a b"@x', "x\\ y", "éa", "ÉA", "straße", "",
        "10.0.0.1", "10.1.2.3", "192.168.0.255", "::1", "2001:db8::1", "2001:DB8:0::1", "1.2.3", "01.2.3.4", "abc", "aXbXc", "key:",
        "#x", "caf\udce9", "a=b", "k", "v", "w", "aab", "abab", "foo.bar", "line$", "1.2.3.4\n", "tab\tx", "*", "+x", "a@b@c", "k" * 510, "k" * 511]  # fmt: skip
VALUES = ["x", "value with spaces", "a, b", "$1", "${1}", "$(1)", "$$1", "$2-$1", "pre$1post", "${1}2", "$0", "$x", "$", "${1", "${}", "$9",
          "é", "\udce9", "OK", "{b}", "a=b", "x\ty", "$1$1", "100%", "trail  ", "$11", "${1?x}"]  # fmt: skip
PIECES = ["a", "b", "X", ".", "^", "$", "(a)", "(b|ab)", "(a|ab)(c|bcd)*", "[a-c]", "[^@]", "*", "+", "?", "{2}", "{1,2}", "|", "()", "\\.",
          "\\/", "@", "(.*)", "(.+)@(.+)", "[[:alpha:]]", "é", "example\\.com", "(a*)(ab)*(b*)", "\\(", "(", ")", "[", "\\1", "(a)\\1", "x{,2}",
          "a**", "\\<", "\\b", "(?:a)", "(?i)b", "\\d+", "(?=a)", "\\w", ".*", "\\", "(a)|(b)"]  # fmt: skip
FLAGS = ["", "", "", "i", "m", "x", "im", "q", "s", "A", "E", "U", "X", "ii"]


def pattern(rng: random.Random, *, kind: str) -> str:
    body = "".join(
        rng.choice(PIECES[:28] if rng.random() < 0.8 else PIECES) for _ in range(rng.randint(1, 4))
    )
    delimiter = rng.choice(["/", "/", "/", "!", "|", ",", "%"])
    flags = rng.choice(FLAGS[:6] if rng.random() < 0.8 else FLAGS) if rng.random() < 0.4 else ""
    negation = rng.choice(["", "", "", "!", "!!", "! "])
    text = f"{negation}{delimiter}{body}{delimiter}{flags}"
    if kind == "regexp" and rng.random() < 0.08:
        text += f"!{delimiter}{rng.choice(PIECES[:20])}{delimiter}"
    return text if rng.random() > 0.03 else text[:-1]


def network(rng: random.Random) -> str:
    text = rng.choice(["10.0.0.0/8", "10.0.0.1", "0.0.0.0/0", "::/0", "2001:db8::/32", "[2001:db8::]/32", "[::1]", "192.168.0.0/24",
        "192.168.0.255/24", "10.0.0.1/33", "1.2.3", "[10.0.0.1", "[10.0.0.1]x", "10.0.0.0/x", "10.0.0.0/", "::1/128", "[::1/128]",
        "1.2.3.4/0", "010.0.0.1", "10.0.0.0/08", "[10.0.0.0]/8", "[]", "/8"])  # fmt: skip
    return rng.choice(["", "", "", "!", "! !", "!!"]) + text


def rules(rng: random.Random, kind: str) -> list[str]:
    lines: list[str] = []
    for _ in range(rng.randint(1, 7)):
        subject = network(rng) if kind == "cidr" else pattern(rng, kind=kind)
        chance = rng.random()
        if chance < 0.15:
            lines.append(
                f"{rng.choice(['if', 'IF', 'If '])}{rng.choice([' ', '', '  '])}{subject}{rng.choice(['', '', ' extra'])}"
            )
        elif chance < 0.3:
            lines.append(rng.choice(["endif", "ENDIF", "endif ", "endif x", "endifx", "Endif"]))
        elif chance < 0.33:
            lines.append(
                rng.choice(
                    ["# comment", "", "word", "   continued $1", "!", "/", "ifx", "if", "if !"]
                )
            )
        else:
            lines.append(
                f"{subject}{rng.choice([' ', chr(9), '   ', ''])}{rng.choice(VALUES) if rng.random() < 0.95 else ''}"
            )
    return lines


def text_lines(rng: random.Random) -> list[str]:
    lines = []
    for _ in range(rng.randint(1, 8)):
        chance = rng.random()
        key = rng.choice(KEYS[:-2]).replace("\n", "")
        if chance < 0.75:
            lines.append(f"{key}{rng.choice([' ', chr(9), '    ', chr(11)])}{rng.choice(VALUES)}")
        elif chance < 0.85:
            lines.append(
                rng.choice(
                    [
                        "   continued",
                        "# comment",
                        "",
                        "  # comment",
                        "\tx",
                        "\r",
                        "lonely",
                        '"open quote value',
                        "k\\",
                        "key: value",
                    ]
                )
            )
        else:
            lines.append(f"{key.upper()} {rng.choice(VALUES)}{rng.choice(['', chr(13), ' '])}")
    return lines


def braces(rng: random.Random, lines: list[str]) -> str:
    items = [f"{{{rng.choice(['', ' '])}{line}{rng.choice(['', ' '])}}}" for line in lines]
    text = "{" + rng.choice([" ", ", ", ","]).join(items) + "}"
    return (
        text
        if rng.random() > 0.05
        else rng.choice([text[:-1], text + "x", text.replace("}", "", 1), text + "}"])
    )


def inline(rng: random.Random) -> str:
    items = []
    for _ in range(rng.randint(0, 4)):
        key, value = rng.choice(KEYS).replace("\n", ""), rng.choice(VALUES)
        item = f"{key}{rng.choice(['=', ' = ', '= '])}{value}"
        items.append(f"{{{item}}}" if rng.random() < 0.7 else item)
    text = "{" + rng.choice([" ", ", ", ","]).join(items) + "}"
    return (
        text if rng.random() > 0.05 else rng.choice([text[:-1], text + "x", text[1:], "{ }", "{}"])
    )


def map_spec(
    rng: random.Random, files: dict[str, str], databases: list[str], depth: int = 0
) -> str:
    kinds = ["texthash", "texthash", "hash", "btree", "lmdb", "cdb", "regexp", "regexp", "pcre", "pcre", "cidr", "inline", "static", "fail",
             "union", "pipe", "odd", "proxied"]  # fmt: skip
    kind = rng.choice(kinds if depth == 0 else kinds[:14])
    number = len(files)
    if kind in {"regexp", "pcre", "cidr"}:
        lines = rules(rng, kind)
        if rng.random() < 0.3 and all("\udce9" not in line or True for line in lines):
            return f"{kind}:{braces(rng, lines)}"
        files[f"f{number}"] = "\n".join(lines) + rng.choice(["\n", ""])
        return f"{kind}:{{dir}}/f{number}"
    if kind in {"texthash", "hash", "btree", "lmdb", "cdb"}:
        files[f"f{number}"] = "\n".join(text_lines(rng)) + rng.choice(["\n", ""])
        spec = f"{kind}:{{dir}}/f{number}"
        if kind != "texthash":
            databases.append(spec)
        return spec
    if kind == "inline":
        return f"inline:{inline(rng)}"
    if kind == "static":
        return rng.choice(
            [
                "static:x",
                "static:{a b}",
                "static:{a",
                "static:{ a, b }",
                "static:a b",
                "static:é",
                "static:{}",
                "static:{a}b",
            ]
        )
    if kind == "fail":
        return "fail:x"
    if kind == "union":
        inner = [map_spec(rng, files, databases, 1) for _ in range(rng.randint(1, 3))]
        return rng.choice(
            ["unionmap:{%s}", "unionmap:{ %s }", "unionmap:{%s"][: 3 if rng.random() < 0.1 else 2]
        ) % ", ".join(inner)
    if kind == "pipe":
        return "pipemap:{%s}" % " ".join(  # noqa: UP031
            map_spec(rng, files, databases, 1) for _ in range(rng.randint(1, 3))
        )
    if kind == "proxied":
        return "static:proxied"
    return rng.choice(["LDAP:x", "nosuch:x", "static:", ":x", "texthash:/nonexistent", "regexp:/nonexistent", "cidr:{x}", "unionmap:{static:a,b}",
        "pipemap:{}", "unix:passwd.byname", "unix:nothing", "sdbm:x", "internal:x", "inline:{x}", "unionmap:x", "unix:group.byname"])  # fmt: skip


def case(rng: random.Random, name: str) -> Case:
    files: dict[str, str] = {}
    databases: list[str] = []
    specs = [map_spec(rng, files, databases) for _ in range(rng.choice([1, 1, 1, 2]))]
    keys = list(dict.fromkeys(rng.sample(KEYS, rng.randint(3, 9))))
    level = rng.choice(["3.6", "3.6", "0"])
    return Case(
        name,
        keys,
        specs,
        files,
        f"compatibility_level = {level}\n",
        fold=rng.random() > 0.15,
        databases=databases,
    )
