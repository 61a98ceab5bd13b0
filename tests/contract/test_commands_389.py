"""The commands that change recipients, on 389 Directory Server, which has no transactions."""

import json
import subprocess
import sys

import pytest

from tests.containers import load


@pytest.fixture
def mailldap(ds389, tmp_path):
    ds389.reset(load("example"))
    password = tmp_path / "password"
    password.write_text(ds389.admin_password)
    password.chmod(0o600)
    who = ["-H", ds389.uri, "-b", ds389.base, "-D", ds389.admin_dn, "-y", str(password)]

    def run(*args, status=0):
        done = subprocess.run(
            [sys.executable, "-m", "mailldap", "-o", "json", *who, *args],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"{args}: {done.returncode} {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    return run


def states(form):
    return [result["state"] for result in form["results"]]


def test_recipients_aliases_and_routing(mailldap):
    mailldap(
        "recipient",
        "add",
        "new.one",
        "--address",
        "n1@example.com",
        "--routing",
        "x@mail1.internal",
    )
    taken = mailldap(
        "recipient", "add", "two", "--address", "N1@example.com", "--routing", "x@y.z", status=1
    )
    assert taken["error"]["owners"] == ["uid=new.one,ou=People,dc=example,dc=com"]
    assert (
        states(mailldap("alias", "add", "new.one", "a@example.com", "b@example.com"))
        == ["added"] * 2
    )
    assert states(mailldap("alias", "add", "new.one", "A@example.com")) == ["already-there"]
    mailldap("alias", "move", "a@example.com", "--to", "jane.doe")
    assert states(mailldap("alias", "remove", "new.one", "b@example.com", "c@example.com")) == [
        "removed", "was-not-there",
    ]  # fmt: skip
    mailldap("routing", "set", "new.one", "y@mail1.internal")
    mailldap("recipient", "rename", "new.one", "newer.one")
    assert [
        mailldap("resolve", address)["recipients"][0]["address"]
        for address in ("n1@example.com", "a@example.com")
    ] == ["y@mail1.internal", "jane.doe@mail1.internal"]
    mailldap("recipient", "remove", "--yes", "newer.one")
    assert mailldap("resolve", "n1@example.com", status=1)["outcome"] == "reject"
    mailldap(
        "recipient", "add", "mü", "--address", "mü@example.com", "--routing", "x@y.z", status=65
    )


def test_the_server_is_known_for_what_it_is(mailldap):
    [server] = mailldap("status")["servers"]
    assert server["product"] == "389 Directory Server"
    assert (server["schema"], server["transactions"], server["problems"]) == ("netscape", False, [])
    assert mailldap("schema", "check")["usable"] is True
