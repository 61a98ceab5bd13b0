"""Our reading of answers against pyasn1's with ldap3's definitions of RFC 4511, and against garbage."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.protocol import rfc4511
from pyasn1.codec.ber import decoder, encoder

from mailldap.directory import answers, ber, wire
from mailldap.directory.wire_update import add_request
from mailldap.errors import FilterError
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import (
    Not,
    Present,
)
from tests.directory.ldap_values import (
    decode,
    entries,
    ids,
    texts,
)


def from_pyasn1(name, operation, message_id=1):
    made = rfc4511.LDAPMessage()
    made["messageID"] = rfc4511.MessageID(message_id)
    made["protocolOp"] = rfc4511.ProtocolOp().setComponentByName(name, operation)
    return encoder.encode(made)


def encoded_entry(entry):
    made = rfc4511.SearchResultEntry()
    made["object"] = rfc4511.LDAPDN(entry.dn)
    attributes = rfc4511.PartialAttributeList()
    for index, (name, vals) in enumerate(entry.attributes):
        attribute = rfc4511.PartialAttribute()
        attribute["type"] = rfc4511.AttributeDescription(name)
        # pyasn1 sorts nothing in BER, but a SET OF without members must be named.
        members = rfc4511.Vals()
        members.clear()
        for at, value in enumerate(vals):
            members[at] = rfc4511.AttributeValue(value)
        attribute["vals"] = members
        attributes[index] = attribute
    if not entry.attributes:
        attributes.clear()
    made["attributes"] = attributes
    return made


@given(ids, entries)
def test_we_read_entries_that_pyasn1_wrote(message_id, entry):
    data = from_pyasn1("searchResEntry", encoded_entry(entry), message_id)
    reply = answers.parse_message(data, 0, len(data))
    assert (reply.id, reply.tag) == (message_id, wire.SEARCH_ENTRY)
    assert answers.parse_entry(reply.buffer, reply.start, reply.stop) == entry


@given(st.integers(0, 123), texts, texts, st.none() | st.lists(texts, min_size=1, max_size=3))
def test_we_read_results_that_pyasn1_wrote(code, matched, words, uris):
    made = rfc4511.SearchResultDone()
    made["resultCode"] = rfc4511.ResultCode(code)
    made["matchedDN"] = rfc4511.LDAPDN(matched)
    made["diagnosticMessage"] = rfc4511.LDAPString(words)
    if uris is not None:
        referral = rfc4511.Referral()
        for index, uri in enumerate(uris):
            referral[index] = rfc4511.URI(uri)
        made["referral"] = referral
    data = from_pyasn1("searchResDone", made)
    reply = answers.parse_message(data, 0, len(data))
    assert answers.parse_result(reply.buffer, reply.start, reply.stop) == answers.Result(
        code, matched, words, tuple(uris or ())
    )


@given(st.binary(max_size=20), st.integers(0, 2**31 - 1))
def test_the_paging_control_comes_back_as_sent(cookie, estimate):
    value = ber.tlv(ber.SEQUENCE, ber.integer(estimate) + ber.octets(cookie))
    assert answers.parse_paged([wire.Control(wire.PAGED_RESULTS, value=value)]) == cookie
    assert answers.parse_paged([wire.Control("1.2.3", value=value)]) is None


@given(st.integers(-(2**62), 2**62))
def test_integers_are_as_pyasn1_writes_them(value):
    from pyasn1.type.univ import Integer

    written = ber.integer(value)
    assert decoder.decode(written)[0] == value
    if value >= 0:  # of some others pyasn1 writes an octet too many
        assert written == encoder.encode(Integer(value))
    assert ber.read_integer(ber.integer(value), 0, 99) == (value, len(ber.integer(value)))


def readings(data):
    """Everything that we can read of a message; only DecodingError may come out."""
    size = ber.frame_length(data, 0, len(data))
    if not 0 < size <= len(data):
        return None
    reply = answers.parse_message(data, 0, size)
    kind = reply.tag
    if kind == wire.SEARCH_ENTRY:
        return kind, reply.controls, answers.parse_entry(reply.buffer, reply.start, reply.stop)
    if kind == wire.SEARCH_REFERENCE:
        return kind, reply.controls, answers.parse_reference(reply.buffer, reply.start, reply.stop)
    answers.parse_paged(reply.controls)
    found = answers.parse_result(reply.buffer, reply.start, reply.stop)
    if found.value:
        answers.parse_txn_end(found.value)
    return kind, reply.controls, found


EXAMPLE = Entry(
    "uid=a,dc=b", (("mail", (b"x" * 200, b"")), ("uid", (b"a",)), ("none", ())),
)  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        from_pyasn1("searchResEntry", encoded_entry(EXAMPLE)),
        wire.message(
            3, ber.tlv(0x65, b"\x0a\x01\x00\x04\x00\x04\x00"), (wire.paged(9, b"cookie"),)
        ),
        wire.message(3, ber.tlv(0x73, ber.text("ldap://a") + ber.text("ldap://b"))),
    ],
    ids=["entry", "done", "reference"],
)
def test_whatever_is_cut_or_changed_is_an_error_or_well_formed(data):
    assert readings(data) is not None
    for cut in range(len(data)):
        # A cut message is not complete: nothing is made of it.
        assert ber.frame_length(data[:cut], 0, cut) in {0, len(data)}
        with pytest.raises(ber.DecodingError):
            answers.parse_message(data[:cut], 0, cut)
    rng = random.Random(4511)
    for _ in range(8_000):
        spoiled = bytearray(data)
        for _change in range(rng.randint(1, 3)):
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        try:
            found = readings(bytes(spoiled))
        except ber.DecodingError:
            continue
        if found and found[0] == wire.SEARCH_ENTRY:
            # What was read must be all of what is there, and nothing but.
            assert pyasn1_entry(bytes(spoiled)) == found[2]


def pyasn1_entry(data):
    """The entry as pyasn1 reads it, by hand from its untyped tree: tags were judged by us."""
    size = ber.frame_length(data, 0, len(data))
    decoded = decode(data[:size])["protocolOp"]["searchResEntry"]
    return Entry(
        bytes(decoded["object"]).decode("utf-8", "surrogateescape"),
        tuple(
            (
                bytes(a["type"]).decode("utf-8", "surrogateescape"),
                tuple(bytes(v) for v in a["vals"]),
            )
            for a in decoded["attributes"]
        ),
    )


@given(st.binary(max_size=80))
def test_garbage_is_an_error_or_nothing(data):
    with contextlib.suppress(ber.DecodingError):
        readings(data)


@given(st.binary(max_size=60), st.sampled_from([0x64, 0x65, 0x73, 0x78]))
def test_garbage_in_a_good_frame_is_an_error_or_well_formed(data, tag):
    with contextlib.suppress(ber.DecodingError):
        readings(wire.message(1, ber.tlv(tag, data)))


@pytest.mark.parametrize(
    "start",
    [b"\x30\x80", b"\x30\x89" + bytes(9), b"\x31\x05", b"HTTP/1.1", b"\x30\x84\xff\xff\xff\xff"],
)
def test_what_cannot_begin_a_message_is_refused_at_once(start):
    with pytest.raises(ber.DecodingError):
        ber.frame_length(start, 0, len(start))


def test_a_filter_too_deep_to_encode_is_a_filter_error():
    filter_ = Present("a")
    for _ in range(5000):
        filter_ = Not(filter_)
    with pytest.raises(FilterError):
        wire.encode_filter(filter_)


def test_bytes_that_are_not_utf8_survive_in_names():
    entry = Entry("cn=\udcff,dc=x", (("a\udcfe", (b"v",)),))
    operation = add_request(entry)
    assert b"cn=\xff,dc=x" in operation
    spelled = b"\x64" + operation[1:]
    data = wire.message(1, spelled)
    reply = answers.parse_message(data, 0, len(data))
    assert answers.parse_entry(reply.buffer, reply.start, reply.stop) == entry
