"""The fixtures keep their word: what the other container tests stand on."""

import socket

import pytest

from tests.containers import load


def test_slapd_answers_and_can_be_reset(slapd):
    search = ["ldapsearch", "-x", "-LLL", "-H", slapd.uri, "-b", slapd.base, "1.1"]
    slapd.reset(load("example"))
    full = slapd.exec(search)
    assert b"dn: uid=john.smith,ou=People,dc=example,dc=com" in full.stdout
    slapd.reset()
    assert slapd.exec(search).stdout.count(b"dn: ") == 2
    slapd.reset(b"")
    assert slapd.exec(search).returncode == 32
    slapd.reset()


def test_slapd_has_the_schema_of_the_package(slapd):
    shown = slapd.exec(
        [
            "ldapsearch",
            "-x",
            "-LLL",
            "-H",
            slapd.uri,
            "-s",
            "base",
            "-b",
            "cn=Subschema",
            "objectClasses",
        ]
    )
    assert b"2.16.840.1.113730.3.2.3" in shown.stdout.replace(b"\n ", b"")


def test_unique_refuses_a_second_owner(slapd_unique):
    slapd_unique.reset(load("example"))
    second = b"dn: uid=x,ou=People,dc=example,dc=com\nobjectClass: account\nobjectClass: mailRecipient\nuid: x\nmail: SAMPLE@example.com\n"
    admin = [
        "-x",
        "-H",
        slapd_unique.uri,
        "-D",
        slapd_unique.admin_dn,
        "-w",
        slapd_unique.admin_password,
    ]
    assert slapd_unique.exec(["ldapadd", *admin], second).returncode == 19


def test_a_server_can_die_hang_and_come_back(slapd_factory):
    server = slapd_factory()
    server.kill()
    with (
        pytest.raises(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", server.port)),
    ):
        pass
    server.start()
    server.pause()
    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as hung:
        hung.sendall(bytes.fromhex("300c020101600702010304008000"))
        hung.settimeout(0.3)
        with pytest.raises(TimeoutError):
            hung.recv(1)
    server.unpause()
    server.wait()
    server.remove()


def test_tls_with_the_authority_of_this_run(slapd_factory, pki):
    certificate, key = pki.issue("localhost", "DNS:localhost", "IP:127.0.0.1")
    server = slapd_factory(tls=(certificate, key, pki.ca))
    whoami = ["ldapwhoami", "-x"]
    for uri, options in ((server.tls_uri, []), (server.uri, ["-ZZ"])):
        for ca, status in ((pki.ca, 0), (pki.other_ca, 1)):
            done = server.exec([*whoami, *options, "-H", uri], env={"LDAPTLS_CACERT": str(ca)})
            assert (done.returncode == 0) == (status == 0), done.stderr
    server.remove()


def test_the_lab_has_the_real_programs_and_reaches_the_directory(lab, slapd):
    slapd.reset(load("example"))
    table = lab.folder("lab") / "aliases.cf"
    lab.write(
        table,
        f"server_host = {slapd.uri}\nversion = 3\nbind = no\nsearch_base = {slapd.base}\n"
        "query_filter = (&(objectClass=mailRecipient)(mail=%s))\nresult_attribute = mailRoutingAddress\n",
    )
    lab.write(table.parent / "main.cf", "compatibility_level = 3.6\n")
    done = lab.exec(["postmap", "-c", table.parent, "-q", "sample@example.com", f"ldap:{table}"])
    assert (done.returncode, done.stdout) == (0, b"john.smith@mail1.internal\n"), done.stderr
    types = lab.exec(["postconf", "-m"]).stdout.split()
    assert {b"ldap", b"pcre", b"lmdb", b"cdb", b"hash", b"texthash"} <= set(types)


def test_389_has_the_same_handles(ds389):
    search = ["ldapsearch", "-x", "-LLL", "-H", ds389.uri, "-b", ds389.base]
    ds389.reset(load("example"))
    found = ds389.exec([*search, "(mail=SAMPLE@example.com)", "mailRoutingAddress"])
    assert b"mailRoutingAddress: john.smith@mail1.internal" in found.stdout
    ds389.reset()
    assert ds389.exec([*search, "1.1"]).stdout.count(b"dn: ") == 2
