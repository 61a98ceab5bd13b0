"""The library: its public names, its types, what it imports, and what it never does."""

import ast
import pickle
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

import mailldap
from mailldap.client import connect
from mailldap.config.settings import ConnectOptions, Settings
from mailldap.errors import (
    AddressTaken,
    ApiError,
    ConfigError,
    LdifError,
    MailldapError,
    NoSuchRecipient,
    RecipientError,
    ReferralReceived,
    UsageError,
    from_result,
)
from tests.typing import usage

ROOT = Path(__file__).parent.parent


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "example.ldif"
    path.write_bytes((ROOT / "ldif" / "example.ldif").read_bytes())
    return path


def test_public_names() -> None:
    assert set(mailldap.__all__) == {
        "MailDirectory", "MailRecipient", "MailldapError", "Settings", "__version__", "connect",
    }  # fmt: skip
    for name in mailldap.__all__:
        assert getattr(mailldap, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = mailldap.nonsense
    assert (ROOT / "mailldap" / "py.typed").exists()


def test_the_typed_sample_passes_mypy() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "tests/typing/usage.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_mypy_sees_names_and_options_that_are_not_there() -> None:
    program = "import mailldap\nmailldap.nonsense\nmailldap.connect('ldif:x', bind_d='cn=x')\n"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'Module has no attribute "nonsense"' in done.stdout
    assert 'Unexpected keyword argument "bind_d"' in done.stdout


def test_the_typed_sample_runs(example: Path) -> None:
    assert usage.main(str(example)) == [
        "uid=sales,ou=People,dc=example,dc=com",
        "free",
        "jane.doe@mail1.internal",
        "nobody",
        "deliver",
        "new@example.com Found",
        "sales@example.com Found",
        f"0 {example.read_text().count('dn: ')}",
        "dn: dc=example,dc=com",
        "unreachable",
    ]


def test_importing_it_costs_little_and_brings_no_command_line(example: Path) -> None:
    program = (
        "import sys, mailldap\n"
        "assert not {n for n in sys.modules if n.split('.')[0] in {'ldap3', 'yaml', 'socket'}}\n"
        f"with mailldap.connect('ldif:{example}') as mail:\n"
        "    mail.aliases.add('jane.doe', 'x@example.com')\n"
        "    mail.resolve('x@example.com')\n"
        "    list(mail.export_ldif())\n"
        "heavy = {n.split('.')[0] for n in sys.modules} & {'typer', 'rich', 'yaml', 'ldap3'}\n"
        "heavy |= {n for n in sys.modules if (n + '.').startswith(('mailldap.cli.', 'mailldap.output.'))}\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nothing_is_read_from_the_environment(example, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mailldap.yaml").write_text("base: dc=other,dc=test\nnonsense: 1\n")
    monkeypatch.setenv("MAILLDAP_BASE", "dc=other,dc=test")
    monkeypatch.setenv("LDAPBASE", "dc=other,dc=test")
    with connect(f"ldif:{example}") as mail:
        assert mail.settings.base == "dc=example,dc=com"


def test_a_call_that_means_nothing_says_what_is_wrong(example: Path) -> None:
    with pytest.raises(UsageError, match=r"connect\(\) has no option 'bind_d'") as caught:
        connect(f"ldif:{example}", bind_d="cn=x")
    assert caught.value.hint == "did you mean bind_dn?"
    with pytest.raises(UsageError, match="no option 'uris'"):
        connect(f"ldif:{example}", uris=("ldif:x",))
    with pytest.raises(ConfigError):
        connect("gopher://x")
    with pytest.raises(ConfigError, match="no directory is configured"):
        connect([])
    with pytest.raises(ConfigError), connect("ldif:absent.ldif") as mail:
        mail.recipients.entry("x")


def test_options_are_the_fields_of_the_settings() -> None:
    settings = {field.name for field in fields(Settings)} - {"uris", "base", "source"}
    assert set(ConnectOptions.__annotations__) == settings


def test_paths_may_be_text(example: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.schema"
    more.write_text("attributetype ( 1.2.3.4 NAME 'shoe' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n")
    for schema in (str(more), [more], (str(more),)):
        with connect(f"ldif:{example}", schema=schema) as mail:
            assert mail.settings.schema == (more,)
    with pytest.raises(ConfigError, match=r"absent\.schema: No such file"):
        connect(f"ldif:{example}", schema="absent.schema")
    with pytest.raises(ConfigError, match="cannot read the secret"):
        connect("ldap://h", base="dc=x", bind_dn="cn=x", password_file=str(tmp_path / "absent"))


def test_it_says_which_directory_it_is(example: Path) -> None:
    with connect(f"ldif:{example}") as mail:
        assert repr(mail) == f"<MailDirectory ldif:{example} dc=example,dc=com>"


@pytest.mark.parametrize(
    "error",
    [
        NoSuchRecipient("no x", hint="h"),
        AddressTaken("a@b", ("cn=x", "cn=y"), hint="h"),
        ConfigError("bad", file="f", line=3),
        LdifError("f", 3, "bad"),
        ApiError(-1, "gone", "it is gone"),
        RecipientError("cn=x", ("a", "b")),
        ReferralReceived(10, "there", uris=("ldap://h",)),
        from_result(32, "nothing there"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_whole_from_another_process(error: MailldapError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))


def test_errors_have_one_root(example: Path) -> None:
    with connect(f"ldif:{example}") as mail:
        with pytest.raises(NoSuchRecipient) as caught:
            mail.aliases.add("nobody", "x@example.com")
        assert isinstance(caught.value, MailldapError)
        assert (caught.value.code, caught.value.exit_status) == ("no-such-recipient", 1)


def test_a_password_is_not_shown() -> None:
    settings = Settings(uris=("ldap://h",), bind_dn="cn=x", password="hunter2")
    assert "hunter2" not in repr(settings)


def test_closing_twice_is_harmless(example: Path) -> None:
    mail = connect(f"ldif:{example}")
    mail.resolve("jane.doe@example.com")
    mail.close()
    mail.close()


def test_a_dry_run_keeps_what_it_would_do(example: Path) -> None:
    before = example.read_bytes()
    settings = Settings(uris=(f"ldif:{example}",))
    with mailldap.MailDirectory.open(settings, dry_run=True) as mail:
        mail.aliases.add("jane.doe", "x@example.com")
        assert mail.changes_ldif().startswith("dn: uid=jane.doe,ou=People,dc=example,dc=com\n")
        assert mail.changes_ldif() == "", "told already"
    assert example.read_bytes() == before


def test_what_docstrings_refer_to_exists() -> None:
    """``see provision.aliases.add_aliases`` leads somewhere."""
    import re

    for path in (ROOT / "mailldap" / "client.py", ROOT / "mailldap" / "__init__.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                continue
            for place in re.findall(r"see ((?:\w+\.){2}\w+)\b", ast.get_docstring(node) or ""):
                module, _, name = place.rpartition(".")
                assert hasattr(import_module(f"mailldap.{module}"), name), place
