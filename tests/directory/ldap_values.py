"""Values that LDAP messages may hold, for property tests."""

from hypothesis import strategies as st
from ldap3.protocol import rfc4511
from pyasn1.codec.ber import decoder

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
