"""Our conversation beside libldap's in the real Postfix, with servers that misbehave.

Each case is one table, its servers scripted on loopback; postmap -q asks it in the lab, our
session asks it here, and both must say the same.
"""

import contextlib
import re
import socket
import threading
from dataclasses import dataclass, field

import pytest

from mailldap.directory.base import Scope, SearchRequest, SessionParameters
from mailldap.directory.libldap_text import err2string
from mailldap.directory.session import LibldapSession
from mailldap.errors import ApiError
from mailldap.ldap.filter import parse_libldap
from tests.directory.fake_server import (
    FakeServer,
    entry,
    hangs_up,
    message,
    number,
    polite,
    reference,
    result,
    silent,
    tlv,
)

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


@dataclass
class Case:
    """Servers by their handlers ("dead" for a closed port, other text as it is), parameters."""

    servers: list
    parameters: dict = field(default_factory=dict)
    keys: int = 1


REFERS = searches(
    lambda i: done(i, message(i, reference("ldap://127.0.0.1:1/dc=x")), message(i, FOUND))
)

CASES = {
    "good": Case([GOOD], {"bind": "no"}),
    "good-bind": Case([GOOD]),
    "silent": Case([silent], {"bind": "no"}),
    "silent-bind": Case([silent]),
    "silent-then-good": Case([silent, GOOD], {"bind": "no"}),
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
    "garbage": Case([raw(GARBAGE)], {"bind": "no"}),
    "garbage-bind": Case([raw(GARBAGE)]),
    "indefinite-length": Case([raw(b"\x30\x80" + bytes(40))], {"bind": "no"}),
    "length-of-nine": Case([raw(b"\x30\x89" + bytes(40))], {"bind": "no"}),
    "cut-and-closed": Case([raw(message(1, FOUND)[:-3], then=lambda c: None)], {"bind": "no"}),
    "cut-and-silent": Case([raw(message(1, FOUND)[:-3])], {"bind": "no"}),
    "empty-message": Case([raw(tlv(0x30))], {"bind": "no"}),
    "other-id-first": Case(
        [searches(lambda i: message(i + 7, FOUND) + done(i, message(i, FOUND)))], {"bind": "no"}
    ),
    "bad-result": Case([searches(lambda i: message(i, tlv(0x65, b"\x01\x02")))], {"bind": "no"}),
    "wrong-tag": Case([raw(tlv(0x31, number(1), FOUND))], {"bind": "no"}),
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
    "timeout-zero-bind": Case([GOOD], {"timeout": 0}),
    "timeout-zero-dead": Case(["dead"], {"timeout": 0}),
    "timeout-below-zero": Case([GOOD], {"timeout": -1}),
    "version-2": Case([GOOD], {"bind": "no", "version": 2}),
    "version-2-bind": Case([GOOD], {"version": 2}),
    "tls-refused": Case([polite(FOUND)], {"start_tls": "yes"}),
    "tls-refused-code": Case([raw(message(1, result(0x78, 52)))], {"start_tls": "yes"}),
    "tls-refused-then-good": Case([raw(message(1, result(0x78, 2))), GOOD], {"start_tls": "yes"}),
    "tls-silent": Case([silent], {"start_tls": "yes"}),
    "tls-hangs-up": Case([hangs_up], {"start_tls": "yes"}),
    "tls-dead": Case(["dead"], {"start_tls": "yes"}),
    "tls-dead-bind-no": Case(["dead"], {"start_tls": "yes", "bind": "no"}),
    "tls-then-garbage": Case([starts_tls(raw(GARBAGE))], {"start_tls": "yes"}),
    "tls-then-silent": Case([starts_tls(silent)], {"start_tls": "yes"}),
    "tls-then-closed": Case([starts_tls(lambda c: None)], {"start_tls": "yes"}),
    "tls-no-ca": Case([GOOD], {"start_tls": "yes", "tls_ca_cert_file": "/no/such/file"}),
    "ldaps-on-plain": Case([("ldaps", GOOD)], {"bind": "no"}),
    "ldaps-on-plain-bind": Case([("ldaps", GOOD)]),
    "ldaps-closed-then-good": Case([("ldaps", hangs_up), GOOD], {"bind": "no"}),
    "ldaps-dead": Case(["ldaps://127.0.0.1:1"]),
    "ldaps-no-ca": Case(["ldaps://127.0.0.1:1"], {"tls_ca_cert_file": "/no/such/file"}),
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
def running(case):
    """The case's URIs, with its servers up."""
    with contextlib.ExitStack() as stack:
        uris = []
        for server in case.servers:
            if server == "dead":
                with socket.create_server(("127.0.0.1", 0)) as probe:
                    uris.append(f"ldap://127.0.0.1:{probe.getsockname()[1]}")
            elif isinstance(server, str):
                uris.append(server)
            elif isinstance(server, tuple):
                port = stack.enter_context(FakeServer(server[1])).port
                uris.append(f"{server[0]}://127.0.0.1:{port}")
            else:
                uris.append(stack.enter_context(FakeServer(server)).uri)
        yield uris


def ours(case, uris):
    """What our session says for each key: values, or Postfix's warning."""
    settings = {"timeout": 1} | case.parameters
    for name in ("start_tls", "chase_referrals"):
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
        said.append(",".join(v.decode() for e in answer.entries for v in e.values("maildrop")))
    session.close()
    return said


_WARNING = re.compile(r"^postmap: (?:warning|error): dict_ldap_\w+: (.*?) *$", re.MULTILINE)


@pytest.fixture(scope="module")
def compared(lab):
    """Both answers to every case: the real ones from one run of the lab, all at a time."""
    folder = lab.folder("sessions")
    with contextlib.ExitStack() as stack:
        uris = {name: stack.enter_context(running(case)) for name, case in CASES.items()}
        for name, case in CASES.items():
            lines = {
                "server_host": " ".join(uris[name]),
                "search_base": "dc=example",
                "query_filter": "(mail=%s)",
                "timeout": 1,
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
        lab.exec(["sh", "-c", script])
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
