"""A server, whole processes timed in turns, and the tables that come of it.

Runs beside the server in the container; see run.py.
"""

import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BASE = "dc=example,dc=com"
ADMIN = f"cn=admin,{BASE}"
HERE = Path(__file__).parent
WORK = Path("/tmp/bench")
TCP = "ldap://127.0.0.1:3389"
TLS = "ldaps://127.0.0.1:3636"
LDAPI = f"ldapi://{str(WORK / 'ldapi').replace('/', '%2f')}"
STATE = WORK / "state"
CA = WORK / "ca.pem"
SECRET = WORK / "secret"
MAILLDAP = [sys.executable, "-m", "mailldap"]
LONG_AGO = 1_600_000_000
#: No comparison goes on for longer, once it has three rounds.
BUDGET = 25.0


def record(number: int, prefix: str = "u") -> str:
    uid = f"{prefix}{number}"
    return (
        f"dn: uid={uid},ou=People,{BASE}\nobjectClass: top\nobjectClass: account\n"
        f"objectClass: mailRecipient\nuid: {uid}\n"
        + "".join(f"mail: {uid}.{alias}@example.com\n" for alias in range(5))
        + f"mailRoutingAddress: {uid}@mail1.internal\n\n"
    )


def records(path: Path, count: int, prefix: str = "u") -> Path:
    """A file of that many recipients."""
    with path.open("w") as stream:
        stream.writelines(record(number, prefix) for number in range(count))
    return path


def addresses(path: Path, entries: int, count: int) -> Path:
    """A file of that many keys, nine in ten of them there."""
    chance = random.Random(7)
    with path.open("w") as stream:
        stream.writelines(
            f"u{chance.randrange(entries)}.{chance.randrange(5)}@example.com\n"
            if chance.random() < 0.9
            else f"nobody{n}@example.com\n"
            for n in range(count)
        )
    return path


@contextmanager
def server(
    entries: int, *, fsync: bool = True, tls: bool = False, state: Path = STATE
) -> Iterator[None]:
    """A slapd with that many recipients, loaded by slapadd -q before it starts."""
    shutil.rmtree(state, ignore_errors=True)
    data = records(WORK / "data.ldif", entries)
    environment = os.environ | {
        "STATE": str(state), "SHARE": "/mailldap", "RUN": str(WORK), "LOGLEVEL": "none",
        "URLS": f"{TCP} {LDAPI}" + (f" {TLS}" if tls else ""), "DATA": f"base {data}",
        "SIZELIMIT": "500", "MAXSIZE": str(16 << 30), "NOSYNC": "0" if fsync else "1",
    }  # fmt: skip
    if tls:
        environment |= certificate()
    process = subprocess.Popen(
        ["/bin/bash", "/mailldap/docker/openldap/entrypoint"],
        env=environment, stdout=subprocess.DEVNULL, stderr=(WORK / "slapd.log").open("w"),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 600
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
        shutil.rmtree(state, ignore_errors=True)
        data.unlink()


def certificate() -> dict[str, str]:
    """A certificate for 127.0.0.1 that is its own authority, as the entrypoint wants it named."""
    key = WORK / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", CA],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o644)
    return {"TLS_CERT": str(CA), "TLS_KEY": str(key), "TLS_CA": str(CA)}


def run(
    command: list[str],
    stdin: Path | None = None,
    *,
    stdout: int = subprocess.DEVNULL,
    ok: Sequence[int] = (0,),
) -> subprocess.CompletedProcess[bytes]:
    with stdin.open("rb") if stdin else open(os.devnull, "rb") as source:
        done = subprocess.run(
            command, stdin=source, stdout=stdout, stderr=subprocess.PIPE, check=False
        )
    if done.returncode not in ok:
        raise SystemExit(f"{command[:9]}: exit {done.returncode}: {done.stderr[-500:]!r}")
    return done


def timed(command: list[str], stdin: Path | None = None, *, ok: Sequence[int] = (0,)) -> float:
    """Seconds of wall time of one whole process."""
    began = time.perf_counter()
    run(command, stdin, ok=ok)
    return time.perf_counter() - began


def output(command: list[str], stdin: Path | None = None, *, ok: Sequence[int] = (0,)) -> bytes:
    return run(command, stdin, stdout=subprocess.PIPE, ok=ok).stdout


def peak(command: list[str], stdin: Path | None = None) -> tuple[float, float]:
    """The most memory that a process ever had (MB, ru_maxrss), and its seconds.

    A small process starts it: what the parent has counts for a child until it becomes its own.
    """
    done = run([sys.executable, "-IS", str(HERE / "peak.py"), *command], stdin)
    used, seconds = json.loads(done.stderr.splitlines()[-1])
    return used / 1024, seconds


def same(title: str, one: object, other: object) -> None:
    """Nothing is timed that does not give the same."""
    if one != other or not one:
        raise SystemExit(f"{title}: the answers differ")


Turn = Callable[[], float]


def turns(rounds: int, theirs: Turn, ours: Turn) -> tuple[float, float, list[float]]:
    """Medians of both, and the sorted ratios of each round; both have run before."""
    began = time.monotonic()
    pairs: list[tuple[float, float]] = []
    while len(pairs) < rounds and (len(pairs) < 3 or time.monotonic() - began < BUDGET):
        pairs.append((theirs(), ours()))
    c, m = (statistics.median(times) for times in zip(*pairs, strict=True))
    return c, m, sorted(a / b for a, b in pairs)


def compare(title: str, rounds: int, theirs: Turn, ours: Turn, work: int) -> None:
    """Print a row of :func:`header`: rates, the ratio of the medians and its range."""
    c, m, ratios = turns(rounds, theirs, ours)
    row(title, f"{work / c:,.0f}", f"{work / m:,.0f}", *ratio(c / m, ratios))


def ratio(value: float, ratios: list[float]) -> tuple[str, str]:
    return f"{value:.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"


def row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def header(
    text: str, columns: Iterable[str] = ("C tool /s", "mailldap /s", "ratio", "range")
) -> None:
    names = ["", *columns]
    print(f"\n{text}\n")
    row(*names)
    print(f"|---|{'--:|' * (len(names) - 1)}", flush=True)


def table(name: str, uri: str, *more: str) -> str:
    """An LDAP table on that server, as postmap and lookup take it."""
    path = WORK / f"{name}.cf"
    path.write_text(
        f"server_host = {uri}\nversion = 3\nsearch_base = {BASE}\n"
        "query_filter = (&(objectClass=mailRecipient)(mail=%s))\nresult_attribute = mailRoutingAddress\n"
        + "".join(f"{line}\n" for line in (more if "bind = yes" in more else ("bind = no", *more)))
    )
    os.utime(path, (LONG_AGO, LONG_AGO))  # postmap waits for a table that is too young
    return f"ldap:{path}"


def directory(uri: str, *verb: str, admin: str = ADMIN, password: str = "secret") -> list[str]:
    """A command of mailldap as the administrator of that directory."""
    SECRET.write_text(password)
    SECRET.chmod(0o600)
    path = WORK / "mailldap.yaml"
    path.write_text(
        f"uri: '{uri}'\nbase: {BASE}\nbind_dn: {admin}\npassword_file: {SECRET}\n"
        "allow_cleartext_password: true\n"
    )
    return [*MAILLDAP, "--config", str(path), *verb]


def tool(name: str, uri: str, *more: str, admin: str = ADMIN) -> list[str]:
    """A command of the OpenLDAP tools as the same."""
    return [name, "-x", "-D", admin, "-y", str(SECRET), "-H", uri, *more]


def normal(ldif: bytes) -> list[bytes]:
    return sorted(block.replace(b"\n ", b"") for block in ldif.strip().split(b"\n\n"))


def machine() -> str:
    """What the figures were measured with."""
    model = next(
        (x for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), ""
    )
    slapd = subprocess.run(["slapd", "-VV"], capture_output=True, check=False).stderr.decode()
    postfix = subprocess.run(["postconf", "-h", "mail_version"], capture_output=True, check=False)
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores,"
        f"{model.partition(':')[2]}; slapd {slapd.partition('slapd ')[2].partition(' ')[0]}, "
        f"Postfix {postfix.stdout.decode().strip()}"
    )
