"""The part of the benchmark that runs beside the server; see run.py."""

import itertools
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

BASE = "dc=example,dc=com"
ADMIN = f"cn=admin,{BASE}"
WORK = Path("/tmp/bench")
TCP = "ldap://127.0.0.1:3389"
LDAPI = f"ldapi://{str(WORK / 'ldapi').replace('/', '%2f')}"
MAILLDAP = [sys.executable, "-m", "mailldap"]
LONG_AGO = 1_600_000_000


def record(number: int, prefix: str = "u") -> str:
    uid = f"{prefix}{number}"
    return (
        f"dn: uid={uid},ou=People,{BASE}\nobjectClass: top\nobjectClass: account\n"
        f"objectClass: mailRecipient\nuid: {uid}\n"
        + "".join(f"mail: {uid}.{alias}@example.com\n" for alias in range(5))
        + f"mailRoutingAddress: {uid}@mail1.internal\n\n"
    )


@contextmanager
def server(entries: int, *, fsync: bool = True) -> Iterator[None]:
    """A slapd with that many recipients, loaded before it starts."""
    state = WORK / "state"
    shutil.rmtree(state, ignore_errors=True)
    data = WORK / "data.ldif"
    with data.open("w") as stream:
        stream.write(Path("/mailldap/ldif/base.ldif").read_text() + "\n")
        stream.writelines(record(number) for number in range(entries))
    environment = os.environ | {
        "STATE": str(state), "SHARE": "/mailldap", "RUN": str(WORK), "LOGLEVEL": "none",
        "URLS": f"{TCP} {LDAPI}", "DATA": str(data), "SIZELIMIT": "500",
        "NOSYNC": "0" if fsync else "1",
    }  # fmt: skip
    process = subprocess.Popen(
        ["/bin/bash", "/mailldap/docker/openldap/entrypoint"],
        env=environment, stdout=subprocess.DEVNULL, stderr=(WORK / "slapd.log").open("w"),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while subprocess.run(
            ["ldapwhoami", "-x", "-H", TCP], capture_output=True, check=False
        ).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((WORK / "slapd.log").read_text()[-2000:])
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


def timed(command: list[str], stdin: Path | None = None, *, status: int = 0) -> float:
    """Seconds of wall time of one whole process."""
    with stdin.open("rb") if stdin else open(os.devnull, "rb") as source:
        began = time.perf_counter()
        done = subprocess.run(
            command, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
        seconds = time.perf_counter() - began
    if done.returncode != status:
        raise SystemExit(f"{command}: exit {done.returncode}: {done.stderr[-500:]!r}")
    return seconds


def output(command: list[str], stdin: Path | None = None) -> bytes:
    with stdin.open("rb") if stdin else open(os.devnull, "rb") as source:
        return subprocess.run(command, stdin=source, capture_output=True, check=False).stdout


def compare(
    title: str, rounds: int, theirs: Callable[[], float], ours: Callable[[], float], work: int
) -> None:
    """Take turns, print medians, rates and the ratio of the medians."""
    theirs(), ours()
    pairs = [(theirs(), ours()) for _ in range(rounds)]
    c, m = (statistics.median(times) for times in zip(*pairs, strict=True))
    spread = sorted(a / b for a, b in pairs)
    print(
        f"| {title} | {work / c:,.0f} | {work / m:,.0f} | {c / m:.2f} | {spread[0]:.2f} to {spread[-1]:.2f} |",
        flush=True,
    )


def header(text: str) -> None:
    print(
        f"\n{text}\n\n| | C tool /s | mailldap /s | ratio | range |\n|---|--:|--:|--:|--:|",
        flush=True,
    )


def table(name: str, uri: str) -> Path:
    path = WORK / name
    path.write_text(
        f"server_host = {uri}\nversion = 3\nbind = no\nsearch_base = {BASE}\n"
        "query_filter = (&(objectClass=mailRecipient)(mail=%s))\nresult_attribute = mailRoutingAddress\n"
    )
    os.utime(path, (LONG_AGO, LONG_AGO))  # postmap waits for a table that is too young
    return path


def bench_lookup(entries: int, count: int, rounds: int) -> None:
    chance = random.Random(7)
    keys = [
        f"u{chance.randrange(entries)}.{chance.randrange(5)}@example.com"
        if chance.random() < 0.9
        else f"nobody{n}@example.com"
        for n in range(count)
    ]
    source = WORK / "keys"
    source.write_text("".join(f"{key}\n" for key in keys))
    few = WORK / "few"
    few.write_text("".join(f"{key}\n" for key in keys[: entries // 10]))
    header(f"Bulk lookup: {entries:,} entries, {count:,} keys against `postmap -q -`")
    for name, uri in (("TCP", TCP), ("ldapi", LDAPI)):
        spec = f"ldap:{table(f'{name}.cf', uri)}"
        postmap, ours = ["postmap", "-q", "-", spec], [*MAILLDAP, "lookup", "--table", spec, "-"]
        for title, keys_file, number in (
            ("", source, count),
            (", a tenth of the keys", few, entries // 10),
        ):
            expected = output(postmap, keys_file)
            if output(ours, keys_file) != expected or not expected:
                raise SystemExit(f"{name}: the answers differ")
            compare(
                f"{name}{title}", rounds,
                lambda p=postmap, k=keys_file: timed(p, k), lambda o=ours, k=keys_file: timed(o, k), number,
            )  # fmt: skip


def settings(uri: str) -> Path:
    secret = WORK / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    path = WORK / "mailldap.yaml"
    path.write_text(f"uri: '{uri}'\nbase: {BASE}\nbind_dn: {ADMIN}\npassword_file: {secret}\n")
    return path


def normal(ldif: bytes) -> list[bytes]:
    return sorted(block.replace(b"\n ", b"") for block in ldif.strip().split(b"\n\n"))


def bench_snapshot(entries: int, rounds: int) -> None:
    header(f"Export: {entries:,} entries against `ldapsearch -LLL`")
    for name, uri in (("TCP", TCP), ("ldapi", LDAPI)):
        theirs = [
            "ldapsearch",
            "-LLL",
            "-x",
            "-D",
            ADMIN,
            "-y",
            str(WORK / "secret"),
            "-H",
            uri,
            "-b",
            BASE,
        ]
        ours = [*MAILLDAP, "--config", str(settings(uri)), "export", "ldif"]
        if normal(output(theirs)) != normal(output(ours)):
            raise SystemExit("the entries differ")
        compare(name, rounds, lambda t=theirs: timed(t), lambda o=ours: timed(o), entries)


def bench_import(count: int, rounds: int) -> None:
    for label, fsync in (("with fsync", True), ("without fsync", False)):
        header(f"Import {label}: {count:,} recipients against `ldapadd`")
        for name, uri in (("TCP", TCP), ("ldapi", LDAPI)):
            add = ["ldapadd", "-x", "-D", ADMIN, "-y", str(WORK / "secret"), "-H", uri, "-f"]
            ours = [*MAILLDAP, "--config", str(settings(uri)), "import", "ldif"]
            turns = itertools.count()
            with server(1000, fsync=fsync):
                compare(
                    name, rounds,
                    lambda c=add, t=turns: timed([*c, fresh(next(t), count)]),
                    lambda c=ours, t=turns: timed([*c, fresh(next(t), count)]), count,
                )  # fmt: skip


def fresh(turn: int, count: int) -> str:
    """A file of recipients that no turn before has made."""
    path = WORK / "new.ldif"
    path.write_text("".join(record(number, f"n{turn}x") for number in range(count)))
    return str(path)


def bench_start(rounds: int) -> None:
    print(
        "\nStart: one process, against `python3 -c pass`\n\n| | ms | ratio |\n|---|--:|--:|",
        flush=True,
    )
    spec = f"ldap:{table('start.cf', TCP)}"
    bare = [sys.executable, "-c", "pass"]
    for title, command in (
        ("`lookup` of one key", [*MAILLDAP, "lookup", "--table", spec, "u1.1@example.com"]),
        ("`--version`", [*MAILLDAP, "--version"]),
        ("`--help`", [*MAILLDAP, "--help"]),
        ("`postmap -q` of the same key", ["postmap", "-q", "u1.1@example.com", spec]),
    ):
        timed(command), timed(bare)
        pairs = [(timed(command), timed(bare)) for _ in range(rounds * 4)]
        ours, plain = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"| {title} | {ours * 1000:.0f} | {ours / plain:.1f} |", flush=True)


def main() -> None:
    entries, keys, imports, rounds = map(int, sys.argv[1:5])
    WORK.mkdir(parents=True, exist_ok=True)
    WORK.chmod(0o777)
    model = next(
        (x for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), ""
    )
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores,{model.partition(':')[2]}"
    )
    wanted = sys.argv[5:]
    if {"lookup", "snapshot", "start"} & set(wanted):
        with server(entries):
            settings(TCP)
            if "lookup" in wanted:
                bench_lookup(entries, keys, rounds)
            if "snapshot" in wanted:
                bench_snapshot(entries, rounds)
            if "start" in wanted:
                bench_start(rounds)
    if "import" in wanted:
        bench_import(imports, rounds)


if __name__ == "__main__":
    main()
