"""The command line in this process: status, stdout, stderr."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailldap.cli.app import execute


@dataclass
class Done:
    status: int
    out: str
    err: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(capfdbinary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Run `cli("alias", "list", env={…})` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: str, env: dict[str, str] | None = None) -> Done:
        status = execute(argv, {"LDAPNOINIT": "1", "HOME": str(tmp_path), **(env or {})})
        captured = capfdbinary.readouterr()
        return Done(
            status,
            captured.out.decode("utf-8", "surrogateescape"),
            captured.err.decode("utf-8", "surrogateescape"),
        )

    return run


@pytest.fixture
def example(cli: Cli) -> Cli:
    """The same, with `init --example` done."""
    assert cli("init", "--example").status == 0
    return cli
