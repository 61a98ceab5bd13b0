"""The how-to's own files under the real Postfix: what the findings say happens, and after the
mend mail flows."""

from pathlib import Path

import pytest

from mailldap.audit.check import check
from mailldap.audit.fix import FixPlan, plan_fixes
from tests.audit.sets import HOWTO
from tests.containers import free_port, load
from tests.real.postfix_instance import Instance, copied
from tests.servers import Lab, Slapd

pytestmark = pytest.mark.container
OUTSIDE = "ADDR=192.0.2.1 NAME=client.example"


def codes(folder: Path) -> set[str]:
    return {finding.code for finding in check(folder)}


def mend(lab: Lab, folder: Path, deliver: str | None = None) -> FixPlan:
    plan = plan_fixes(folder, deliver=deliver)
    plan.apply()
    for kind, path in plan.tables:
        done = lab.exec(["postmap", f"{kind}:{path}"])
        assert done.returncode == 0, done.stderr
    return plan


@pytest.fixture
def running(lab):
    """Makes instances, and stops them."""
    made = []

    def make(folder: Path) -> Instance:
        made.append(Instance(lab, folder))
        return made[-1]

    yield make
    for instance in made:
        instance.stop()


def test_mx_accepts_what_it_refused(lab: Lab, slapd: Slapd, running):
    slapd.reset(load("example"))
    hosts = "ldap://ldap1.internal/ ldap://ldap2.internal/"
    folder = copied(lab, HOWTO / "mx", [(hosts, slapd.uri), ("hash:/etc/aliases", "")])
    instance = running(folder)
    assert "alias-domain-missing" in codes(folder)
    instance.start()
    refused = instance.smtp("a@client.example", "sample@example.com", OUTSIDE)
    assert refused.startswith(("454 4.7.1", "554 5.7.1"))
    assert "Relay access denied" in refused
    # What check says is ignored, postconf says is unused.
    done = lab.exec(["postconf", "-c", str(folder), "-n"])
    assert b"unused parameter: special_result_filter" in done.stderr
    instance.stop()
    mend(lab, folder)
    instance.start()
    assert instance.smtp("a@client.example", "sample@example.com", OUTSIDE).startswith("250 ")
    unknown = instance.smtp("a@client.example", "no-such@example.com", OUTSIDE)
    assert unknown.startswith("550 5.1.1")
    done = lab.exec(["postconf", "-c", str(folder), "-n"])
    assert b"unused parameter" not in done.stderr


def test_the_sender_sends_again(lab: Lab, running):
    sink = free_port()
    folder = copied(
        lab, HOWTO / "sender", [("[smtp.gmail.com]:587", f"[127.0.0.1]:{sink}"),
                                ("[smtp.gmail.com]", "[127.0.0.1]")]
    )  # fmt: skip
    (folder / "cacert.pem").write_text("")
    (folder / "main.cf").open("a").write("alias_maps =\nalias_database =\nmydestination =\n")
    instance = running(folder)
    assert {"inline-comment", "password-key"} <= codes(folder)
    # postconf and postfix check see nothing wrong.
    assert lab.exec(["postconf", "-c", str(folder), "-n"]).stderr == b""
    instance.start()
    assert instance.smtp("me@client.example", "you@example.net", data=True).startswith("250 ")
    instance.logged(r"postfix/smtp.*fatal: Invalid TLS level .may # http")
    instance.stop()
    plan = mend(lab, folder)
    assert [kind for kind, _ in plan.tables] == ["hash"]
    assert "inline-comment" not in codes(folder)
    where = f"127.0.0.1:{sink}"
    command = f"setsid smtp-sink -u nobody {where} 10 >/dev/null 2>&1 & echo $!"
    sink_pid = lab.exec(["sh", "-c", command]).stdout.decode().strip()
    try:
        instance.start()
        reply = instance.smtp("me@client.example", "you@example.net", data=True)
        assert reply.startswith("250 "), reply
        instance.logged(r"to=<you@example\.net>.*status=sent")
        assert "Invalid TLS level" not in instance.log()
    finally:
        lab.exec(["kill", sink_pid])
    # The password that was under a key that never matched is found now, and private.
    found = lab.exec(["postmap", "-q", f"[127.0.0.1]:{sink}", f"hash:{folder}/sasl_passwd"])
    assert found.stdout == b"user.name@gmail.com:password\n"
    modes = lab.exec(["stat", "-c", "%a", f"{folder}/sasl_passwd", f"{folder}/sasl_passwd.db"])
    assert modes.stdout.split() == [b"600", b"600"]


def test_smtpd_dies_of_a_comment_until_it_is_moved(lab: Lab, running):
    folder = lab.folder("etc")
    (folder / "main.cf").write_text("smtpd_tls_security_level = may # opportunistic\n")
    instance = running(folder)
    assert "inline-comment" in codes(folder)
    instance.start()
    assert not instance.greets()
    instance.logged(r"smtpd.*fatal: Invalid TLS level .may # opportunistic")
    instance.stop()
    mend(lab, folder)
    instance.start()
    assert instance.greets()


def test_a_wrong_deliver_path_defers_and_the_queue_goes_on(lab: Lab, running):
    programs = lab.folder("bin")
    deliver = programs / "deliver"
    deliver.write_text("#!/bin/sh\ncat >/dev/null\n")
    deliver.chmod(0o755)
    folder = copied(
        lab, HOWTO / "mail1", [("user=cyrus", "user=nobody"), ("hash:/etc/aliases", "")]
    )
    instance = running(folder)
    assert "deliver-missing" in codes(folder)
    instance.start()
    assert instance.smtp("a@client.example", "root@mail1.internal", data=True).startswith("250 ")
    instance.logged(r"status=deferred.*execvp /usr/lib/cyrus-imapd/deliver: No such file")
    assert "[cyrus]" not in mend(lab, folder, str(deliver)).diff()
    assert "deliver-missing" not in codes(folder)
    instance.run("postfix", "reload")
    instance.run("postqueue", "-f")
    instance.logged(r"relay=cyrus.*status=sent")


def test_the_login_check_is_reached(lab: Lab, running):
    no_tls = [("smtpd_tls_cert_file = /pki/mx.example.com.pem\n", ""),
                   ("smtpd_tls_key_file = /pki/mx.example.com.key\n", ""),
                   ("smtpd_tls_security_level = may\n", ""),
                   ("smtpd_tls_auth_only = yes\n", "")]  # fmt: skip
    folder = copied(lab, HOWTO / "submission", no_tls)
    lab.exec(["postmap", f"hash:{folder}/smtpd_sender_login_maps"])
    instance = running(folder)
    assert "permit-before-mismatch" in codes(folder)
    instance.start()
    me, other = "user1@example.com", "user3@example.com"
    user1 = f"{OUTSIDE} LOGIN=user1"
    assert instance.smtp(other, "root@example.com", user1).startswith("250 ")
    instance.stop()
    mend(lab, folder)
    instance.start()
    assert instance.smtp(other, "root@example.com", user1) == (
        f"553 5.7.1 <{other}>: Sender address rejected: not owned by user user1"
    )
    assert instance.smtp(me, "root@example.com", user1).startswith("250 ")
