"""The other figures of `make bench-all`: TLS, 389, growth, memory, many addresses, a large file."""

import os
import subprocess
import time
from pathlib import Path

from bench.harness import (
    BASE,
    CA,
    LDAPI,
    LONG_AGO,
    MAILLDAP,
    STATE,
    TCP,
    TLS,
    WORK,
    addresses,
    compare,
    directory,
    header,
    output,
    peak,
    ratio,
    records,
    row,
    run,
    same,
    server,
    table,
    timed,
    tool,
    turns,
)
from bench.usual import import_row, lookup_row

MANAGER = {"admin": "cn=Directory Manager", "password": "secret-password"}


def tls(entries: int, count: int, rounds: int) -> None:
    """On a server with a certificate."""
    keys = addresses(WORK / "keys", entries, count)
    header(f"Bulk lookup over TLS: {entries:,} entries, {count:,} keys against `postmap -q -`")
    verified = (f"tls_ca_cert_file = {CA}", "tls_require_cert = yes")
    lookup_row(
        "StartTLS", table("starttls", TCP, "start_tls = yes", *verified), keys, count, rounds
    )
    lookup_row("ldaps", table("ldaps", TLS, *verified), keys, count, rounds)


def ds389(entries: int, imports: int, rounds: int) -> None:
    """On 389 Directory Server, whose network this container shares."""
    uri = "ldap://127.0.0.1:389"
    while subprocess.run(
        ["ldapwhoami", "-x", "-H", uri], capture_output=True, check=False
    ).returncode:
        time.sleep(0.1)
    run([*directory(uri, "import", "ldif", **MANAGER), str(records(WORK / "data.ldif", entries))])
    keys = addresses(WORK / "keys", entries, entries // 2)
    header(
        f"389 Directory Server: {entries:,} entries, {entries // 2:,} keys, {imports:,} recipients"
    )
    lookup_row(
        "bulk lookup against `postmap -q -`", table("ds389", uri), keys, entries // 2, rounds
    )
    import_row("import against `ldapadd`", uri, imports, rounds, **MANAGER)


def growth(sizes: list[int], rounds: int) -> None:
    """Lookups of 20,000 keys, and what each command ever had in memory, as the directory grows."""
    count = 20_000
    rows = []
    header(f"Growth: {count:,} keys against `postmap -q -` over ldapi")
    for size in sizes:
        with server(size):
            keys = addresses(WORK / "keys", size, count)
            lookup_row(f"{size:,} entries", table("growth", LDAPI), keys, count, rounds)
            rows.append(memory(size))
    for size, cells in zip(sizes, rows, strict=True):
        # In memory: on some kernels (6.18, ext4) a page written into a large file costs slapd,
        # whoever asks it, more than all the rest.
        with server(0, fsync=False, state=Path("/dev/shm/slapd")):
            path = records(WORK / "new.ldif", size)
            used, seconds = peak([*directory(LDAPI, "import", "ldif"), str(path)])
            cells += [f"{used:.0f}", f"{size / seconds:,.0f}"]
    header(
        "Memory: the most that a process ever had, in MB, as many keys as entries",
        (
            "`postmap -q -`", "`lookup -`", "`ldapsearch`", "`export ldif`", "`import ldif`",
            "imported /s (slapd's files in memory)",
        ),
    )  # fmt: skip
    for size, cells in zip(sizes, rows, strict=True):
        row(f"{size:,} entries", *cells)


def memory(size: int) -> list[str]:
    keys = addresses(WORK / "keys", size, size)
    spec = table("growth", LDAPI)
    ours = directory(LDAPI, "export", "ldif")
    commands = (
        (["postmap", "-q", "-", spec], keys),
        ([*MAILLDAP, "lookup", "--table", spec, "-"], keys),
        (tool("ldapsearch", LDAPI, "-LLL", "-b", BASE), None),
        (ours, None),
    )
    return [f"{peak(command, stdin)[0]:.0f}" for command, stdin in commands]


def resolve(entries: int, rounds: int) -> None:
    """All that Postfix does with an address, beside one lookup of it, from the same server."""
    count = entries // 5
    keys = addresses(WORK / "keys", entries, count)
    header(
        f"`resolve` of {count:,} addresses: {entries:,} entries, against `postmap -q -` of the same,"
        " which is only one of the lookups that it makes"
    )
    ours = directory(LDAPI, "resolve", "-")
    theirs = ["postmap", "-q", "-", table("resolve", LDAPI)]
    there = {line.split("\t")[0] for line in output(theirs, keys).decode().splitlines()}
    told = [line.split("\t") for line in output(ours, keys, ok=(0, 1)).decode().splitlines()]
    same("resolve", there, {cells[0] for cells in told if cells[1] == "deliver"})
    compare(
        "ldapi", rounds, lambda: timed(theirs, keys), lambda: timed(ours, keys, ok=(0, 1)), count
    )


def file(entries: int, rounds: int) -> None:
    """The embedded directory: read whole at each start, as postmap reads a texthash table."""
    path = records(WORK / "directory.ldif", entries)
    path.write_text(Path("/mailldap/ldif/base.ldif").read_text() + "\n" + path.read_text())
    flat = WORK / "flat"
    flat.write_text(
        "".join(
            f"u{n}.{alias}@example.com u{n}@mail1.internal\n"
            for n in range(entries)
            for alias in range(5)
        )
    )
    os.utime(flat, (LONG_AGO, LONG_AGO))
    key = "u77.3@example.com"
    ours = [*MAILLDAP, "-H", f"ldif:{path}", "-b", BASE]
    theirs = ["postmap", "-q", key, f"texthash:{flat}"]
    lookup = [*ours, "lookup", "--table", table("file", LDAPI), key]
    header(
        f"Embedded directory: an LDIF file of {entries:,} entries, beside `postmap -q` on a texthash"
        " file of the same addresses, and `slapcat`",
        ("C tool ms", "mailldap ms", "ratio", "range"),
    )
    same("lookup", output(theirs), output(lookup))
    compare_ms("`lookup` of one key", rounds, theirs, lookup)
    with server(entries):
        slapcat = ["slapcat", "-F", str(STATE / "slapd.d"), "-n", "1"]
        export = [*ours, "export", "ldif"]
        same("export", *(output(command).count(b"dn: uid=") for command in (slapcat, export)))
        compare_ms("all of it as LDIF", rounds, slapcat, export)


def compare_ms(title: str, rounds: int, theirs: list[str], ours: list[str]) -> None:
    c, m, ratios = turns(rounds, lambda: timed(theirs), lambda: timed(ours))
    row(title, f"{c * 1000:,.0f}", f"{m * 1000:,.0f}", *ratio(c / m, ratios))
