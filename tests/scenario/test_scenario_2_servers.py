"""A directory server dies or hangs: what mail does, and what mailldap says."""

from urllib.parse import urlsplit

import pytest

from tests.containers import wait_until
from tests.scenario.test_scenario_1_delivery import FIVE

BASE = "dc=example,dc=com"


def content(stack, name: str) -> list[bytes]:
    found = stack.run(
        name, "ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", "ldapi:///", "-b", BASE, "*", "entryCSN"
    )  # fmt: skip
    return sorted(b"\n".join(sorted(e.splitlines())) for e in found.stdout.split(b"\n\n"))


def agree(stack) -> bool:
    return content(stack, "ldap1") == content(stack, "ldap2")


def reachable(stack) -> list[bool]:
    """Whether `status` reached ldap1 and ldap2; it also says what a hung server does to mail."""
    report = stack.mailldap_json("mx", "status", status=None)
    assert any("accepts" in note and "temporary error" in note for note in report["notes"]), report
    assert [urlsplit(server["uri"]).hostname for server in report["servers"]] == [
        "ldap1.internal", "ldap2.internal",
    ], report  # fmt: skip
    return [server["error"] is None for server in report["servers"]]


def serves(stack, name: str, to: str) -> bool:
    """Whether the server answers a search over TCP that comes from another host."""
    asked = stack[to].exec([
        "ldapsearch", "-x", "-LLL", "-o", "nettimeout=3", "-H", f"ldap://{name}.internal",
        "-s", "base", "-b", BASE, "1.1",
    ])  # fmt: skip
    return asked.returncode == 0


@pytest.fixture
def fresh_processes(stack):
    """Postfix processes that have no connection to a server yet."""
    for name in ("mx", "mail1"):
        stack.reload(name)


def test_scenario_2_replicas_agree(stack):
    assert agree(stack)
    stack.administer("alias", "add", "john.smith", "two.servers@example.com")
    wait_until(lambda: agree(stack), "ldap2 follows ldap1", 10, 0.1)
    assert any(b"two.servers@example.com" in entry for entry in content(stack, "ldap2"))
    stack.administer("alias", "remove", "john.smith", "two.servers@example.com")


def test_scenario_2_a_write_to_the_replica_goes_to_the_provider(stack):
    uri = "ldap://ldap2.internal"
    stack.administer("alias", "add", "john.smith", "by.replica@example.com", uri=uri)
    assert any(b"by.replica@example.com" in entry for entry in content(stack, "ldap1"))
    wait_until(lambda: agree(stack), "ldap2 follows ldap1", 10, 0.1)
    stack.administer("alias", "remove", "john.smith", "by.replica@example.com", uri=uri)
    wait_until(lambda: agree(stack), "ldap2 follows ldap1", 10, 0.1)
    assert not any(b"by.replica@example.com" in entry for entry in content(stack, "ldap2"))


def test_scenario_2_mail_flows_while_the_first_server_is_dead(stack, post, fresh_processes):
    stack["ldap1"].kill()
    try:
        post.arrive(post.send(*FIVE))
        [unknown] = post.send("nobody.here@example.com")
        assert unknown.reply.startswith("550 5.1.1 ")
        assert reachable(stack) == [False, True]
    finally:
        stack["ldap1"].start()
        # Asked from where it will be needed: the network may come back later than the server.
        wait_until(lambda: serves(stack, "ldap1", to="mx"), "ldap1 is back")
    stack.administer("alias", "add", "john.smith", "back.again@example.com")
    wait_until(lambda: agree(stack), "both agree after the return", 20, 0.1)
    post.arrive(post.send("back.again@example.com"))
    stack.administer("alias", "remove", "john.smith", "back.again@example.com")


def test_scenario_2_mail_waits_while_the_first_server_hangs(stack, post, fresh_processes):
    """A server that takes connections and says nothing is not passed over: Postfix defers.

    libldap goes on to the next server only where it cannot connect; the sender tries again later,
    and nothing is lost or refused.
    """
    stack["ldap1"].pause()
    try:
        [waits] = post.send("sample@example.com")
        assert waits.reply.startswith("451 4.3.0 ")
        assert waits.said["outcome"] == "defer"
        looked_up = stack.mailldap(
            "mx", "lookup", "-c", "/etc/postfix", "sample@example.com", status=75
        )
        assert not looked_up.stdout
        assert reachable(stack) == [False, True]
    finally:
        stack["ldap1"].unpause()
    wait_until(
        lambda: post.send("sample@example.com", foreseeable=False)[0].queue_id,
        "mail flows again",
        30,
    )
    wait_until(lambda: agree(stack), "both agree after the pause", 20, 0.1)
