"""The figures of `make bench`: bulk lookup, export, start and import on OpenLDAP."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.harness import (
    ADMIN,
    BASE,
    LDAPI,
    MAILLDAP,
    TCP,
    WORK,
    addresses,
    compare,
    directory,
    header,
    normal,
    output,
    records,
    row,
    same,
    server,
    table,
    timed,
    tool,
    turns,
)

#: Who may read all entries.
BOUND = ("bind = yes", f"bind_dn = {ADMIN}", "bind_pw = secret")
ATTRIBUTES = ("mail", "mailRoutingAddress")


def lookup(entries: int, count: int, rounds: int) -> None:
    keys = addresses(WORK / "keys", entries, count)
    few = addresses(WORK / "few", entries, entries // 10)
    header(f"Bulk lookup: {entries:,} entries, {count:,} keys against `postmap -q -`")
    for name, uri in (("TCP", TCP), ("ldapi", LDAPI)):
        spec = table(name, uri)
        lookup_row(name, spec, keys, count, rounds)
        lookup_row(f"{name}, a tenth of the keys", spec, few, entries // 10, rounds)
        spec = table(f"{name}-bound", uri, *BOUND)
        lookup_row(f"{name}, by a reader without limits", spec, keys, count, rounds)
    snapshot(entries, keys, count, rounds)


def snapshot(entries: int, some: Path, count: int, rounds: int) -> None:
    """Keys answered from all entries, beside ldapsearch of the entries with these attributes."""
    every = WORK / "all"
    every.write_text(
        "".join(f"u{n}.{alias}@example.com\n" for n in range(entries) for alias in range(5))
    )
    header("Snapshot: `lookup -` against `ldapsearch -LLL` of the same attributes, entries")
    for name, uri in (("TCP", TCP), ("ldapi", LDAPI)):
        ours = [*MAILLDAP, "lookup", "--table", table(f"{name}-bound", uri, *BOUND), "-"]
        directory(uri)
        theirs = tool("ldapsearch", uri, "-LLL", "-b", BASE, "(mail=*)", *ATTRIBUTES)
        targets = dict(pairs(normal(output(theirs))))
        for size, keys in ((count, some), (entries * 5, every)):
            title = f"{name}, {size:,} keys"
            known = [key for key in keys.read_text().splitlines() if key in targets]
            same(
                title,
                output(ours, keys).decode().splitlines(),
                [f"{k}\t{targets[k]}" for k in known],
            )
            compare(
                title,
                rounds,
                lambda c=theirs: timed(c),
                lambda c=ours, k=keys: timed(c, k),
                entries,
            )


def pairs(blocks: list[bytes]) -> Iterator[tuple[str, str]]:
    """The addresses and the targets of entries of LDIF."""
    for block in blocks:
        lines = block.decode().split("\n")
        target = next(line for line in lines if line.startswith("mailRoutingAddress: "))
        for line in lines:
            if line.startswith("mail: "):
                yield line.removeprefix("mail: "), target.removeprefix("mailRoutingAddress: ")


def lookup_row(title: str, spec: str, keys: Path, count: int, rounds: int) -> None:
    """One table asked by both."""
    theirs, ours = ["postmap", "-q", "-", spec], [*MAILLDAP, "lookup", "--table", spec, "-"]
    same(title, output(theirs, keys), output(ours, keys))
    compare(title, rounds, lambda: timed(theirs, keys), lambda: timed(ours, keys), count)


def export(entries: int, rounds: int) -> None:
    header(f"Export: {entries:,} entries against `ldapsearch -LLL`")
    for name, uri in (("TCP", TCP), ("ldapi", LDAPI)):
        export_row(name, uri, entries, rounds)


def export_row(title: str, uri: str, entries: int, rounds: int) -> None:
    ours = directory(uri, "export", "ldif")
    theirs = tool("ldapsearch", uri, "-LLL", "-b", BASE)
    same(title, normal(output(theirs)), normal(output(ours)))
    compare(title, rounds, lambda: timed(theirs), lambda: timed(ours), entries)


def start(rounds: int) -> None:
    header("Start: one process, against `python3 -c pass`", ("ms", "ratio"))
    spec = table("start", TCP)
    bare = [sys.executable, "-c", "pass"]
    for title, command in (
        ("`lookup` of one key", [*MAILLDAP, "lookup", "--table", spec, "u1.1@example.com"]),
        ("`--version`", [*MAILLDAP, "--version"]),
        ("`--help`", [*MAILLDAP, "--help"]),
        ("`postmap -q` of the same key", ["postmap", "-q", "u1.1@example.com", spec]),
    ):
        plain, seconds, _ = turns(
            rounds * 4, lambda: timed(bare), lambda command=command: timed(command)
        )
        row(title, f"{seconds * 1000:.0f}", f"{seconds / plain:.1f}")


def imports(count: int, rounds: int) -> None:
    for label, fsync in (("with fsync", True), ("without fsync", False)):
        header(f"Import {label}: {count:,} recipients against `ldapadd`")
        with server(1000, fsync=fsync):
            for name, uri in (("TCP", TCP), ("ldapi", LDAPI)):
                import_row(name, uri, count, rounds)


def import_row(title: str, uri: str, count: int, rounds: int, **who: str) -> None:
    """Recipients that are in no other file, added by turns."""
    ours = directory(uri, "import", "ldif", **who)
    theirs = tool("ldapadd", uri, "-f", **without_password(who))
    numbers = itertools.count()
    mark = "".join(filter(str.isalnum, title)).lower()

    def turn(command: list[str], size: int = count) -> float:
        path = records(WORK / "new.ldif", size, f"{mark}{next(numbers)}x")
        return timed([*command, str(path)])

    def stored(number: int) -> list[bytes]:
        prefix = f"{mark}{number}x"
        search = ("-LLL", "-b", BASE, f"(uid={prefix}*)")
        found = output(tool("ldapsearch", uri, *search, **without_password(who)))
        return normal(found.replace(prefix.encode(), b"x"))

    turn(theirs, 200), turn(ours, 200)
    same(title, stored(0), stored(1))
    compare(title, rounds, lambda: turn(theirs), lambda: turn(ours), count)


def without_password(who: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in who.items() if name != "password"}
