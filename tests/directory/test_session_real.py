"""Our conversation beside libldap's in the real Postfix, with servers that misbehave.

Each case is one table, its servers scripted on loopback; postmap -q asks it in the lab, our
session asks it here, and both must say the same.
"""

import contextlib
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailldap.directory.base import Scope, SearchRequest, SessionParameters
from mailldap.directory.libldap.tls import own_name
from mailldap.directory.libldap_text import err2string
from mailldap.directory.session import LibldapSession
from mailldap.errors import ApiError
from mailldap.ldap.filter import parse_libldap
from tests.containers import dead_port
from tests.directory.fake_server import (
    FakeServer,
    entry,
    hangs_up,
    message,
    number,
    polite,
    raw_handler,
    reference,
    result,
    silent,
    tlv,
)

#: Seconds for servers that answer, on a busy machine; and for those that never do.
PATIENT = 15
BRIEF = {"timeout": 2}

KEYS = ("a@example.com", "b@example.com")
FOUND = entry("uid=a,dc=example", maildrop=[b"here"])
GOOD = polite(FOUND)


def raw(*answers, then=None):
    """Answers whatever comes first with these bytes, then goes on as *then* or waits."""

    def handle(connection):
        connection.read()
        connection.send(*answers)
        (then or silent)(connection)

    return handle


def searches(answer):
    """Binds anybody; *answer(message id)* gives the bytes that answer a search."""

    def handle(connection):
        while request := connection.read():
            message_id, tag, _ = request
            if tag == 0x60:
                connection.send(message(message_id, result(0x61)))
            elif tag == 0x63:
                data = answer(message_id)
                if data is None:
                    return
                connection.send(data)
            elif tag == 0x42:
                return

    return handle


def only_once(connection):
    """Answers one search, then hangs up."""
    while request := connection.read():
        message_id, tag, _ = request
        if tag == 0x60:
            connection.send(message(message_id, result(0x61)))
        elif tag == 0x63:
            connection.send(message(message_id, FOUND), message(message_id, result(0x65)))
            return


def starts_tls(then):
    """Accepts StartTLS and goes on in clear text as *then*."""

    def handle(connection):
        message_id, tag, _ = connection.read()
        assert tag == 0x77
        connection.send(message(message_id, result(0x78)))
        then(connection)

    return handle


def done(message_id, *messages, code=0, text=b""):
    return b"".join((*messages, message(message_id, result(0x65, code, text))))


def disconnects(message_id):
    notice = result(0x78, 52, b"bye", tlv(0x8A, b"1.3.6.1.4.1.1466.20036"))
    return message(0, notice)


GARBAGE = b"HTTP/1.1 400 Bad Request\r\n\r\n"
#: An entry whose attribute list claims more than the entry has.
BENT = tlv(0x64, tlv(4, b"dc=x"), b"\x30\x20" + tlv(0x30, tlv(4, b"maildrop"), tlv(0x31)))


def secured(name, then=GOOD):
    """Accepts StartTLS with the certificate *name* of CERTIFICATES, and goes on as *then*."""

    def handle(connection):
        message_id, _, _ = connection.read()
        connection.send(message(message_id, result(0x78)))
        connection.secure(*CERTIFICATES[name])
        then(connection)

    return handle


#: Names of certificates and what they are for; the files are made with the lab.
ALTERNATIVES = {
    "ip": ("IP:127.0.0.1",),
    "localhost": ("DNS:localhost",),
    "host": ("DNS:lab.internal", f"DNS:{own_name()}"),
    "wildcard": ("DNS:*.internal",),
    "other": ("DNS:elsewhere.example",),
    "127.0.0.1": ("DNS:elsewhere.example",),
}
CERTIFICATES = {}


@dataclass
class Case:
    """Servers by their handlers ("dead" for a closed port, other text as it is), parameters.

    A pair is a scheme and a handler, a triple also a certificate for ldaps; with "ldapi" the
    server listens on a socket. *host* is how the servers are called.
    """

    servers: list
    parameters: dict = field(default_factory=dict)
    keys: int = 1
    host: str = "127.0.0.1"


START = {"start_tls": "yes"}
CHECKED = {"tls_require_cert": "yes", "tls_ca_cert_file": "{ca}"}
EXTERNAL = {"bind": "sasl", "sasl_mechs": "EXTERNAL"}


def offers(*mechanisms):
    """Answers every search with the SASL mechanisms of a root DSE and with FOUND."""
    names = [name.encode() for name in mechanisms]
    return polite(entry("", supportedSASLMechanisms=names, maildrop=[b"here"]))


REFERS = searches(
    lambda i: done(i, message(i, reference("ldap://127.0.0.1:1/dc=x")), message(i, FOUND))
)

CASES = {
    "good": Case([GOOD], {"bind": "no"}),
    "good-bind": Case([GOOD]),
    "silent": Case([silent], {"bind": "no"} | BRIEF),
    "silent-bind": Case([silent], BRIEF),
    "silent-then-good": Case([silent, GOOD], {"bind": "no"} | BRIEF),
    "hangs-up": Case([hangs_up], {"bind": "no"}),
    "hangs-up-bind": Case([hangs_up]),
    "hangs-up-then-good": Case([hangs_up, GOOD], {"bind": "no"}),
    "dead": Case(["dead"], {"bind": "no"}),
    "dead-bind": Case(["dead"]),
    "dead-then-good": Case(["dead", GOOD], {"bind": "no"}),
    "no-name": Case(["ldap://no-such-host.invalid"], {"bind": "no"}),
    "no-name-then-good": Case(["ldap://no-such-host.invalid", GOOD]),
    "bad-port-then-good": Case(["ldap://127.0.0.1:65536", GOOD]),
    "one-answer-each": Case([only_once], {"bind": "no"}, keys=2),
    "one-answer-each-bind": Case([only_once], keys=2),
    "garbage": Case([raw(GARBAGE)], {"bind": "no"} | BRIEF),
    "garbage-bind": Case([raw(GARBAGE)], BRIEF),
    "indefinite-length": Case([raw(b"\x30\x80" + bytes(40))], {"bind": "no"}),
    "length-of-nine": Case([raw(b"\x30\x89" + bytes(40))], {"bind": "no"}),
    "cut-and-closed": Case([raw(message(1, FOUND)[:-3], then=lambda c: None)], {"bind": "no"}),
    "cut-and-silent": Case([raw(message(1, FOUND)[:-3])], {"bind": "no"} | BRIEF),
    "empty-message": Case([raw(tlv(0x30))], {"bind": "no"}),
    "other-id-first": Case(
        [searches(lambda i: message(i + 7, FOUND) + done(i, message(i, FOUND)))], {"bind": "no"}
    ),
    "bad-result": Case([searches(lambda i: message(i, tlv(0x65, b"\x01\x02")))], {"bind": "no"}),
    "wrong-tag": Case([raw(tlv(0x31, number(1), FOUND))], {"bind": "no"} | BRIEF),
    "wrong-tag-and-closed": Case(
        [raw(tlv(0x31, number(1), FOUND), then=lambda c: None)], {"bind": "no"}
    ),
    "length-of-five": Case([raw(b"\x30\x85" + bytes(40))], {"bind": "no"}),
    "id-below-zero": Case([raw(b"\x30\x0c\x02\x01\xff" + bytes(40))], {"bind": "no"}),
    "disconnects": Case([searches(disconnects)], {"bind": "no"}),
    "bind-refused": Case([polite(FOUND, bind=49)], {"bind_dn": "cn=x", "bind_pw": "y"}),
    "bind-busy": Case([polite(FOUND, bind=51)]),
    "bind-busy-then-good": Case([polite(FOUND, bind=51), GOOD]),
    "bind-unknown-code": Case([polite(FOUND, bind=100)]),
    "too-many": Case([polite(FOUND, code=4)], {"bind": "no"}),
    "busy": Case([polite(FOUND, code=51)], {"bind": "no"}),
    "unknown-code": Case([polite(FOUND, code=100)], {"bind": "no"}),
    "big-code": Case([polite(FOUND, code=4100)], {"bind": "no"}),
    "timeout-zero": Case([GOOD], {"bind": "no", "timeout": 0}),
    "timeout-zero-dead": Case(["dead"], {"timeout": 0}),
    "timeout-below-zero": Case([GOOD], {"timeout": -1}),
    "version-2": Case([GOOD], {"bind": "no", "version": 2}),
    "version-2-bind": Case([GOOD], {"version": 2}),
    "tls-refused": Case([raw(message(1, result(0x78, 2)))], START),
    "tls-refused-code": Case([raw(message(1, result(0x78, 52)))], {"start_tls": "yes"}),
    "tls-refused-then-good": Case([raw(message(1, result(0x78, 2))), GOOD], {"start_tls": "yes"}),
    "tls-silent": Case([silent], {"start_tls": "yes"} | BRIEF),
    "tls-hangs-up": Case([hangs_up], {"start_tls": "yes"}),
    "tls-dead": Case(["dead"], {"start_tls": "yes"}),
    "tls-dead-bind-no": Case(["dead"], {"start_tls": "yes", "bind": "no"}),
    "tls-then-garbage": Case([starts_tls(raw(GARBAGE))], {"start_tls": "yes"}),
    "tls-then-silent": Case([starts_tls(silent)], {"start_tls": "yes"} | BRIEF),
    "tls-then-closed": Case([starts_tls(lambda c: None)], {"start_tls": "yes"}),
    "tls-no-ca": Case([GOOD], {"start_tls": "yes", "tls_ca_cert_file": "/no/such/file"}),
    "ldaps-on-plain": Case([("ldaps", GOOD)], {"bind": "no"}),
    "ldaps-on-plain-bind": Case([("ldaps", GOOD)]),
    "ldaps-closed-then-good": Case([("ldaps", hangs_up), GOOD], {"bind": "no"}),
    "ldaps-dead": Case(["ldaps://127.0.0.1:1"]),
    "ldaps-no-ca": Case(["ldaps://127.0.0.1:1"], {"tls_ca_cert_file": "/no/such/file"}),
    "tls": Case([secured("ip")], START | CHECKED),
    "tls-unchecked": Case([secured("other")], START),
    "tls-other-name": Case([secured("other")], START | CHECKED),
    "tls-other-ca": Case([secured("ip")], START | CHECKED | {"tls_ca_cert_file": "{other_ca}"}),
    "tls-other-ca-unchecked": Case([secured("ip")], START | {"tls_ca_cert_file": "{other_ca}"}),
    "tls-default-ca": Case([secured("ip")], START | {"tls_require_cert": "yes"}),
    "tls-not-a-ca": Case([secured("ip")], START | {"tls_ca_cert_file": "{folder}/main.cf"}),
    "tls-ca-folder-missing": Case([secured("ip")], START | {"tls_ca_cert_dir": "/no/such"}),
    "tls-localhost": Case([secured("localhost")], START | CHECKED, host="localhost"),
    "tls-localhost-by-own-name": Case([secured("host")], START | CHECKED, host="localhost"),
    "tls-localhost-upper": Case([secured("localhost")], START | CHECKED, host="LocalHost"),
    "tls-common-name": Case([secured("127.0.0.1")], START | CHECKED),
    "tls-key-missing": Case([secured("ip")], START | {"tls_cert": "{ca}", "tls_key": "/no/such"}),
    "tls-cert-missing": Case([secured("ip")], START | {"tls_cert": "/no/such"}),
    "tls-cert-without-key": Case([secured("ip")], START | {"tls_cert": "{ca}"}),
    "tls-other-name-then-good": Case([secured("other"), GOOD], START | CHECKED),
    "ldaps": Case([("ldaps", GOOD, "ip")], CHECKED),
    "ldaps-unchecked": Case([("ldaps", GOOD, "other")]),
    "ldaps-other-name": Case([("ldaps", GOOD, "other")], CHECKED),
    "ldaps-other-name-bind-no": Case([("ldaps", GOOD, "other")], CHECKED | {"bind": "no"}),
    "ldaps-other-name-then-good": Case([("ldaps", GOOD, "other"), GOOD], CHECKED),
    "ldaps-localhost": Case([("ldaps", GOOD, "localhost")], CHECKED, host="localhost"),
    "ldaps-start-tls": Case(
        [("ldaps", raw_handler({0x77: result(0x78, 1)}), "ip")], START | CHECKED
    ),
    "socket": Case([("ldapi", GOOD)]),
    "socket-external": Case([("ldapi", GOOD)], EXTERNAL),
    "socket-external-refused": Case([("ldapi", polite(FOUND, bind=50))], EXTERNAL),
    "socket-external-authz": Case([("ldapi", GOOD)], EXTERNAL | {"sasl_authz_id": "dn:cn=x"}),
    "socket-nonsense": Case([("ldapi", GOOD)], {"bind": "sasl", "sasl_mechs": "X"}),
    "tcp-unnamed-other": Case([offers("PLAIN")], {"bind": "sasl"}),
    "tcp-unnamed-external": Case([offers("EXTERNAL")], {"bind": "sasl"}),
    "tcp-unnamed-x": Case([offers("X")], {"bind": "sasl"}),
    "socket-unnamed-x": Case([("ldapi", offers("X"))], {"bind": "sasl"}),
    "socket-minssf-high": Case([("ldapi", GOOD)], EXTERNAL | {"sasl_minssf": 4096}),
    "socket-lower-case": Case([("ldapi", GOOD)], {"bind": "sasl", "sasl_mechs": "external"}),
    "socket-several": Case([("ldapi", GOOD)], {"bind": "sasl", "sasl_mechs": "GSSAPI EXTERNAL"}),
    "socket-commas": Case([("ldapi", GOOD)], {"bind": "sasl", "sasl_mechs": "X,EXTERNAL"}),
    "socket-unnamed": Case([("ldapi", offers("PLAIN", "EXTERNAL"))], {"bind": "sasl"}),
    "socket-unnamed-none": Case([("ldapi", GOOD)], {"bind": "sasl"}),
    "socket-silent-external": Case([("ldapi", hangs_up)], EXTERNAL),
    "sasl-no-mechanism": Case([GOOD], {"bind": "sasl", "sasl_mechs": "EXTERNAL"}),
    "sasl-plain": Case([GOOD], {"bind": "sasl", "sasl_mechs": "PLAIN"}),
    "reference": Case([REFERS], {"bind": "no"}),
    "reference-chased": Case([REFERS], {"bind": "no", "chase_referrals": "yes"}),
    "referral": Case(
        [raw(message(1, result(0x65, 10, b"", tlv(0xA3, tlv(4, b"ldap://127.0.0.1:1")))))],
        {"bind": "no"},
    ),
    "referral-chased": Case(
        [raw(message(1, result(0x65, 10, b"", tlv(0xA3, tlv(4, b"ldap://127.0.0.1:1")))))],
        {"bind": "no", "chase_referrals": "yes"},
    ),
    "bad-uri": Case(["http://x"]),
    "bad-uri-bind-no": Case(["http://x"], {"bind": "no"}),
    "socket-missing": Case(["ldapi://%2Fno%2Fsuch"]),
    "socket-missing-then-good": Case(["ldapi://%2Fno%2Fsuch", GOOD]),
}


@contextlib.contextmanager
def running(case, folder, name):
    """The case's URIs, with its servers up."""
    with contextlib.ExitStack() as stack:
        uris = []
        for number_, server in enumerate(case.servers):
            if server == "dead":
                uris.append(f"ldap://127.0.0.1:{dead_port()}")
                continue
            if isinstance(server, str):
                uris.append(server)
                continue
            scheme, handler, *certificate = (
                server if isinstance(server, tuple) else ("ldap", server)
            )
            path = str(folder / f"{name}{number_}") if scheme == "ldapi" else None
            tls = CERTIFICATES[certificate[0]] if certificate else None
            made = stack.enter_context(FakeServer(handler, path, tls))
            if path:
                Path(path).chmod(0o777)
            uris.append(made.uri if path else f"{scheme}://{case.host}:{made.port}")
        yield uris


def ours(case, uris):
    """What our session says for each key: values, or Postfix's warning."""
    settings = {"timeout": PATIENT} | case.parameters
    for name in ("start_tls", "chase_referrals", "tls_require_cert"):
        settings[name] = settings.get(name) == "yes"
    settings["bind"] = {"no": "none", "sasl": "sasl"}.get(settings.get("bind"), "simple")
    hosts = tuple(u if u.startswith("ldap") else f"ldap://{u}" for u in uris)
    session = LibldapSession(SessionParameters(hosts=hosts, **settings))
    said = []
    for key in KEYS[: case.keys]:
        request = SearchRequest(
            "dc=example", Scope.SUB, parse_libldap(f"(mail={key})"), ("maildrop",)
        )
        try:
            session.ensure_open()
            answer = session.run(request)
        except ApiError as error:
            said.append(error.message)
            break  # postmap ends at the first
        if answer.code:
            said.append(f"Search error {answer.code}: {err2string(answer.code)}")
            break
        values = [v.decode() for e in answer.entries for v in e.values("maildrop")]
        said += [",".join(values)] if values else []
    session.close()
    return said


_WARNING = re.compile(r"^postmap: (?:warning|error): dict_ldap_\w+: (.*?) *$", re.MULTILINE)


@pytest.fixture(scope="module")
def compared(lab, pki):
    """Both answers to every case: the real ones from one run of the lab, all at a time."""
    folder = lab.folder("sessions")
    for name, alternatives in ALTERNATIVES.items():
        CERTIFICATES[name] = pki.issue(name, *alternatives)
    places = {"{ca}": pki.ca, "{other_ca}": pki.other_ca, "{folder}": folder}
    for case in CASES.values():
        for key, value in case.parameters.items():
            for place, path in places.items():
                if place in str(value):
                    case.parameters[key] = value.replace(place, str(path))
    with contextlib.ExitStack() as stack:
        uris = {
            name: stack.enter_context(running(case, folder, name)) for name, case in CASES.items()
        }
        for name, case in CASES.items():
            lines = {
                "server_host": " ".join(uris[name]),
                "search_base": "dc=example",
                "query_filter": "(mail=%s)",
                "timeout": PATIENT,
                "version": 3,
            } | case.parameters
            lab.write(folder / f"{name}.cf", "".join(f"{k} = {v}\n" for k, v in lines.items()))
            lab.write(folder / f"{name}.keys", "".join(f"{k}\n" for k in KEYS[: case.keys]))
        lab.write(folder / "main.cf", "compatibility_level = 3.6\n")
        script = (
            f"cd {folder}; export LDAPNOINIT=1; for cf in *.cf; do n=${{cf%.cf}}; "
            '[ "$n" = main ] || timeout 30 postmap -c . -q - ldap:$PWD/$cf '
            "<$n.keys >$n.out 2>$n.err & done; wait"
        )
        lab.exec(["bash", "-c", script])
        said = {}
        threads = [
            threading.Thread(
                target=lambda n=name, c=case: said.__setitem__(n, ours(c, uris[n])), daemon=True
            )
            for name, case in CASES.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    theirs = {}
    for name in CASES:
        # An error makes postmap drop what it had found.
        found = [line.split("\t")[1] for line in (folder / f"{name}.out").read_text().splitlines()]
        theirs[name] = found + _WARNING.findall((folder / f"{name}.err").read_text())
    return theirs, said


@pytest.mark.parametrize("name", CASES)
def test_we_say_what_postfix_says(compared, name):
    theirs, said = compared
    assert said.get(name, ["(no end)"]) == theirs[name]
