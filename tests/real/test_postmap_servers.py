"""Servers that refer, hang, close, or want TLS: ours and the real postmap say the same."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from mailldap.directory.libldap.tls import is_priority_string
from mailldap.directory.open import session_opener
from tests.containers import ROOT, dead_port
from tests.real.postmap import Case, Comparison

BASE = "dc=example,dc=com"
SCHEMA = ROOT / "schema" / "mailrecipient.schema"
KEYS = ["alice@example.com", "nobody@example.com"]
SUFFIX = f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n"
ALICE = (
    f"\ndn: uid=alice,{BASE}\nobjectClass: inetOrgPerson\nobjectClass: extensibleObject\n"
    "uid: alice\ncn: A\nsn: A\nmail: alice@example.com\nmailRoutingAddress: alice@gmail.com\n"
)


def table(host: str, **settings: str) -> dict[str, str]:
    values = {
        "server_host": host,
        "search_base": BASE,
        "bind": "no",
        "query_filter": "(mail=%s)",
        "result_attribute": "mailRoutingAddress",
        **settings,
    }
    return {"x.cf": "".join(f"{name} = {value}\n" for name, value in values.items())}


def check(lab, cases: dict[str, dict[str, str]]) -> None:
    made = [
        Case(name, KEYS, files=files, main="compatibility_level = 3.6\n", batch=False)
        for name, files in cases.items()
    ]
    differences = Comparison(lab, session_opener()).run(made)
    assert not differences, "\n".join(differences)


@pytest.fixture(scope="module")
def people(slapd_factory):
    server = slapd_factory()
    server.reset((SUFFIX + ALICE).encode())
    return server


def test_referrals(lab, slapd_factory, people):
    referring = slapd_factory()
    dead = dead_port()
    here = (
        SUFFIX
        + ALICE.replace("alice", "local")
        + f"\ndn: ou=there,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: there\n"
        f"ref: {people.uri}/{BASE}\n"
        + f"\ndn: ou=dead,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: dead\n"
        f"ref: ldap://127.0.0.1:{dead}/{BASE}\n"
    )
    referring.reset(here.encode())
    cases = {}
    for chase in ("no", "yes"):
        for name, base in (
            ("below", BASE),
            ("base", f"ou=there,{BASE}"),
            ("dead", f"ou=dead,{BASE}"),
        ):
            for bind in ("no", "yes"):
                cases[f"{name}, chase {chase}, bind {bind}"] = table(
                    referring.uri, chase_referrals=chase, search_base=base, bind=bind
                )
    check(lab, cases)


@contextmanager
def listener(answer: bytes | None, *, close: bool) -> Iterator[str]:
    """A server that says nothing sensible: it hangs, closes, or sends *answer*."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    if answer is not None:
                        connection.recv(1000)
                        connection.sendall(answer)
                    if close:
                        connection.close()
                    else:
                        kept.append(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"ldap://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in kept:
            connection.close()


def test_servers_that_fail(lab, people):
    busy = bytes.fromhex("300c02010165070a01330400 0400".replace(" ", ""))
    with (
        listener(None, close=False) as silent,
        listener(None, close=True) as closing,
        listener(b"HTTP/1.1 400 Bad Request\r\n\r\n", close=True) as web,
        listener(busy, close=False) as occupied,
    ):
        dead = f"ldap://127.0.0.1:{dead_port()}"
        cases = {}
        for bind in ("no", "yes"):
            for name, host in {
                "silent": silent,
                "silent, then ours": f"{silent} {people.uri}",
                "closing": closing,
                "closing, then ours": f"{closing} {people.uri}",
                "busy, then ours": f"{occupied} {people.uri}",
                "no LDAP": web,
                "dead": dead,
                "dead, then ours": f"{dead} {people.uri}",
                "dead twice, then ours": f"{dead} {dead} {people.uri}",
            }.items():
                cases[f"{name}, bind {bind}"] = table(host, bind=bind, timeout="1")
        cases["silent, StartTLS"] = table(silent, start_tls="yes", timeout="1")
        cases["closing, StartTLS"] = table(f"{closing} {people.uri}", start_tls="yes", timeout="1")
        cases["dead, StartTLS"] = table(dead, start_tls="yes", timeout="1")
        check(lab, cases)


def test_tls(lab, pki, slapd_factory):
    certificate, key = pki.issue("ours", "IP:127.0.0.1")
    other, other_key = pki.issue("other", "DNS:other.internal")
    server = slapd_factory(tls=(certificate, key, pki.ca))
    stranger = slapd_factory(tls=(other, other_key, pki.ca))
    for each in (server, stranger):
        each.reset((SUFFIX + ALICE).encode())
    cases = {}
    for name, made in (("ours", server), ("other name", stranger)):
        for require in ("no", "yes"):
            for authority, file in (
                ("right", pki.ca),
                ("wrong", pki.other_ca),
                ("missing", "/nonexistent.pem"),
                ("none", ""),
            ):
                settings = {"tls_require_cert": require, "timeout": "5"}
                if file:
                    settings["tls_ca_cert_file"] = str(file)
                label = f"{name}, require {require}, CA {authority}"
                cases[f"StartTLS, {label}"] = table(made.uri, start_tls="yes", **settings)
                cases[f"ldaps, {label}"] = table(made.tls_uri, **settings)
    right = {"tls_require_cert": "yes", "tls_ca_cert_file": str(pki.ca)}
    for suite in ("NORMAL", "NORMAL:-VERS-TLS1.0", "nonsense", "HIGH:!aNULL", "+RSA", "NONE"):
        if is_priority_string("NORMAL") is not None:  # GnuTLS is on this machine too
            settings = {**right, "tls_cipher_suite": suite, "timeout": "5"}
            cases[f"StartTLS, ciphers {suite}"] = table(server.uri, start_tls="yes", **settings)
            cases[f"ldaps, ciphers {suite}"] = table(server.tls_uri, **settings)
            cases[f"clear, ciphers {suite}"] = table(server.uri, **settings)
    cases["ldaps with StartTLS"] = table(server.tls_uri, start_tls="yes", **right)
    cases["ldaps, version 2"] = table(server.tls_uri, version="2", **right)
    cases["ldaps by the name localhost"] = table(
        server.tls_uri.replace("127.0.0.1", "localhost"), **right
    )
    cases["StartTLS and a bind"] = table(
        server.uri, start_tls="yes", bind="yes", bind_dn=server.admin_dn, bind_pw="secret", **right
    )
    check(lab, cases)


@pytest.fixture
def socket_server(lab):
    """A slapd in the lab that listens on a Unix socket, whose path is the same here."""
    place = lab.folder("slapd")
    path = place / "ldapi"
    lab.write(place / "data.ldif", SUFFIX + ALICE)
    lab.write(
        place / "slapd.conf",
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n"
        "include /etc/ldap/schema/inetorgperson.schema\ninclude {schema}\n"
        "modulepath /usr/lib/ldap\nmoduleload back_mdb\n"
        f"pidfile {place}/pid\ndatabase mdb\nsuffix {BASE}\ndirectory {place}/db\n".replace(
            "{schema}", str(lab.write(place / "mailrecipient.schema", SCHEMA.read_text()))
        ),
    )
    uri = f"ldapi://{str(path).replace('/', '%2F')}"
    done = lab.exec(
        [
            "sh",
            "-ec",
            (
                f"mkdir {place}/db; slapadd -q -f {place}/slapd.conf -l {place}/data.ldif;"
                f"slapd -f {place}/slapd.conf -h {uri}; chmod 777 {path}"
            ),
        ]
    )
    assert done.returncode == 0, done.stderr
    yield uri
    lab.exec(["sh", "-c", f"kill $(cat {place}/pid)"])


def test_unix_socket_and_sasl(lab, socket_server, people):
    cases = {}
    for name, host in (("socket", socket_server), ("TCP", people.uri)):
        cases[f"{name}, no bind"] = table(host)
        cases[f"{name}, bind"] = table(host, bind="yes")
        for mechanisms in ("EXTERNAL", "external", "NOSUCH"):
            cases[f"{name}, sasl {mechanisms}"] = table(host, bind="sasl", sasl_mechs=mechanisms)
        cases[f"{name}, sasl with an identity"] = table(
            host, bind="sasl", sasl_mechs="EXTERNAL", sasl_authz_id="u:alice", bind_dn="x"
        )
        for strength in ("0", "71", "72", "256"):
            cases[f"{name}, sasl minssf {strength}"] = table(
                host, bind="sasl", sasl_mechs="EXTERNAL", sasl_minssf=strength
            )
        cases[f"{name}, sasl in version 2"] = table(
            host, bind="sasl", sasl_mechs="EXTERNAL", version="2"
        )
    cases["socket in version 2"] = table(socket_server, version="2")
    check(lab, cases)
