"""Writing LDIF: what comes back is what went in, and no value can forge a line."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.errors import BadData
from mailldap.ldap.block import Block
from mailldap.ldap.change import Add, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.dn import escape_dn_value
from mailldap.ldap.entry import Entry, is_secret, without_secrets
from mailldap.ldap.ldif import (
    HEADER,
    PageFormat,
    format_change,
    format_comment,
    format_entry,
    format_record,
    read_ldif,
)

VALUES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(str.encode),
    st.text(alphabet=" :<#\r\n\t\0-abcé\x1b", max_size=90).map(str.encode),
)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}(;[a-z0-9-]{1,9})?", fullmatch=True).filter(
    lambda name: name not in {"dn", "changetype", "control", "version"}
)
DNS = st.lists(
    st.text(min_size=1, max_size=40)
    .filter(lambda text: "\0" not in text)
    .map(lambda text: "cn=" + escape_dn_value(text)),
    min_size=1,
    max_size=4,
).map(",".join)
ENTRIES = st.builds(
    lambda dn, attributes: Entry(dn, tuple((k, tuple(v)) for k, v in attributes.items())),
    DNS,
    st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=5),
)
MODS = st.one_of(
    st.builds(Mod, st.just(ModOp.ADD), NAMES, st.lists(VALUES, min_size=1, max_size=3).map(tuple)),
    st.builds(
        Mod,
        st.sampled_from([ModOp.DELETE, ModOp.REPLACE]),
        NAMES,
        st.lists(VALUES, max_size=3).map(tuple),
    ),
)
CHANGES = st.one_of(
    ENTRIES.map(Add),
    DNS.map(Delete),
    st.builds(Modify, DNS, st.lists(MODS, min_size=1, max_size=4).map(tuple)),
    st.builds(Rename, DNS, DNS.filter(lambda dn: "," not in dn), st.booleans(), st.none() | DNS),
)


PLAIN = st.builds(
    lambda uid, values: Entry.of(
        f"uid={uid},dc=x", {"uid": [uid], "userPassword;x": [uid]} | values
    ),
    st.from_regex("[a-z]{1,9}", fullmatch=True),
    st.dictionaries(NAMES, st.lists(st.from_regex("[!-9;=-~]{1,60}", fullmatch=True), max_size=2)),
)


def parts_of(entry):
    """The entry as it is read in bulk."""
    dn = entry.dn.encode("utf-8", "surrogateescape")
    return dn, [(n.encode("utf-8", "surrogateescape"), list(values)) for n, values in entry]


@given(st.lists(PLAIN | ENTRIES, max_size=5), st.booleans())
def test_pages_are_written_as_their_entries_are(entries, secrets):
    parts = [parts_of(entry) for entry in entries]
    made = PageFormat() if secrets else PageFormat(is_secret)
    shown = entries if secrets else map(without_secrets, entries)
    expected = "".join(map(format_entry, shown))
    assert "".join(made.format(parts)) == expected
    assert "".join(made.format(parts)) == expected  # with the names known
    if all(entry.dn.startswith("uid=") for entry in entries):
        assert len(list(made.format(parts))) == 1


@pytest.mark.parametrize("value", [b"", b" a", b"a ", b":a", b"<a", b"a\nb: c", b"\xff", b"x" * 71])
def test_an_odd_value_is_alone_in_its_page(value):
    entries = [
        Entry(f"uid={n}", (("mail", (b"a: b", v)),)) for n, v in enumerate((b"a", value, b"z"))
    ]
    pieces = list(PageFormat().format([parts_of(entry) for entry in entries]))
    assert pieces == list(map(format_entry, entries))


def test_a_page_ends_before_an_attribute_that_is_none():
    entries = [Entry("uid=a", (("mail", (b"a",)),)), Entry("uid=b", (("mail: x\nuid", (b"b",)),))]
    pieces = PageFormat().format([parts_of(entry) for entry in entries])
    assert next(pieces) == format_entry(entries[0])
    with pytest.raises(BadData, match="is not an attribute name"):
        next(pieces)


def block_of(entries):
    """Entries of one skeleton, where they can be had as columns."""
    counts = {}
    for _, attributes in entries:
        for name, values in attributes:
            counts[name] = max(counts.get(name, 0), len(values))
    rows = [dict(attributes) for _, attributes in entries]
    columns = [
        (
            name,
            tuple(zip(*[(row.get(name, []) + [b""] * count)[:count] for row in rows], strict=True)),
        )
        for name, count in counts.items()
    ]
    return Block([dn for dn, _ in entries], tuple(columns))


ASCII = st.from_regex("[ -~]{1,9}", fullmatch=True).map(str.encode)
ROWS = st.tuples(
    ASCII | st.just(b"x" * 90),
    st.fixed_dictionaries(
        {},
        optional={
            name: st.lists(ASCII | st.sampled_from([b"x" * 70, b"<a", b"a: :b"]), min_size=1, max_size=3)
            for name in (b"mail", b"userPassword", b"userPassword;x", b"cn")
        },
    ).filter(bool),
)  # fmt: skip


@given(st.lists(ROWS, min_size=1, max_size=4), st.booleans())
def test_columns_are_written_as_their_entries_are(rows, secrets):
    names = list(dict.fromkeys(name for _, attributes in rows for name in attributes))
    entries = [(dn, sorted(own.items(), key=lambda pair: names.index(pair[0]))) for dn, own in rows]
    block = block_of(entries)
    assert list(block) == entries
    hidden = () if secrets else (is_secret,)
    for _ in range(2):
        assert "".join(PageFormat(*hidden).format(block)) == "".join(
            PageFormat(*hidden).format(entries)
        )


def test_columns_without_anything_odd_are_one_piece():
    entries = [(b"uid=a", [(b"mail", [b"a", b"b"])]), (b"uid=b", [(b"mail", [b"a"])])]
    assert len(list(PageFormat().format(block_of(entries)))) == 1
    bad = [(b"uid=a", [(b"a b", [b"a"])])]
    with pytest.raises(BadData, match="is not an attribute name"):
        list(PageFormat().format(block_of(bad)))


@given(st.lists(ENTRIES | CHANGES, max_size=4), st.booleans())
def test_everything_comes_back(contents, header) -> None:
    text = (HEADER if header else "") + "".join(format_record(c) for c in contents)
    assert text.isascii()
    assert all(len(line) <= 76 and (line.isprintable()) for line in text.split("\n"))
    read = [record.content for record in read_ldif(io.BytesIO(text.encode()), "f")]
    assert read == contents


def test_the_form() -> None:
    entry = Entry(
        "uid=js,dc=x",
        (("cn", (b"J\xc3\xb6rg", b"", b" a", b"a ", b"a b", b":", b"<", b"a<:", b"\x1b[31m")),),
    )
    assert format_entry(entry) == (
        "dn: uid=js,dc=x\n"
        "cn:: SsO2cmc=\n"
        "cn:\n"
        "cn:: IGE=\n"
        "cn:: YSA=\n"
        "cn: a b\n"
        "cn:: Og==\n"
        "cn:: PA==\n"
        "cn: a<:\n"
        "cn:: G1szMW0=\n"
        "\n"
    )


def test_folding() -> None:
    text = format_entry(Entry("dc=x", (("cn", (b"a" * 72, b"b" * 73, b"c" * 300)),)))
    lines = text.split("\n")
    assert lines[1] == "cn: " + "a" * 72
    assert lines[2:4] == ["cn: " + "b" * 72, " b"]
    assert [len(line) for line in lines[4:9]] == [76, 76, 76, 76, 4]


def test_changes() -> None:
    text = "".join(
        map(
            format_change,
            [
                Modify(
                    "dc=x",
                    (Mod(ModOp.ADD, "mail", (b"a@x",)), Mod(ModOp.DELETE, "mailQuota")),
                ),
                Rename("uid=a,dc=x", "uid=b", delete_old_rdn=False, new_superior=""),
                Delete("dc=x"),
            ],
        )
    )
    assert text == (
        "dn: dc=x\nchangetype: modify\nadd: mail\nmail: a@x\n-\ndelete: mailQuota\n-\n\n"
        "dn: uid=a,dc=x\nchangetype: modrdn\nnewrdn: uid=b\ndeleteoldrdn: 0\nnewsuperior:\n\n"
        "dn: dc=x\nchangetype: delete\n\n"
    )


@pytest.mark.parametrize("name", ["cn\nchangetype", "", "c n", "cn: x\nsn", "é", "dn:"])
def test_a_name_cannot_forge_a_line(name: str) -> None:
    with pytest.raises(BadData, match="not an attribute name"):
        format_entry(Entry("dc=x", ((name, (b"x",)),)))
    with pytest.raises(BadData, match="not an attribute name"):
        format_change(Modify("dc=x", (Mod(ModOp.DELETE, name),)))


def test_comments_are_comments() -> None:
    assert format_comment("refused: é\x1b\nline 2\r") == "# refused: \\xe9\\x1b\n# line 2\\r\n"
    text = format_comment("dn: x\n\ndn: y") + "\n"
    assert list(read_ldif(io.BytesIO(text.encode()), "f")) == []
