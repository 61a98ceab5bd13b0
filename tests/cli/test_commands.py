"""Commands over the embedded directory: output, exit status, and nothing else."""

import json
from pathlib import Path

import pytest

FIVE = [
    "sample.user@example.com",
    "sample_user@example.com",
    "sampleuser@example.com",
    "sample@example.com",
    "john.smith@example.com",
]
JOHN = "uid=john.smith,ou=People,dc=example,dc=com"


def test_init_overwrites_nothing(cli, tmp_path: Path) -> None:
    (tmp_path / "example.ldif").write_text("mine\n")
    done = cli("init", "--example")
    assert done.status == 78
    assert "example.ldif" in done.err
    assert (tmp_path / "example.ldif").read_text() == "mine\n"
    assert not (tmp_path / "mailldap.yaml").exists()
    assert cli("init").status == 0
    assert cli("init").status == 78


@pytest.mark.parametrize("address", FIVE)
def test_each_of_the_five_addresses_resolves(example, address: str) -> None:
    done = example("-o", "json", "resolve", address)
    form = json.loads(done.out)
    assert done.status == 0
    assert form["version"] == 1
    assert form["query"] == address
    assert form["outcome"] == "deliver"
    assert [r["address"] for r in form["recipients"]] == ["john.smith@mail1.internal"]
    assert form["recipients"][0] == {
        "address": "john.smith@mail1.internal",
        "class": "default",
        "transport": "smtp",
        "nexthop": "mail1.internal",
        "outcome": "deliver",
        "dsn": None,
        "reason": None,
    }
    assert form["trace"][0]["filter"].count(address) == 2
    assert example("lookup", address).out == "john.smith@mail1.internal\n"


def test_the_story_of_an_alias(example) -> None:
    assert example("lookup", "js@example.com").status == 1
    assert example("alias", "add", "john.smith", "js@example.com").status == 0
    assert example("lookup", "js@example.com").out == "john.smith@mail1.internal\n"
    again = example("alias", "add", "john.smith", "JS@example.com")
    assert (again.status, again.out.split("\t")[0]) == (0, "= already there")
    taken = example("alias", "add", "jane.doe", "js@example.com")
    assert taken.status == 1
    assert JOHN in taken.err
    assert example("alias", "move", "js@example.com", "--to", "jane.doe").status == 0
    assert example("lookup", "js@example.com").out == "jane.doe@mail1.internal\n"
    assert example("routing", "set", "jane.doe", "jane@mail2.internal").status == 0
    assert example("lookup", "js@example.com").out == "jane@mail2.internal\n"
    assert example("alias", "remove", "jane.doe", "js@example.com").status == 0
    assert example("alias", "remove", "jane.doe", "js@example.com").status == 0
    for word in ("rm", "delete"):
        assert example("alias", "add", "jane.doe", "js@example.com").status == 0
        assert example("alias", word, "jane.doe", "js@example.com").status == 0
        assert example("lookup", "js@example.com").status == 1
    unknown = example("resolve", "js@example.com")
    assert unknown.status == 1
    assert "5.1.1" in unknown.out


def test_recipients_come_and_go(example) -> None:
    add = (
        "recipient",
        "add",
        "new",
        "--address",
        "new@example.com",
        "--routing",
        "n@mail1.internal",
    )
    assert example(*add).status == 0
    assert example(*add).status == 0
    shown = json.loads(example("-o", "json", "recipient", "show", "new").out)
    assert shown["mail"] == ["new@example.com"]
    assert (
        example("recipient", "set", "new", "mailQuota=100", "mailHost=a", "mailHost=b").status == 0
    )
    assert "mailHost: b" in example("recipient", "show", "new@example.com").out
    assert example("recipient", "rename", "new", "newer").status == 0
    assert example("recipient", "remove", "newer").status == 2, "not without --yes"
    assert example("recipient", "remove", "newer", "--yes").status == 0
    gone = example("recipient", "show", "newer", "-o", "json")
    assert gone.status == 1
    assert json.loads(gone.out)["error"]["code"] == "no-such-recipient"


def test_a_dry_run_shows_ldif_and_does_nothing(example, tmp_path: Path) -> None:
    before = (tmp_path / "example.ldif").read_bytes()
    done = example("-n", "alias", "add", "jane.doe", "dry@example.com")
    assert done.status == 0
    assert done.out.splitlines()[:4] == [
        "dn: uid=jane.doe,ou=People,dc=example,dc=com",
        "changetype: modify",
        "add: mail",
        "mail: dry@example.com",
    ]
    assert (tmp_path / "example.ldif").read_bytes() == before


def test_global_options_stand_anywhere(example) -> None:
    for argv in (
        ("-o", "json", "alias", "list", "jane.doe"),
        ("alias", "-o", "json", "list", "jane.doe"),
        ("alias", "list", "jane.doe", "-ojson"),
        ("alias", "list", "--output=json", "jane.doe"),
    ):
        assert json.loads(example(*argv).out)[0]["address"] == "jane.doe@example.com"
    assert example("lookup", "--", "-o").status == 1, "behind -- everything is data"


@pytest.mark.parametrize("output", ["json", "yaml", "ldif", "text"])
def test_every_format_or_a_clear_no(example, output: str) -> None:
    assert example("recipient", "list", "-o", output).status == 0
    assert example("resolve", FIVE[0], "-o", output).status == (2 if output == "ldif" else 0)


@pytest.mark.parametrize(
    ("argv", "status", "code"),
    [
        (["-H", "ldap://127.0.0.1:1", "recipient", "list"], 69, "unreachable"),
        (["-H", "gopher://x", "recipient", "list"], 78, "bad-config"),
        (["-H", "ldif:none.ldif", "recipient", "list"], 78, "bad-config"),
        (["recipient", "show", "nobody"], 1, "no-such-recipient"),
        (["alias", "add", "jane.doe", "no address"], 65, "bad-address"),
        (["alias", "add", "jane.doe"], 2, "usage"),
        (["nonsense"], 2, "usage"),
        (["-Y", "GSSAPI", "whoami"], 2, "usage"),
        (["lookup", "--table", "bogus:x", "k"], 78, "table-unavailable"),
        (["lookup", "--table", "/nonexistent.cf", "k"], 78, "table-unavailable"),
        (["lookup", "-c", "/nonexistent", "k"], 78, "bad-config"),
        (["--profile", "none", "recipient", "list"], 78, "bad-config"),
    ],
)
def test_errors_have_a_status_and_a_form(example, argv, status, code) -> None:
    text = example(*argv)
    assert text.status == status, text.err
    assert text.out == ""
    assert text.err.startswith("mailldap: ")
    form = json.loads(example(*argv, "-o", "json").out)
    assert form["version"] == 1
    assert form["error"]["code"] == code
    assert set(form["error"]) >= {"code", "message", "hint"}


def test_without_a_directory_the_way_out_is_named(cli) -> None:
    done = cli("recipient", "list")
    assert done.status == 78
    assert "mailldap init --example" in done.err


def test_a_secret_that_others_can_read_is_refused_and_never_shown(example, tmp_path: Path) -> None:
    secret = tmp_path / "pw"
    secret.write_text("hunter2")
    secret.chmod(0o644)
    argv = ("-H", "ldap://127.0.0.1:1", "-D", "cn=x", "-y", str(secret), "recipient", "list")
    done = example(*argv)
    assert done.status == 78
    assert "hunter2" not in done.out + done.err
    secret.chmod(0o600)
    done = example(*argv, "-v")
    assert done.status == 69
    assert "hunter2" not in done.out + done.err


HOSTILE = [
    "*", "*@example.com", ")(uid=*", "(|(uid=*))", "\\2a", "a\\", "%s", "$(id)", "'; drop",
    "\x1b[31mred\x1b[0m", "\x9b2J", "[bold]x[/bold]", "\u202egnp.exe", "a\nb", "a\r\nmail: x",
    "\x00", "\udcff\udcfe@example.com", "ä@example.com", "@", "@@", "", " ", "\t", "a" * 5000,
    "uid=x,dc=y", "dn:: Zm9v", "<>", '"', "a@b@c", "sample.user@example.com\x00x", "-", "--help",
    "#x", "🙂@example.com", "..@example.com", "a,b@example.com", "sample.user@example.com ",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "argv",
    [
        ["lookup", "--"], ["resolve", "--"], ["route", "--"], ["recipient", "show", "--"],
        ["alias", "add", "--", "jane.doe"], ["alias", "remove", "--", "jane.doe"],
        ["alias", "list", "--"], ["routing", "add", "--", "jane.doe"],
        ["alias", "move", "--to", "jane.doe", "--"], ["sender", "check", "--", "jane.doe"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_any_text_ends_in_an_answer_or_a_clear_error(example, argv, text: str) -> None:
    if text == "-" and argv[0] in {"lookup", "resolve"}:
        return  # stdin
    done = example(*argv, text)
    assert done.status in {0, 1, 2, 65, 75, 78}, (done.status, done.err)
    assert "internal error" not in done.err
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err
    if argv[0] != "lookup":
        assert not set(done.out + done.err) & {"\x1b", "\x9b", "\u202e", "\x00", "\r"}
    if argv[0] == "lookup":
        assert done.out in {"", "john.smith@mail1.internal\n"}
