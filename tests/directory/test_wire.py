"""Our requests against pyasn1's with ldap3's definitions of RFC 4511."""

from hypothesis import given
from hypothesis import strategies as st

from mailldap.directory import wire
from mailldap.directory.base import Deref, Scope, SearchRequest
from mailldap.directory.wire_update import update_request
from mailldap.ldap.change import Add, Delete, Mod, Modify, ModOp, Rename
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
from tests.directory.ldap_values import (
    assertions,
    decode,
    entries,
    filters,
    ids,
    names,
    texts,
    values,
)


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
    add = decode(wire.message(message_id, update_request(Add(entry))))["protocolOp"]["addRequest"]
    assert bytes(add["entry"]).decode() == entry.dn
    assert entry.attributes == tuple(
        (str(a["type"]), tuple(bytes(v) for v in a["vals"])) for a in add["attributes"]
    )


mods = st.builds(Mod, st.sampled_from(ModOp), names, st.lists(values, max_size=4).map(tuple))


@given(ids, texts, st.lists(mods, max_size=4))
def test_pyasn1_reads_our_modifications(message_id, dn, wanted):
    operation = update_request(Modify(dn, tuple(wanted)))
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
    operation = update_request(Rename(dn, rdn, delete_old, superior))
    rename = decode(wire.message(message_id, operation))["protocolOp"]["modDNRequest"]
    assert bytes(rename["entry"]).decode() == dn
    assert bytes(rename["newrdn"]).decode() == rdn
    assert bool(rename["deleteoldrdn"]) == delete_old
    there = rename["newSuperior"]
    assert (bytes(there).decode() if there.hasValue() else None) == superior
    deleted = decode(wire.message(message_id, update_request(Delete(dn))))["protocolOp"][
        "delRequest"
    ]
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
