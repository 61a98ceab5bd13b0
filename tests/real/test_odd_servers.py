"""Servers whose answers are odd or malformed: ours and the real postmap make the same of them."""

import random
from contextlib import ExitStack

from tests.directory.fake_server import FakeServer, message, number, reference, result, tlv
from tests.real.test_postmap_servers import check, table


def attribute(name, *values):
    return tlv(0x30, tlv(4, name), tlv(0x31, *(tlv(4, v) for v in values)))


def found(*attributes):
    return tlv(0x64, tlv(4, b"uid=a,dc=x"), tlv(0x30, *attributes))


GOOD = attribute(b"mailRoutingAddress", b"a@fake")
OTHER = attribute(b"MAILROUTINGADDRESS", b"b@fake")
DONE = result(0x65)
LONG = b"x" * 200


def name_only(name):
    return tlv(0x30, tlv(4, name))


#: What a server says to a search, as operations; bytes in a tuple are whole messages.
ODD_ANSWERS = {
    "twice": (found(GOOD, attribute(b"uid", b"q"), OTHER), DONE),
    "twice, the first empty": (found(attribute(b"mailRoutingAddress"), GOOD), DONE),
    "twice, the first malformed": (
        found(tlv(0x30, tlv(4, b"mailRoutingAddress"), tlv(0x31, b"\4\x7fa")), GOOD), DONE,
    ),
    "no attributes": (found(), DONE),
    "no list": (tlv(0x64, tlv(4, b"uid=a,dc=x")), DONE),
    "name cut short": (tlv(0x64, b"\4\x7fabc"), DONE),
    "without a name": (tlv(0x64, tlv(0x30, GOOD)), DONE),
    "attribute without values": (found(name_only(b"uid"), GOOD), DONE),
    "the last without values": (found(GOOD, name_only(b"uid")), DONE),
    "values cut short": (found(GOOD, tlv(0x30, tlv(4, b"uid"), b"\x31\x7f")), DONE),
    "value of another tag": (
        found(tlv(0x30, tlv(4, b"mailRoutingAddress"), tlv(0x31, tlv(12, b"u@fake")))), DONE,
    ),
    "values in a sequence": (
        found(tlv(0x30, tlv(4, b"mailRoutingAddress"), tlv(0x30, tlv(4, b"u@fake")))), DONE,
    ),
    "attribute in a set": (
        found(tlv(0x31, tlv(4, b"mailRoutingAddress"), tlv(0x31, tlv(4, b"u@fake")))), DONE,
    ),
    "something behind the values": (
        found(tlv(0x30, tlv(4, b"uid"), tlv(0x31, tlv(4, b"q")), tlv(4, b"rest")), GOOD), DONE,
    ),
    "something behind the attributes": (
        tlv(0x64, tlv(4, b"uid=a,dc=x"), tlv(0x30, GOOD), tlv(4, b"rest")), DONE,
    ),
    "one value a value too long": (
        found(
            tlv(0x30, tlv(4, b"mailRoutingAddress"), tlv(0x31, tlv(4, b"a@fake"), b"\4\2x"))
        ),
        DONE,
    ),
    "NUL in a name": (found(GOOD, attribute(b"ui\0d", b"q"), OTHER), DONE),
    "NUL after a name": (found(attribute(b"mailRoutingAddress\0", b"n@fake")), DONE),
    "long value": (found(attribute(b"mailRoutingAddress", LONG)), DONE),
    "intermediate, the shortest": (tlv(0x79), found(GOOD), DONE),
    "intermediate": (tlv(0x79, tlv(0x80, b"1.2.3")), found(GOOD), DONE),
    "intermediate behind": (found(GOOD), tlv(0x79, tlv(0x80, b"1.2.3")), DONE),
    "result of a bind": (found(GOOD), result(0x61), DONE),
    "result of a bind, refused": (found(GOOD), result(0x61, 49), DONE),
    "no operation of LDAP": (found(GOOD), tlv(0x4C, b"abcdef"), DONE),
    "result without texts": (found(GOOD), tlv(0x65, number(0, 10), b"\4\0")),
    "result of other tags": (found(GOOD), tlv(0x65, number(0), tlv(12), tlv(12))),
    "result with a long code": (found(GOOD), tlv(0x65, tlv(10, b"\0" * 5), tlv(4), tlv(4))),
    "result without a code": (found(GOOD), tlv(0x65, tlv(10), tlv(4), tlv(4))),
    "result with NUL": (found(GOOD), tlv(0x65, number(0, 10), tlv(4), tlv(4, b"a\0b"))),
    "result with a bad referral": (
        found(GOOD), tlv(0x65, number(0, 10), tlv(4), tlv(4), tlv(0xA3, b"\4\x7f")),
    ),
    "bad reference": (found(GOOD), tlv(0x73, b"\4\x7fabcd"), DONE),
    "reference without URI": (reference(), tlv(0x73, tlv(4)), found(GOOD), DONE),
}  # fmt: skip


def whole_answers(message_id):
    """Answers by name that are more than operations: what stands around them is odd."""
    good = message(message_id, found(GOOD))
    done = message(message_id, DONE)
    own = number(message_id)
    notice = tlv(0x78, number(52, 10), tlv(4), tlv(4, b"bye"))
    named = tlv(0x78, number(52, 10), tlv(4), tlv(4), tlv(0x8A, b"1.3.6.1.4.1.1466.20036"))
    return {
        "bad controls": tlv(0x30, own, found(GOOD), tlv(0xA0, b"\x7f")) + done,
        "bad controls of the result": good + tlv(0x30, own, DONE, tlv(0xA0, b"\x7f\x7f")),
        "no controls of the result": good + tlv(0x30, own, DONE, tlv(4, b"abc")),
        "garbage behind the result": good + done + b"\0\0\0\0\0\0\0\0\0",
        "another id": message(99, found(OTHER)) + message(99, DONE) + good + done,
        "id below zero": tlv(0x30, tlv(2, b"\xfb"), found(OTHER)) + good + done,
        "id of another tag": tlv(0x30, number(message_id, 10), found(GOOD)) + done,
        "id of five octets": tlv(0x30, tlv(2, b"\0\0\0\0\2"), found(GOOD)) + done,
        "id of no octets": tlv(0x30, tlv(2), found(OTHER)) + good + done,
        "operation cut short": tlv(0x30, own, b"\x64\x7fabcdefgh") + good + done,
        "no operation": tlv(0x30, own) + good + done,
        "notice without a name": message(0, notice) + good + done,
        "notice": message(0, named) + good + done,
        "unasked entry": message(0, found(OTHER)) + good + done,
        "message in a set": tlv(0x31, own, found(GOOD)) + done,
        "long form of lengths": b"\x30\x84" + len(good[2:]).to_bytes(4, "big") + good[2:] + done,
    }


def odd(name):
    """A server that gives one of the answers above to each search, in one piece."""

    def handle(connection):
        while request := connection.read():
            message_id, tag, _ = request
            if tag == 0x60:
                connection.send(message(message_id, result(0x61)))
            elif tag == 0x63 and name in ODD_ANSWERS:
                connection.send(*(message(message_id, each) for each in ODD_ANSWERS[name]))
            elif tag == 0x63:
                connection.send(whole_answers(message_id)[name])
            else:
                return

    return handle


def test_odd_answers(lab):
    cases = {}
    with ExitStack() as running:
        for name in [*ODD_ANSWERS, *whole_answers(1)]:
            host = running.enter_context(FakeServer(odd(name))).uri
            for variant in (
                {"bind": "no"},
                {"bind": "yes", "result_attribute": "uid mailRoutingAddress"},
                {"chase_referrals": "yes"},
                {"terminal_result_attribute": "uid"},
                {"special_result_attribute": "member", "leaf_result_attribute": "uid"},
            ):
                settings = {"timeout": "1", **variant}
                cases[f"{name}: {settings}"] = table(host, **settings)
        check(lab, cases)


def spoiled(seed):
    """A server that answers each search with good messages of which some bytes are changed."""

    def handle(connection):
        while request := connection.read():
            message_id, tag, _ = request
            if tag != 0x63:
                return
            rng = random.Random(seed)
            entries = found(attribute(b"uid", b"q", b"r"), GOOD, OTHER), found(GOOD)
            data = bytearray(b"".join(message(message_id, op) for op in (*entries, DONE)))
            for _ in range(rng.randint(1, 3)):
                at = rng.randrange(len(data))
                telling = [0, 2, 4, 0x30, 0x31, 0x64, 0x65, 0x7F, 0x80, 0x81, 0xFF]
                near = [data[at] ^ 1, (data[at] + 1) & 0xFF, rng.randrange(256)]
                data[at] = rng.choice(telling + near)
            connection.send(bytes(data))

    return handle


def test_spoiled_answers(lab):
    cases = {}
    with ExitStack() as running:
        for seed in range(80):
            host = running.enter_context(FakeServer(spoiled(seed))).uri
            settings = {"result_attribute": "uid mailRoutingAddress", "timeout": "1"}
            if seed % 3 == 0:
                settings |= {"special_result_attribute": "member", "leaf_result_attribute": "uid"}
            cases[f"seed {seed}"] = table(host, **settings)
        check(lab, cases)
