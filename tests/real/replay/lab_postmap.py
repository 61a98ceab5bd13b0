"""Runs in the lab: `postmap -q` many times. stdin: [[argv, stdin], …]; stdout: [[status, stdout, stderr], …]."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def run(job: tuple[list[str], str]) -> list[int | str]:
    argv, keys = job
    done = subprocess.run(
        [encode(word) for word in argv],
        input=encode(keys),
        capture_output=True,
        timeout=60,
        check=False,
    )
    return [done.returncode, decode(done.stdout), decode(done.stderr)]


# A postmap that fails sleeps for a second before it says so: let many of them sleep together.
with ThreadPoolExecutor(24) as pool:
    json.dump(list(pool.map(run, json.load(sys.stdin))), sys.stdout)
