"""Every figure of mailldap as a ratio to the C tool, measured in one run.

    bench/run.py [--all | --only NAME…] [--entries N] [--keys N] [--imports N] [--rounds N]
    bench/run.py --docs

Servers, C tools and mailldap run in containers of one network, so that nothing but the programs
differs. The commands of one comparison take turns; each figure is the wall time of a whole
process, the median of the rounds. What they answer is compared before anything is timed. Each
section is printed and kept in build/bench; --docs puts what is kept there into docs/speed.md.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "build" / "bench"
DOCS = ROOT / "docs" / "speed.md"
USUAL = ("lookup", "export", "start", "import")
#: In the order of the report.
NAMES = ("lookup", "tls", "export", "import", "start", "resolve", "ds389", "growth", "file")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--entries", type=int, default=50_000, help="recipients, five addresses each"
    )
    parser.add_argument("--keys", type=int, default=40_000, help="keys, nine in ten there")
    parser.add_argument("--imports", type=int, default=10_000, help="recipients of an import")
    parser.add_argument("--rounds", type=int, default=5, help="three, where they take long")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000], help="for growth"
    )
    parser.add_argument("--all", action="store_true", help="the large ones and 389, too")
    parser.add_argument("--only", nargs="*", choices=NAMES)
    parser.add_argument("--docs", action="store_true", help="write docs/speed.md, measure nothing")
    options = parser.parse_args()
    if options.docs:
        return write_docs()
    chosen = options.only or (NAMES if options.all else USUAL)
    built = subprocess.run(
        [ROOT / "docker" / "engine", "build", "lab", *(["ds389"] if "ds389" in chosen else [])],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip
    made = dict(line.split("=", 1) for line in built.split() if "=" in line)
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        began = time.monotonic()
        status = section(name, made, options)
        print(f"\n({name}: {time.monotonic() - began:.0f} s)\n", file=sys.stderr, flush=True)
        if status:
            return status
    return 0


def section(name: str, made: dict[str, str], options: argparse.Namespace) -> int:
    """Measure one section; keep and print what comes of it."""
    engine, packages = made["ENGINE"], sysconfig.get_path("purelib")
    own = f"mailldap-bench-{os.getpid()}"
    run = [engine, "run", "--rm", "--label", f"org.mailldap.run=bench:{os.getpid()}:"]
    if engine == "podman":
        run += ["--ulimit", "nproc=4096:4096"]  # see tests/containers.py
    network = []
    if name == "ds389":
        subprocess.run(
            [*run, "-d", "--name", f"{own}-ds389", "-e", "DATA=base", made["IMAGE_DS389"]],
            stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        network = ["--network", f"container:{own}-ds389"]
        # Another server on the same port sets the instance up before.
        pid_1 = [engine, "exec", f"{own}-ds389", "cat", "/proc/1/comm"]
        while subprocess.run(pid_1, capture_output=True, check=True).stdout != b"ns-slapd\n":
            time.sleep(0.2)
    command = [
        *run, "--name", own, "--init", "--ulimit", "nofile=1024:1024", "--shm-size", "8g", *network,
        "-v", f"{ROOT}:/mailldap:ro", "-v", f"{packages}:/packages:ro",
        "-e", "PYTHONPATH=/mailldap:/packages", "-e", "PYTHONPYCACHEPREFIX=/tmp/pycache",
        "-e", "LDAPNOINIT=1", "--entrypoint", "python3", made["IMAGE_LAB"], "-m", "bench.measure",
        *(f"--{key}={getattr(options, key)}" for key in ("entries", "keys", "imports", "rounds")),
        name, "--sizes", *map(str, options.sizes),
    ]  # fmt: skip
    lines = []
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
    finally:
        if network:
            subprocess.run(
                [engine, "rm", "-fv", f"{own}-ds389"], stdout=subprocess.DEVNULL, check=False
            )
    if not process.returncode:
        (KEPT / f"{name}.md").write_text("".join(lines))
    return process.returncode


def write_docs() -> int:
    """Put the sections that are kept between the marks; a machine line where it changes."""
    parts, before = [], ""
    for name in NAMES:
        if (KEPT / f"{name}.md").exists():
            machine, _, rest = (KEPT / f"{name}.md").read_text().partition("\n")
            machine = machine.rpartition("; load ")[0]
            parts.append(rest if machine == before else f"\n{machine}\n{rest}")
            before = machine
    if not parts:
        print("nothing was measured yet: make bench", file=sys.stderr)
        return 1
    text = DOCS.read_text()
    head, _, rest = text.partition("<!-- bench -->\n")
    tail = rest.partition("<!-- /bench -->\n")[2]
    DOCS.write_text(f"{head}<!-- bench -->\n{''.join(parts)}<!-- /bench -->\n{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
