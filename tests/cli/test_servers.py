"""The same commands on real servers: answers, refusals, and what is not sent to whom."""

import json
from pathlib import Path

import pytest

from tests.containers import load
from tests.servers import Slapd

pytestmark = pytest.mark.container
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(params=["slapd", "slapd_unique", "ds389"])
def server(request: pytest.FixtureRequest) -> Slapd:
    made: Slapd = request.getfixturevalue(request.param)
    made.reset(load("example"))
    return made


@pytest.fixture
def admin(cli, server: Slapd, tmp_path: Path):
    """The command line as the server's administrator."""
    (tmp_path / "pw").write_text(f"{server.admin_password}\n")
    (tmp_path / "pw").chmod(0o600)
    options = ("-H", server.uri, "-b", server.base, "-D", server.admin_dn, "-y", "pw")

    def run(*argv: str):
        return cli(*options, *argv)

    return run


def test_the_story_of_an_alias(admin) -> None:
    john, jane = (f"uid={uid},ou=People,dc=example,dc=com" for uid in ("john.smith", "jane.doe"))
    add = admin("alias", "add", "john.smith", "js@example.com")
    assert (add.status, add.out, add.err) == (0, f"* added\tmail: js@example.com\t{john}\n", "")
    again = admin("alias", "add", "john.smith", "JS@example.com")
    assert (again.status, again.out.split("\t")[0]) == (0, "= already there")
    taken = admin("-o", "json", "alias", "add", "jane.doe", "Js@Example.com")
    assert taken.status == 1
    error = json.loads(taken.out)["error"]
    assert (error["code"], error["owners"]) == ("address-taken", [john])
    assert admin("lookup", "js@example.com").out == "john.smith@mail1.internal\n"
    moved = admin("alias", "move", "js@example.com", "--to", "jane.doe")
    assert (moved.status, moved.out) == (0, f"* moved\tmail: js@example.com\t{john} -> {jane}\n")
    assert admin("resolve", "js@example.com").out.splitlines()[1].split("\t")[0].strip() == (
        "jane.doe@mail1.internal"
    )
    assert admin("routing", "set", "jane.doe", "jane@mail2.internal").status == 0
    assert admin("lookup", "js@example.com").out == "jane@mail2.internal\n"
    assert admin("alias", "remove", "jane.doe", "JS@EXAMPLE.COM").status == 0
    assert admin("alias", "remove", "jane.doe", "js@example.com").out.startswith("= was not there")
    gone = admin("resolve", "js@example.com")
    assert gone.status == 1
    assert "5.1.1" in gone.out


def test_recipients_come_and_go(admin) -> None:
    words = ("--address", "new@example.com", "--routing", "n@mail1.internal")
    assert admin("recipient", "add", "new", *words).status == 0
    assert admin("recipient", "add", "new", *words).out.startswith("= already there")
    assert admin("recipient", "add", "other", *words).status == 1
    assert admin("recipient", "show", "other").status == 1
    assert admin("recipient", "set", "new", "mailHost=a", "mailHost=b").status == 0
    assert "  mailHost: b\n" in admin("recipient", "show", "new@example.com").out
    assert admin("recipient", "set", "new", "mailHost=").status == 0
    assert "mailHost" not in admin("recipient", "show", "new").out
    assert admin("recipient", "rename", "new", "newer").status == 0
    assert admin("recipient", "rename", "newer", "john.smith").status == 1
    shown = json.loads(admin("recipient", "show", "newer", "-o", "json").out)
    assert shown["uid"] == ["newer"]
    assert admin("recipient", "remove", "newer", "--yes").status == 0
    assert admin("recipient", "show", "newer").status == 1


def test_no_password_is_shown(admin, tmp_path: Path) -> None:
    assert admin("recipient", "set", "jane.doe", "userPassword=hunter2").status == 2
    (tmp_path / "in.txt").write_text(
        "dn: uid=jane.doe,ou=People,dc=example,dc=com\nchangetype: modify\n"
        "replace: userPassword\nuserPassword: hunter2\n-\n"
    )
    assert admin("import", "ldif", "in.txt").status == 0
    for argv in (("recipient", "show", "jane.doe"), ("recipient", "list"), ("export", "ldif")):
        for output in ("text", "json", "ldif"):
            assert "userPassword" not in admin(*argv, "-o", output).out
    assert "userPassword" in admin("export", "ldif", "--with-passwords").out


def test_an_export_is_imported_elsewhere(admin, cli, server: Slapd, tmp_path: Path) -> None:
    exported = admin("export", "ldif")
    assert exported.status == 0
    (tmp_path / "all.txt").write_text(exported.out)
    again = admin("-o", "json", "import", "ldif", "all.txt")
    form = json.loads(again.out)
    assert (form["complete"], form["done"]) == (True, 0)
    assert form["already"] == exported.out.count("dn: ")
    only = admin("export", "ldif", "--recipients").out
    server.reset()
    (tmp_path / "some.txt").write_text(only)
    imported = admin("import", "ldif", "some.txt")
    assert imported.status == 0, imported
    again = admin("export", "ldif", "--recipients").out
    assert sorted(again.split("\n\n")) == sorted(only.split("\n\n"))


def test_an_import_names_what_was_refused(admin, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text(
        "dn: uid=n1,ou=People,dc=example,dc=com\nobjectClass: account\nuid: n1\n\n"
        "dn: uid=n2,ou=Nowhere,dc=example,dc=com\nobjectClass: account\nuid: n2\n\n"
        "dn: uid=n3,ou=People,dc=example,dc=com\nobjectClass: account\nuid: n3\n\n"
    )
    done = admin("import", "ldif", "in.txt")
    assert done.status == 77
    assert "in.txt:5: uid=n2,ou=Nowhere,dc=example,dc=com: noSuchObject (32)" in done.err
    done = admin("import", "ldif", "--continue", "--rejects", "rejected.txt", "in.txt")
    assert done.status == 77
    # Without transactions (389) the third was under way when the second was refused.
    assert done.out in {
        "1 imported, 1 there already, 1 refused\n",
        "0 imported, 2 there already, 1 refused\n",
    }
    kept = (tmp_path / "rejected.txt").read_text()
    assert kept.startswith("# in.txt:5: noSuchObject (32)")
    assert kept.count("dn: ") == 1
    assert (tmp_path / "rejected.txt").stat().st_mode & 0o777 == 0o600
    assert admin("-n", "import", "ldif", "in.txt").out.count("dn: ") == 1


def test_who_may_not_is_told_so(cli, server: Slapd, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("wrong")
    (tmp_path / "pw").chmod(0o600)
    where = ("-H", server.uri, "-b", server.base)
    done = cli(*where, "alias", "add", "jane.doe", "new@example.com")
    assert done.status == 77, done
    done = cli(*where, "-D", server.admin_dn, "-y", "pw", "alias", "list", "-o", "json")
    assert done.status == 77
    error = json.loads(done.out)["error"]
    assert (error["code"], error["result"]) == ("refused", 49)
    assert "wrong" not in done.out + done.err
    done = cli("-H", server.uri, "-b", "dc=absent,dc=test", "alias", "list")
    assert done.status in {1, 77}
    assert "dc=absent,dc=test" in done.err


def test_the_base_is_found_when_there_is_one(cli, server: Slapd) -> None:
    assert cli("-H", server.uri, "alias", "list", "jane.doe").status == 0
    assert cli("-H", server.uri, "status").status == 0
    assert "jane.doe@mail1.internal" in cli("-H", server.uri, "resolve", "jd@example.com").out


def test_status_schema_and_identity(admin, cli, server: Slapd) -> None:
    form = json.loads(admin("status", "-o", "json").out)
    (found,) = form["servers"]
    assert form["reachable"] is True
    assert found["error"] is None
    assert found["recipients"] == 4
    assert found["base_found"] is True
    assert admin("schema", "check").status == 0
    assert admin("schema", "install").status == 0
    identity = json.loads(admin("whoami", "-o", "json").out)["identity"]
    assert identity.lower().replace("dn: ", "dn:") == f"dn:{server.admin_dn}".lower()
    assert cli("-H", server.uri, "whoami").out == "anonymous\n"


def test_a_second_server_takes_over_when_the_first_is_dead(cli, server: Slapd) -> None:
    both = f"ldap://127.0.0.1:1 {server.uri}"
    assert cli("-H", both, "-b", server.base, "alias", "list", "jane.doe").status == 0
    assert cli("-H", both, "-b", server.base, "lookup", "jd@example.com").status == 0
    done = cli("-H", both, "-b", server.base, "status")
    assert done.status == 1
    assert "cannot be asked" in done.out
    dead = cli("-H", "ldap://127.0.0.1:1", "-b", server.base, "status")
    assert dead.status == 69
    for command in ("lookup", "resolve"):
        assert (
            cli("-H", "ldap://127.0.0.1:1", "-b", server.base, command, "x@example.com").status
            == 75
        )


def test_an_explicit_uri_takes_the_place_of_a_tables_servers(cli, server, tmp_path: Path) -> None:
    (tmp_path / "a.cf").write_text(
        f"server_host = ldap://127.0.0.1:1\nversion = 3\nbind = no\nsearch_base = {server.base}\n"
        "query_filter = (mail=%s)\nresult_attribute = mailRoutingAddress\n"
    )
    ask = ("lookup", "--table", "ldap:./a.cf", "jd@example.com")
    assert cli(*ask).status == 75
    assert cli(*ask, env={"MAILLDAP_URI": server.uri}).status == 75
    assert cli("-H", server.uri, *ask).out == "jane.doe@mail1.internal\n"
    (tmp_path / "x.ldif").write_bytes(load("example"))
    assert cli("-H", "ldif:x.ldif", *ask).out == "jane.doe@mail1.internal\n"
