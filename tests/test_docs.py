"""The documentation is true: its examples run, its links lead somewhere, its commands exist.

In README.md, and in pages that say ``<!-- tested -->``, every console block is typed into one
shell after the other in an empty folder, and must print what the page shows (a line ``...``
stands for any lines); every python block is executed after them in the same folder. A block
below ``<!-- not run: REASON -->`` is left out.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?P<skip><!-- not run: [^>]+-->\n)?^```(?P<kind>console|python)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def is_tested(page: Path) -> bool:
    return page.name == "README.md" or "<!-- tested -->" in page.read_text()


def shell(command: str, folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAILLDAP", "LDAP"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        "LDAPNOINIT": "1",
        "HOME": str(folder),
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


def steps(body: str) -> list[tuple[str, str]]:
    """Return (command, expected output) of each ``$`` line of a console block."""
    found: list[tuple[str, list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(lines)) for command, lines in found]


def as_pattern(expected: str) -> str:
    lines = [r"(?:.*\n)*?" if x == "..." else re.escape(x) + r"\n" for x in expected.splitlines()]
    return "".join(lines)


def same(shown: str, printed: str) -> bool:
    printed = re.sub(r"[ \t]+$", "", printed.expandtabs(), flags=re.MULTILINE).strip("\n")
    shown = re.sub(r"[ \t]+$", "", shown.expandtabs(), flags=re.MULTILINE).strip("\n")
    return re.fullmatch(as_pattern(shown), printed + "\n" if printed else "") is not None


@pytest.mark.parametrize("page", [p for p in PAGES if is_tested(p)], ids=lambda p: p.name)
def test_examples_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    blocks = [m for m in BLOCK.finditer(page.read_text()) if not m["skip"]]
    assert blocks, f"{page} shows no example"
    for block in blocks:
        if block["kind"] == "console":
            for command, expected in steps(block["body"]):
                printed = shell(command, tmp_path)
                assert same(expected, printed), f"$ {command}\n{printed}"
        else:
            program = tmp_path / "example.py"
            program.write_text(block["body"])
            printed = shell(f"python {program.name}", tmp_path)
            expected = "\n".join(
                re.findall(r"^ *(?:print\(.*)?\)  # (.*)$", block["body"], re.MULTILINE)
            )
            assert same(expected, printed), f"{block['body']}\n{printed}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in PAGES[1:]:
        assert f"docs/{page.name}" in readme, f"README.md does not lead to docs/{page.name}"


def test_every_setting_is_documented() -> None:
    """docs/settings.md has a table a section, in the order of the sections."""
    from mailldap.config.layers import KEYS

    sections = ["", "postfix.", "postfix.senders.", "postfix.relay.", "postfix.cyrus."]
    tables = (ROOT / "docs" / "settings.md").read_text().split("\n## ")[1:]
    shown = {
        section + name
        for section, table in zip(sections, tables, strict=True)
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    parts = {section.removesuffix(".") for section in sections}
    assert shown == set(KEYS) - parts | {"profile", "profiles"}


def test_every_command_is_documented() -> None:
    """Each command of the program stands in docs/commands.md."""
    import typer.main

    from mailldap.cli.app import build

    page = (ROOT / "docs" / "commands.md").read_text()

    def walk(command, path: str):
        subcommands = getattr(command, "commands", None)
        if subcommands is None:
            yield path
            return
        for name, sub in subcommands.items():
            if not sub.hidden:  # a second name of one that is shown
                yield from walk(sub, f"{path} {name}".strip())

    for path in walk(typer.main.get_command(build()), ""):
        assert f"`{path}" in page, f"docs/commands.md does not mention `{path}`"
