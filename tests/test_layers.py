"""Imports run one way: a room imports only rooms that stand left of it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "mailldap"
ROOMS = [
    "version", "errors", "ldap", "model", "config", "directory", "postfix", "tables", "simulate",
    "provision", "audit", "admin", "client", "output", "__init__", "cli", "__main__",
]  # fmt: skip
#: Third-party packages and the only rooms or files that may import them.
OWNERS = {
    "ldap3": {"directory/connections.py", "directory/ldap3_connect.py"},
    "typer": {"cli/"},
    "rich": {"output/text.py", "output/progress.py"},
    "yaml": {"config/yaml_source.py", "output/jsonform.py"},
}
FILES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module
            found += [(node.lineno, node.module)]
            if node.module == "mailldap":
                found += [(node.lineno, f"mailldap.{alias.name}") for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    room = room_of(path)
    assert room in ROOMS, f"{room} has no place in the house"
    for line, name in imports_of(path):
        head, _, rest = name.partition(".")
        if head == "mailldap" and rest:
            other = rest.split(".")[0]
            if other not in ROOMS:  # a name of the public face, as `from mailldap import connect`
                other = "__init__"
            assert ROOMS.index(other) <= ROOMS.index(room), f"{path}:{line}: {room} imports {other}"
        if head in OWNERS:
            where = str(path.relative_to(ROOT))
            allowed = any(where.startswith(o) for o in OWNERS[head])
            assert allowed, f"{path}:{line}: only {OWNERS[head]} may import {head}"


def test_nobody_but_the_cli_prints_or_reads_the_environment() -> None:
    for path in FILES:
        if room_of(path) in {"cli", "__main__"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"print", "input"}, f"{path}:{node.lineno}"
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"environ", "getenv"}, f"{path}:{node.lineno}"
