"""The shapes that other programs rely on: exactly these keys, in every format."""

import json
from pathlib import Path

import pytest
import yaml

RESOLUTION = {"version", "query", "outcome", "reason", "dsn", "recipients", "trace"}
RECIPIENT = {"address", "class", "transport", "nexthop", "outcome", "dsn", "reason"}
STEP = {"step", "rule", "from", "to", "level", "lookups"}
PROBE = {"table", "key", "base", "filter", "entries", "result", "error"}
LOOKUP = {"version", "key", "status", "value", "error"}
VERDICT = {"version", "login", "sender", "allowed", "reply", "owners", "table_key"}
OWNERS = {"version", "sender", "owners", "table_key", "error"}
LIST = {"version", "login", "addresses", "unlisted", "error"}
FINDING = {"code", "severity", "file", "line", "parameter", "message", "fix"}
RESULT = {"dn", "state", "attribute", "value", "source"}
IMPORT = {
    "version", "file", "complete", "done", "already", "refused", "faults", "stopped",
}  # fmt: skip
SERVER = {
    "uri", "error", "seconds", "product", "server_version", "identity", "suffixes", "base",
    "base_found", "recipients", "recipients_complete", "transactions", "schema", "protection",
    "changes", "lag", "problems",
}  # fmt: skip
SCHEMA = {
    "version", "uri", "server", "variant", "usable", "problems", "hint", "notes", "elements",
}  # fmt: skip


@pytest.fixture
def ask(example, tmp_path: Path):
    """Return a function that gives a command's JSON, after comparing its YAML with it."""
    (tmp_path / "pf").mkdir()
    (tmp_path / "pf" / "main.cf").write_text(
        "compatibility_level = 3.6\nmydestination = example.com\n"
        "smtpd_sasl_auth_enable = yes\n"
        "smtpd_sender_restrictions = reject_sender_login_mismatch\n"
        f"smtpd_sender_login_maps = texthash:{tmp_path}/pf/logins\n"
        "virtual_alias_maps = regexp:/nonexistent\n"
    )
    (tmp_path / "pf" / "logins").write_text("user1@example.com user1\n")

    def run(*argv: str, status: int = 0):
        shown = example(*argv, "-o", "json")
        assert shown.status == status, shown
        form = json.loads(shown.out)
        again = example("-o", "yaml", *argv)
        assert again.status == status, again
        if argv[0] != "status":  # which tells how long the server took
            assert yaml.safe_load(again.out) == form
        return form

    return run


def test_resolve_and_route(ask) -> None:
    for argv, status in (
        (("resolve", "sample.user@example.com"), 0),
        (("route", "a@b.test"), 0),
        (("resolve", "nobody@example.com"), 1),
        (("resolve", "-c", "pf", "user1@example.com"), 75),
        (("resolve", "\udcff@x"), 1),
    ):
        form = ask(*argv, status=status)
        assert set(form) == RESOLUTION
        assert form["version"] == 1
        assert form["query"] == argv[-1]
        assert form["outcome"] == {0: "deliver", 1: "reject", 75: "defer"}[status]
        assert all(set(recipient) == RECIPIENT for recipient in form["recipients"])
        assert all(set(probe) == PROBE for probe in form["trace"])
    traced = ask("resolve", "--trace", "sample.user@example.com")
    assert set(traced) == RESOLUTION | {"steps"}
    assert all(set(step) == STEP for step in traced["steps"])
    assert [step["step"] for step in traced["steps"]] == ["alias"]
    several = ask("resolve", "sample.user@example.com", "jd@example.com")
    assert [set(form) for form in several] == [RESOLUTION] * 2


def test_lookup(ask, example) -> None:
    found = ask("lookup", "jd@example.com")
    assert set(found) == LOOKUP
    assert found["status"] == "found"
    assert found["value"] == "jane.doe@mail1.internal"
    assert found["error"] is None
    absent = ask("lookup", "no@example.com", status=1)
    assert (absent["status"], absent["value"], absent["error"]) == ("not-found", None, None)
    failed = ask("lookup", "--table", "fail:x", "key", status=75)
    assert failed["status"] == "error"
    assert failed["value"] is None
    assert failed["error"]
    several = ask("lookup", "jd@example.com", "no@example.com")
    assert [form["status"] for form in several] == ["found", "not-found"]


def test_sender(ask) -> None:
    may = ask("sender", "check", "-c", "pf", "user1", "user1@example.com")
    assert set(may) == VERDICT
    assert (may["allowed"], may["reply"], may["owners"]) == (True, None, ["user1"])
    may_not = ask("sender", "check", "-c", "pf", "user2", "user1@example.com", status=1)
    assert may_not["allowed"] is False
    assert may_not["reply"].startswith("553 5.7.1 ")
    owners = ask("sender", "owners", "-c", "pf", "user1@example.com")
    assert set(owners) == OWNERS
    assert owners["owners"] == ["user1"]
    listed = ask("sender", "list", "-c", "pf", "user1")
    assert set(listed) == LIST
    assert listed["addresses"] == ["user1@example.com"]
    assert ask("sender", "list", "-c", "pf", "user2", status=1)["addresses"] == []


def test_writes(ask) -> None:
    form = ask("alias", "add", "jane.doe", "jd@example.com")
    assert set(form) == {"version", "results"}
    assert form["results"] == [
        {
            "dn": "uid=jane.doe,ou=People,dc=example,dc=com",
            "state": "already-there",
            "attribute": "mail",
            "value": "jd@example.com",
            "source": None,
        }
    ]
    planned = ask("-n", "alias", "add", "jane.doe", "new@example.com")
    assert set(planned) == {"version", "results", "dry_run", "ldif"}
    assert planned["dry_run"] is True
    assert [set(result) for result in planned["results"]] == [RESULT]


def test_entries_and_pairs(ask) -> None:
    entry = ask("recipient", "show", "jane.doe")
    assert entry["version"] == 1
    assert entry["dn"] == "uid=jane.doe,ou=People,dc=example,dc=com"
    assert entry["mail"] == ["jane.doe@example.com", "jd@example.com"]
    assert entry in ask("recipient", "list")
    assert set(ask("alias", "list")[0]) == {"version", "address", "dn"}
    assert set(ask("routing", "list")[0]) == {"version", "routing", "dn"}
    assert entry in ask("export", "ldif")


def test_servers(ask) -> None:
    form = ask("status")
    assert set(form) == {"version", "base", "reachable", "notes", "servers"}
    assert set(form["servers"][0]) == SERVER
    assert set(ask("schema", "check")) == SCHEMA
    assert set(ask("schema", "show")) == {"version", "form", "text"}
    assert set(ask("schema", "install")) == {"version", "message", "ldif", "dry_run"}
    assert set(ask("whoami")) == {"version", "uri", "identity"}


def test_postfix(ask, example, tmp_path: Path) -> None:
    made = ask("postfix", "generate", "aliases")
    assert set(made) == {"version", "name", "mode", "content"}
    assert all(set(form) == set(made) for form in ask("postfix", "generate", "all"))
    (tmp_path / "pf" / "main.cf").write_text("relayhost = [mail.test] # not a comment\n")
    found = ask("postfix", "check", "pf", status=1)
    assert set(found) == {"version", "findings"}
    assert found["findings"]
    assert all(set(finding) == FINDING for finding in found["findings"])
    fixed = ask("postfix", "fix", "-n", "pf")
    assert set(fixed) == {"version", "diff", "applied", "mended", "left"}
    assert example("postfix", "generate", "aliases", "--dir", "out").status == 0
    written = ask("postfix", "generate", "aliases", "--dir", "out")
    assert set(written) == {"version", "files"}
    assert set(written["files"][0]) == {"file", "state"}


def test_imports(ask, tmp_path: Path) -> None:
    (tmp_path / "good.ldif").write_bytes((tmp_path / "example.ldif").read_bytes())
    form = ask("import", "ldif", "good.ldif")
    assert set(form) == IMPORT
    assert form["complete"] is True
    (tmp_path / "bad.ldif").write_text("dn: uid=x,dc=nowhere\nuid: x\n\nnonsense\n")
    faulty = ask("import", "ldif", "bad.ldif", status=65)
    assert set(faulty["faults"][0]) == {"code", "message", "hint", "file", "line"}
    assert faulty["faults"][0]["line"] == 4
    refused = ask("import", "ldif", "--continue", "bad.ldif", status=65)["refused"]
    assert refused[0]["line"] == 1
    assert refused[0]["dn"] == "uid=x,dc=nowhere"
    assert {"code", "message", "result"} <= set(refused[0])


def test_errors(ask) -> None:
    for argv, status, more in (
        (("recipient", "show", "nobody"), 1, set()),
        (("alias", "add", "jane.doe", "sales@example.com"), 1, {"address", "owners"}),
        (("--config", "none.yaml", "alias", "list"), 78, {"file", "line"}),
        (("alias", "list", "--bogus"), 2, set()),
        (("recipient", "set", "jane.doe", "bogus=1"), 77, {"result"}),
    ):
        form = ask(*argv, status=status)
        assert set(form) == {"version", "error"}
        assert set(form["error"]) == {"code", "message", "hint"} | more


def test_bytes_and_emoji_survive_in_both_formats(ask, example) -> None:
    text = "\udcff🙂\u202e\x1b\\ud800"
    form = ask("lookup", "--table", "inline:{ k=v }", text, status=1)
    assert form["key"] == text
    shown = example("-o", "json", "lookup", "--table", "inline:{ k=v }", text).out
    assert not set(shown) & {"\udcff", "\u202e", "\x1b"}
