"""The real libldap, to be compared with."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def libldap(lab) -> Callable[[str, list[str]], list[str]]:
    """A function: kind ("filter", "dn", "ldif") and texts in, libldap's answers out; see libldap.py."""
    program = Path(__file__).with_name("libldap.py").read_text()

    def ask(kind: str, texts: list[str]) -> list[str]:
        lines = "".join(text.encode("utf-8", "surrogateescape").hex() + "\n" for text in texts)
        done = lab.exec(["python3", "-c", program, kind], lines.encode())
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().split("\n")[:-1]

    return ask
