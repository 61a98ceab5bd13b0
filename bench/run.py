"""Every figure of mailldap as a ratio to the C tool, measured in one run.

    bench/run.py [--entries N] [--keys N] [--imports N] [--rounds N] [--only NAME…]

Server, C tools and mailldap run in one container of the image `lab`, so that nothing but the
programs differs. The commands of one comparison take turns; each figure is the wall time of a whole
process, the median of the rounds. What they answer is compared before anything is timed.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMES = ("lookup", "snapshot", "import", "start")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--entries", type=int, default=50_000, help="recipients, five addresses each"
    )
    parser.add_argument(
        "--keys", type=int, default=40_000, help="keys of a bulk lookup, nine in ten there"
    )
    parser.add_argument("--imports", type=int, default=10_000, help="recipients of an import")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    options = parser.parse_args()
    built = subprocess.run(
        [ROOT / "docker" / "engine", "build", "lab"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    made = dict(line.split("=", 1) for line in built.split() if "=" in line)
    packages = sysconfig.get_path("purelib")
    command = [
        made["ENGINE"], "run", "--rm", "--name", f"mailldap-bench-{os.getpid()}", "--init",
        "--ulimit", "nofile=1024:1024", "-v", f"{ROOT}:/mailldap:ro", "-v", f"{packages}:/packages:ro",
        "-e", "PYTHONPATH=/mailldap:/packages", "-e", "PYTHONPYCACHEPREFIX=/tmp/pycache",
        "-e", "LDAPNOINIT=1", "--entrypoint", "python3", made["IMAGE_LAB"],
        "/mailldap/bench/measure.py", str(options.entries), str(options.keys), str(options.imports),
        str(options.rounds), *options.only,
    ]  # fmt: skip
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
