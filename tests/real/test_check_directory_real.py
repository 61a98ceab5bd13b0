"""What check says about servers, on real ones: and what postmap then answers."""

import pytest

from mailldap.audit.check import check
from mailldap.audit.directory_rules import check_directory
from mailldap.config.settings import PostfixSettings, Settings
from mailldap.directory.open import open_directory, session_opener
from mailldap.postfix.generate.generate import generate
from mailldap.postfix.write import plan_write
from tests.containers import dead_port, load
from tests.servers import Ds389, Lab, Slapd

pytestmark = pytest.mark.container
KEY = "sample@example.com"


def generated(folder, uri, **postfix):
    settings = Settings(
        uris=(uri,),
        base="dc=example,dc=com",
        postfix=PostfixSettings(timeout=2, config_directory=str(folder), **postfix),
    )
    plan_write(folder, generate("all", settings)).apply(force=True)
    return folder


def report(folder, server: Slapd | Ds389, **more):
    reader = open_directory(
        server.uri, base=server.base, bind_dn=server.admin_dn, password=server.admin_password
    )
    try:
        return check_directory(folder, session_opener(), reader=reader, **more)
    finally:
        reader.close()


def test_a_set_that_works(slapd: Slapd, tmp_path):
    slapd.reset(load("example"))
    folder = generated(tmp_path, slapd.uri)
    assert check(folder) == []
    found = report(folder, slapd)
    assert (found.findings, found.unasked) == ((), ())


def test_the_same_on_389(ds389: Ds389, tmp_path):
    ds389.reset(load("example"))
    folder = generated(tmp_path, ds389.uri)
    found = report(folder, ds389)
    assert (found.findings, found.unasked) == ((), ())


def test_faults_and_what_postmap_says_of_them(slapd: Slapd, lab: Lab):
    slapd.reset(load("example"))
    folder = lab.folder("check")
    table = generated(folder, slapd.uri) / "ldap-aliases.cf"
    good = table.read_text()

    def postmap():
        done = lab.exec(["postmap", "-c", str(folder), "-q", KEY, f"ldap:{table}"])
        return done.stdout, done.stderr

    def found(old, new):
        assert old in good
        Lab.write(table, good.replace(old, new))
        return {f.code for f in report(folder, slapd).findings}

    assert found("= dc=example,dc=com", "= dc=elsewhere,dc=com") == {"base-missing"}
    assert b"Search base 'dc=elsewhere,dc=com' not found" in postmap()[1]
    assert found("= mailRoutingAddress", "= mailRoutingAddres") == {"attribute-unknown"}
    assert postmap() == (b"", b"")
    assert found("(mail=%s)(mailAlternateAddress=%s)", "(male=%s)") == {"attribute-unmatched"}
    assert postmap() == (b"", b"")
    bad = "bind_dn = cn=nobody,dc=example,dc=com\nbind_pw = wrong"
    assert found("bind = no", bad) == {"bind-refused"}
    assert b"Invalid credentials" in postmap()[1]
    assert found("timeout = 2", "timeout = 2") == set()
    assert postmap()[0] == b"john.smith@mail1.internal\n"


def test_two_owners(slapd: Slapd, lab: Lab):
    twice = load("example") + (
        b"\n\ndn: uid=second,ou=People,dc=example,dc=com\nobjectClass: account\n"
        b"objectClass: mailRecipient\nuid: second\nmail: " + KEY.encode()
        + b"\nmailRoutingAddress: second@mail1.internal\n"
    )  # fmt: skip
    slapd.reset(twice)
    folder = generated(lab.folder("check"), slapd.uri, size_limit=1)
    (finding,) = report(folder, slapd).findings
    assert finding.code == "owners-above-limit"
    assert KEY in finding.message
    done = lab.exec(["postmap", "-c", str(folder), "-q", KEY, f"ldap:{folder}/ldap-aliases.cf"])
    assert b"Size limit exceeded" in done.stderr
    generated(folder, slapd.uri, size_limit=2)
    assert report(folder, slapd).findings == ()


def test_anonymous_may_not_search(slapd_factory, lab: Lab):
    server = slapd_factory(anonymous="no")
    server.reset(load("example"))
    folder = generated(lab.folder("check"), server.uri)
    (finding,) = report(folder, server).findings
    assert (finding.code, finding.severity) == ("search-refused", "error")
    assert "insufficientAccessRights (50)" in finding.message
    table = f"ldap:{folder}/ldap-aliases.cf"
    done = lab.exec(["postmap", "-c", str(folder), "-q", KEY, table])
    assert b"Search error 50: Insufficient access" in done.stderr


def test_nobody_there(tmp_path):
    folder = generated(tmp_path, f"ldap://127.0.0.1:{dead_port()}")
    found = check_directory(folder, session_opener())
    assert found.findings == ()
    assert len(found.unasked) == 1
