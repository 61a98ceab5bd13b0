"""Random main.cf files for the comparison with postconf."""

import random

NAMES = [
    "a",
    "b",
    "c",
    "d",
    "_e",
    "f1",
    "myhostname",
    "mydomain",
    "relayhost",
    "mail_name",
    "nowhere",
]
LITERALS = [
    "x",
    "",
    "two words",
    "10",
    "9",
    "3.6",
    "a,b",
    "$$",
    "{",
    "}",
    "é",
    "?",
    ":",
    "100%",
    "-",
    "+5",
    "010",
]
RELATIONS = [
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "==level",
    "<level",
    ">=level",
    "=",
    "<>",
    "==odd",
    "!",
]


def text(rng: random.Random, depth: int = 0) -> str:
    return "".join(piece(rng, depth) for _ in range(rng.choice([1, 1, 2, 3])))


def piece(rng: random.Random, depth: int) -> str:
    name = rng.choice(NAMES)
    kind = rng.random()
    if depth > 2 or kind < 0.3:
        return rng.choice(LITERALS)
    if kind < 0.45:
        return f"${name}"
    if kind < 0.55:
        return (
            rng.choice(["${%s}", "$(%s)", "${ %s }", "${%s"][: 4 if rng.random() < 0.05 else 3])
            % name
        )
    if kind < 0.7:
        mark = rng.choice("?:")
        return f"${{{name}{rng.choice(['', ' '])}{mark}{operand(rng, depth)}}}"
    if kind < 0.8:
        return f"${{{name}?{braced(rng, depth)}:{operand(rng, depth)}}}"
    if kind < 0.97:
        relation = rng.choice(RELATIONS[:9] if rng.random() < 0.9 else RELATIONS)
        head = f"{braced(rng, depth)}{relation}{braced(rng, depth)}"
        tail = rng.choice(
            [
                "",
                f"?{operand(rng, depth)}",
                f":{operand(rng, depth)}",
                f"?{braced(rng, depth)}:{operand(rng, depth)}",
            ]
        )
        return f"${{{head}{tail}}}"
    return rng.choice(
        [
            "$",
            "${}",
            "$-",
            "${a b}",
            "${a-b}",
            "$()",
            "${a?{x}y}",
            "${{a}}",
            "${{a}=={b}x}",
            "${a?{x}:{y}z}",
        ]
    )


def braced(rng: random.Random, depth: int) -> str:
    pad = rng.choice(["", "", " "])
    return f"{pad}{{{text(rng, depth + 1)}}}{pad}"


def operand(rng: random.Random, depth: int) -> str:
    return braced(rng, depth) if rng.random() < 0.6 else text(rng, depth + 1)


#: Tables in main.cf's older form; the value of each comes out in the complaint that it is no boolean.
PROBES = ["p1", "p2", "p3"]


def main_cf(rng: random.Random) -> str:
    """Settings of some of NAMES, which refer to each other or themselves, and of the probes."""
    level = rng.choice(["1", "2", "3.6", "3.7", "9999", "3.6.1"])
    lines = [f"compatibility_level = {level}"]
    lines += [f"{name} = {text(rng)}" for name in rng.sample(NAMES[:6], rng.randint(1, 5))]
    if rng.random() < 0.2:
        lines.insert(
            rng.randrange(2, len(lines) + 1),
            rng.choice(["# comment", "", "a = again", "  continued"]),
        )
    for name, value in (
        ("myhostname", "host.example.com"),
        ("relayhost", "[$mydomain]:25"),
        ("mail_name", "$myhostname"),
    ):
        if rng.random() < 0.4:
            lines.append(f"{name} = {value}")
    lines += [f"{probe}_chase_referrals = <{text(rng)}>" for probe in PROBES]
    return "\n".join(lines) + "\n"
