"""The part of the benchmark that runs beside the servers; see run.py."""

import argparse
import os

from bench import large, usual
from bench.harness import WORK, machine, server


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("entries", "keys", "imports", "rounds"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--sizes", type=int, nargs="*", default=[])
    parser.add_argument("section")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    WORK.chmod(0o777)
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}", flush=True)
    entries, rounds = options.entries, options.rounds
    match options.section:
        case "lookup":
            with server(entries):
                usual.lookup(entries, options.keys, rounds)
        case "export":
            with server(entries):
                usual.export(entries, rounds)
        case "start":
            with server(entries):
                usual.start(rounds)
        case "import":
            usual.imports(options.imports, rounds)
        case "tls":
            with server(entries, tls=True):
                large.tls(entries, options.keys, rounds)
        case "resolve":
            with server(entries):
                large.resolve(entries, rounds)
        case "ds389":
            large.ds389(entries // 5, options.imports // 5, rounds)
        case "file":
            large.file(100_000, rounds)
        case "growth":
            large.growth(options.sizes, rounds)


if __name__ == "__main__":
    main()
