"""Our codec against pyasn1's with ldap3's definitions of RFC 4511, and against garbage."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.protocol import rfc4511
from pyasn1.codec.ber import decoder, encoder

from mailldap.directory import answers, ber, wire
from mailldap.directory.base import Deref, Scope, SearchRequest
from mailldap.errors import FilterError
from mailldap.ldap.change import Add, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import (
    And,
    Approx,
    Equality,
    Extensible,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)

names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9-]{0,12}(;x-[a-z]{1,3})?", fullmatch=True)
values = st.binary(max_size=300)
texts = st.text(max_size=200).filter(lambda t: "\0" not in t)
ids = st.integers(1, 2**31 - 1)
assertions = st.one_of(
    st.builds(Equality, names, values),
    st.builds(GreaterOrEqual, names, values),
    st.builds(LessOrEqual, names, values),
    st.builds(Approx, names, values),
    st.builds(Present, names),
    st.builds(
        Substrings,
        names,
        st.none() | st.binary(min_size=1),
        st.lists(st.binary(min_size=1), min_size=1, max_size=3).map(tuple),
        st.none() | st.binary(min_size=1),
    ),
    st.builds(Extensible, st.none() | names, names, values, st.booleans()),
    st.builds(Extensible, names, st.none(), values, st.booleans()),
)
filters = st.recursive(
    assertions,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda f: And(tuple(f))),
        st.lists(inner, min_size=1, max_size=4).map(lambda f: Or(tuple(f))),
        inner.map(Not),
    ),
    max_leaves=12,
)
entries = st.builds(
    Entry,
    texts,
    st.lists(st.tuples(names, st.lists(values, max_size=5).map(tuple)), max_size=6).map(tuple),
)


def decode(data):
    decoded, rest = decoder.decode(data, asn1Spec=rfc4511.LDAPMessage())
    assert rest == b""
    return decoded


def understood(component):
    """A pyasn1 filter as one of ours."""
    kind = component.getName()
    inner = component.getComponent()
    if kind == "present":
        return Present(str(inner))
    if kind == "substringFilter":
        initial, final, middle = None, None, []
        for part in inner["substrings"]:
            value = bytes(part.getComponent())
            if part.getName() == "initial":
                initial = value
            elif part.getName() == "final":
                final = value
            else:
                middle.append(value)
        return Substrings(str(inner["type"]), initial, tuple(middle), final)
    if kind == "extensibleMatch":
        rule, attribute = inner["matchingRule"], inner["type"]
        return Extensible(
            str(rule) if rule.hasValue() else None,
            str(attribute) if attribute.hasValue() else None,
            bytes(inner["matchValue"]),
            bool(inner["dnAttributes"]),
        )
    classes = {
        "equalityMatch": Equality,
        "greaterOrEqual": GreaterOrEqual,
        "lessOrEqual": LessOrEqual,
        "approxMatch": Approx,
    }
    return classes[kind](str(inner["attributeDesc"]), bytes(inner["assertionValue"]))


@given(ids, assertions, texts, st.lists(names, max_size=4), st.integers(0, 2**31 - 1))
def test_pyasn1_reads_our_searches(message_id, filter_, base, attributes, limit):
    request = SearchRequest(
        base, Scope.ONE, filter_, tuple(attributes), limit, 7, Deref.FINDING, types_only=True
    )
    decoded = decode(wire.message(message_id, wire.search(request)))
    assert int(decoded["messageID"]) == message_id
    search = decoded["protocolOp"]["searchRequest"]
    assert bytes(search["baseObject"]).decode() == base
    assert (int(search["scope"]), int(search["derefAliases"])) == (1, 2)
    assert (int(search["sizeLimit"]), int(search["timeLimit"])) == (limit, 7)
    assert bool(search["typesOnly"])
    assert [str(a) for a in search["attributes"]] == attributes
    assert understood(search["filter"]) == filter_


def elements(data):
    """The tags and contents in *data*, read without the code under test."""
    found = []
    while data:
        tag, length, at = data[0], data[1], 2
        if length & 0x80:
            at += length & 0x7F
            length = int.from_bytes(data[2:at], "big")
        assert len(data) >= at + length
        found.append((tag, data[at : at + length]))
        data = data[at + length :]
    return found


def spelled(data):
    """The one filter in *data*, by RFC 4511 §4.5.1.7."""
    ((tag, content),) = elements(data)
    if tag in {0xA0, 0xA1}:
        parts = tuple(
            spelled(bytes([t]) + b"\x84" + len(c).to_bytes(4, "big") + c)
            for t, c in elements(content)
        )
        return And(parts) if tag == 0xA0 else Or(parts)
    if tag == 0xA2:
        return Not(spelled(content))
    if tag == 0x87:
        return Present(content.decode())
    inner = elements(content)
    if tag == 0xA4:
        parts = elements(inner[1][1])
        by_tag = dict(parts)
        return Substrings(
            inner[0][1].decode(),
            by_tag.get(0x80),
            tuple(v for t, v in parts if t == 0x81),
            by_tag.get(0x82),
        )
    if tag == 0xA9:
        by_tag = dict(inner)
        names = [by_tag[t].decode() if t in by_tag else None for t in (0x81, 0x82)]
        return Extensible(names[0], names[1], by_tag[0x83], by_tag.get(0x84) == b"\xff")
    kind = {0xA3: Equality, 0xA5: GreaterOrEqual, 0xA6: LessOrEqual, 0xA8: Approx}[tag]
    assert [t for t, _ in inner] == [4, 4]
    return kind(inner[0][1].decode(), inner[1][1])


@given(filters)
def test_deep_filters_are_spelled_as_the_rfc_says(filter_):
    assert spelled(wire.encode_filter(filter_)) == filter_


def as_ldap3_has_it(node):
    """The filter as a tree of ldap3's, which encodes what its definitions cannot read back."""
    from ldap3.operation import search

    def escaped(value):
        return "".join(f"\\{byte:02x}" for byte in value)

    kinds = {And: search.AND, Or: search.OR, Not: search.NOT}
    if type(node) in kinds:
        made = search.FilterNode(kinds[type(node)])
        for part in (node.filter,) if isinstance(node, Not) else node.filters:
            made.append(as_ldap3_has_it(part))
        return made
    kinds = {
        Equality: search.MATCH_EQUAL,
        GreaterOrEqual: search.MATCH_GREATER_OR_EQUAL,
        LessOrEqual: search.MATCH_LESS_OR_EQUAL,
        Approx: search.MATCH_APPROX,
    }
    if type(node) in kinds:
        return search.FilterNode(
            kinds[type(node)], {"attr": node.attribute, "value": escaped(node.value)}
        )
    if isinstance(node, Present):
        return search.FilterNode(search.MATCH_PRESENT, {"attr": node.attribute})
    if isinstance(node, Substrings):
        parts = {"attr": node.attribute, "any": [escaped(v) for v in node.any]}
        if node.initial:
            parts["initial"] = escaped(node.initial)
        if node.final:
            parts["final"] = escaped(node.final)
        return search.FilterNode(search.MATCH_SUBSTRING, parts)
    return search.FilterNode(
        search.MATCH_EXTENSIBLE,
        {
            "attr": node.attribute,
            "matchingRule": node.rule,
            "value": escaped(node.value),
            "dnAttributes": node.dn_attributes,
        },
    )


@given(filters)
def test_deep_filters_are_spelled_as_pyasn1_spells_them(filter_):
    from ldap3.operation.search import compile_filter
    from ldap3.utils.asn1 import encode  # pyasn1's encoder with LDAP's 0xFF for true

    assert wire.encode_filter(filter_) == encode(compile_filter(as_ldap3_has_it(filter_)))


def test_absolute_true_and_false_are_empty_sets():
    assert wire.encode_filter(And(())) == b"\xa0\x00"
    assert wire.encode_filter(Or(())) == b"\xa1\x00"


@given(ids, entries)
def test_pyasn1_reads_our_additions(message_id, entry):
    add = decode(wire.message(message_id, wire.change(Add(entry))))["protocolOp"]["addRequest"]
    assert bytes(add["entry"]).decode() == entry.dn
    assert entry.attributes == tuple(
        (str(a["type"]), tuple(bytes(v) for v in a["vals"])) for a in add["attributes"]
    )


mods = st.builds(Mod, st.sampled_from(ModOp), names, st.lists(values, max_size=4).map(tuple))


@given(ids, texts, st.lists(mods, max_size=4))
def test_pyasn1_reads_our_modifications(message_id, dn, wanted):
    operation = wire.change(Modify(dn, tuple(wanted)))
    modify = decode(wire.message(message_id, operation))["protocolOp"]["modifyRequest"]
    assert bytes(modify["object"]).decode() == dn
    seen = [
        Mod(
            [ModOp.ADD, ModOp.DELETE, ModOp.REPLACE][int(c["operation"])],
            str(c["modification"]["type"]),
            tuple(bytes(v) for v in c["modification"]["vals"]),
        )
        for c in modify["changes"]
    ]
    assert seen == wanted


@given(ids, texts, texts, st.booleans(), st.none() | texts)
def test_pyasn1_reads_our_renamings_and_deletions(message_id, dn, rdn, delete_old, superior):
    operation = wire.change(Rename(dn, rdn, delete_old, superior))
    rename = decode(wire.message(message_id, operation))["protocolOp"]["modDNRequest"]
    assert bytes(rename["entry"]).decode() == dn
    assert bytes(rename["newrdn"]).decode() == rdn
    assert bool(rename["deleteoldrdn"]) == delete_old
    there = rename["newSuperior"]
    assert (bytes(there).decode() if there.hasValue() else None) == superior
    deleted = decode(wire.message(message_id, wire.change(Delete(dn))))["protocolOp"]["delRequest"]
    assert bytes(deleted).decode() == dn


@given(texts, texts, st.sampled_from([2, 3]))
def test_pyasn1_reads_our_binds(dn, password, version):
    bind = decode(wire.message(1, wire.bind_simple(dn, password, version)))["protocolOp"][
        "bindRequest"
    ]
    assert (int(bind["version"]), bytes(bind["name"]).decode()) == (version, dn)
    assert bytes(bind["authentication"]["simple"]).decode() == password
    sasl = decode(wire.message(1, wire.bind_sasl("EXTERNAL", password.encode())))
    choice = sasl["protocolOp"]["bindRequest"]["authentication"]["sasl"]
    assert str(choice["mechanism"]) == "EXTERNAL"
    assert bytes(choice["credentials"]).decode() == password


@given(
    st.lists(st.tuples(st.booleans(), st.none() | values), min_size=1, max_size=3),
    st.none() | values,
)
def test_pyasn1_reads_our_extended_requests_and_controls(controls, value):
    ours = tuple(wire.Control(f"1.2.{i}", critical, v) for i, (critical, v) in enumerate(controls))
    decoded = decode(wire.message(5, wire.extended("1.3.6.1.1.21.1", value), ours))
    request = decoded["protocolOp"]["extendedReq"]
    assert bytes(request["requestName"]) == b"1.3.6.1.1.21.1"
    there = request["requestValue"]
    assert (bytes(there) if there.hasValue() else None) == value
    assert [
        wire.Control(
            bytes(c["controlType"]).decode(),
            bool(c["criticality"]),
            bytes(c["controlValue"]) if c["controlValue"].hasValue() else None,
        )
        for c in decoded["controls"]
    ] == list(ours)


def test_abandon_and_unbind_are_what_pyasn1_expects():
    decoded = decode(wire.message(9, wire.abandon(300)))
    assert int(decoded["protocolOp"]["abandonRequest"]) == 300
    assert decode(wire.message(9, wire.UNBIND_REQUEST))["protocolOp"].getName() == "unbindRequest"


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
    operation = wire.add(entry)
    assert b"cn=\xff,dc=x" in operation
    spelled = b"\x64" + operation[1:]
    data = wire.message(1, spelled)
    reply = answers.parse_message(data, 0, len(data))
    assert answers.parse_entry(reply.buffer, reply.start, reply.stop) == entry
