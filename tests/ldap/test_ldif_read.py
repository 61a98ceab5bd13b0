"""Reading LDIF: what RFC 2849 allows, and a name for every fault."""

import io
import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailldap.errors import LdifError
from mailldap.ldap.change import Add, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif import look_through, read_ldif, reader

DN = "uid=js,ou=People,dc=example,dc=com"


def records(text: bytes | str):
    data = text.encode() if isinstance(text, str) else text
    return list(read_ldif(io.BytesIO(data), "x.ldif"))


def contents(text: bytes | str):
    return [record.content for record in records(text)]


def faults(text: bytes | str):
    data = text.encode() if isinstance(text, str) else text
    found: list[LdifError] = []
    kept = list(read_ldif(io.BytesIO(data), "x.ldif", on_error=found.append))
    return kept, found


def test_an_entry_keeps_spelling_order_and_bytes() -> None:
    text = f"dn: {DN}\nObjectClass: top\nmail: b@x.org\nMAIL: a@x.org\ncn: J  S \nmail:\n"
    assert contents(text) == [
        Entry(
            DN,
            (
                ("ObjectClass", (b"top",)),
                ("mail", (b"b@x.org", b"a@x.org", b"")),
                ("cn", (b"J  S ",)),
            ),
        )
    ]


def test_the_same_attribute_in_two_spellings_is_one_attribute_of_each_entry() -> None:
    one = f"dn: {DN}\nmail: a@x\n\n"
    other = f"dn: {DN}\nMail: b@x\n\n"
    both = f"dn: {DN}\nMail: b@x\nmail: a@x\n\n"
    assert [c.attributes for c in contents(one + other + both + both)] == [
        (("mail", (b"a@x",)),),
        (("Mail", (b"b@x",)),),
        (("Mail", (b"b@x", b"a@x")),),
        (("Mail", (b"b@x", b"a@x")),),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cn: plain", b"plain"),
        ("cn:plain", b"plain"),
        ("cn:   plain", b"plain"),
        ("cn: a: b <c>", b"a: b <c>"),
        ("cn:: SsO2cmc=", "Jörg".encode()),
        ("cn::SsO2cmc=", "Jörg".encode()),
        ("cn::", b""),
        ("cn:: AP8K", b"\x00\xff\n"),
        ("cn: Jörg", "Jörg".encode()),
        ("cn: fol\n ded \n  twice", b"folded  twice"),
        ("cn:: SsO2\n cmc=", "Jörg".encode()),
        ("c\n n: folded name", b"folded name"),
        ("cn: x\n \n y", b"xy"),
        ("# note\n goes on: here\ncn: x", b"x"),
        ("cn: x\n# after", b"x"),
        ("cn: \t tab", b"\t tab"),
        ("cn: <x>", b"<x>"),
        ("cn:  <x>", b"<x>"),
        ("cn: :x", b":x"),
        ("cn: : SsO2cmc=", b": SsO2cmc="),
        ("cn: < file:///etc/mailname", b"< file:///etc/mailname"),
    ],
)
def test_values(text: str, value: bytes) -> None:
    for ending in ("\n", "\r\n"):
        document = f"version: 1\n\ndn: {DN}\n{text}\n".replace("\n", ending).encode()
        (content,) = contents(document)
        assert content.values("cn") == (value,)


@pytest.mark.parametrize("name", ["2.5.4.3", "cn;lang-de", "userCertificate;binary", "x-y2"])
def test_attribute_descriptions(name: str) -> None:
    (content,) = contents(f"dn: {DN}\n{name}: x\n")
    assert content.attributes == ((name, (b"x",)),)


@pytest.mark.parametrize(
    ("line", "dn"),
    [
        (f"dn: {DN}", DN),
        (f"DN:{DN}", DN),
        (f"dn:   {DN}", DN),
        ("dn:: Y249SsO2cmcsZGM9eA==", "cn=Jörg,dc=x"),
        ("dn: cn=Jörg,dc=x", "cn=Jörg,dc=x"),
        ('dn: cn="a, b"+sn=c\\2C,dc=x', 'cn="a, b"+sn=c\\2C,dc=x'),
        ("dn: cn=fol\n ded,dc=x", "cn=folded,dc=x"),
        ("dn:", ""),
    ],
)
def test_names(line: str, dn: str) -> None:
    (content,) = contents(f"{line}\ncn: x\n")
    assert content.dn == dn


def test_records_are_found_by_line() -> None:
    text = f"version: 1\n# hello\n\n\n\ndn: {DN}\ncn: a\n\n# c\n# d\n\n# e\ndn: {DN}\ncn: b"
    assert [record.line for record in records(text)] == [6, 13]
    assert [record.line for record in records(text.replace("\n", "\r\n"))] == [6, 13]


def test_version_may_stand_directly_above_the_first_record_and_again_in_joined_files() -> None:
    text = f"version: 1\ndn: {DN}\ncn: a\n\n"
    assert len(contents(text + text)) == 2


def test_nothing_is_no_record() -> None:
    for text in ("", "\n\n\n", "version: 1\n", "# only\n# comments\n\n#\n"):
        assert records(text) == []


def test_change_records() -> None:
    text = f"""dn: {DN}
changetype: add
objectClass: account
uid: js

dn: {DN}
control: 1.3.6.1.1.13.2 false: x
ChangeType: modify
add: mail
mail: a@x.org
mail:: YkB4Lm9yZw==
-
delete: mail
mail: c@x.org
-
delete: cn
-
replace: mailRoutingAddress;x-y
mailroutingaddress;X-Y: d@x.org
-
replace: sn

dn: {DN}
changetype: modrdn
newrdn: uid=john
deleteoldrdn: 1

dn: {DN}
changetype: moddn
newrdn:: dWlkPWrDtg==
deleteoldrdn: 0
newsuperior: ou=Other,dc=example,dc=com

dn: {DN}
changetype: delete
"""
    assert contents(text) == [
        Add(Entry.of(DN, {"objectClass": ["account"], "uid": ["js"]})),
        Modify(
            DN,
            (
                Mod(ModOp.ADD, "mail", (b"a@x.org", b"b@x.org")),
                Mod(ModOp.DELETE, "mail", (b"c@x.org",)),
                Mod(ModOp.DELETE, "cn"),
                Mod(ModOp.REPLACE, "mailRoutingAddress;x-y", (b"d@x.org",)),
                Mod(ModOp.REPLACE, "sn"),
            ),
        ),
        Rename(DN, "uid=john", delete_old_rdn=True),
        Rename(DN, "uid=jö", delete_old_rdn=False, new_superior="ou=Other,dc=example,dc=com"),
        Delete(DN),
    ]


MODIFY = f"dn: {DN}\nchangetype: modify\n"
RENAME = f"dn: {DN}\nchangetype: modrdn\n"

FAULTS = [
    # text, line, words of the reason
    ("cn: x\n", 1, "before any dn:"),
    ("search: 2\nresult: 0 Success\n", 1, "before any dn:"),
    (f"dn: {DN}\n", 1, "no attributes"),
    (f"dn: {DN}\nchangetype: add\n", 2, "no attributes"),
    (f"dn: {DN}\nno colon here\n", 2, "no colon in 'no colon here'"),
    (f"dn: {DN}\ncn : x\n", 2, "'cn ' is not an attribute name"),
    (f"dn: {DN}\n: x\n", 2, "'' is not an attribute name"),
    (f"dn: {DN}\n_cn: x\n", 2, "not an attribute name"),
    (f"dn: {DN}\ncn;: x\n", 2, "not an attribute name"),
    (f"dn: {DN}\ncn\x1b[31m: x\n", 2, r"'cn\x1b[31m' is not an attribute name"),
    (f"dn: {DN}\ncn:: !!!\n", 2, "not base64"),
    (f"dn: {DN}\ncn:: SsO2cmc\n", 2, "not base64"),
    (f"dn: {DN}\ncn:: SsO2cmc= \n", 2, "not base64"),
    (f"dn: {DN}\ncn:: SsO2cmc=x\n", 2, "not base64"),
    (f"dn: {DN}\njpegPhoto:< file:///etc/shadow\n", 2, "URL"),
    (f"dn: {DN}\ncn:<x\n", 2, "URL"),
    (f"dn: {DN}\ncn::x\n", 2, "not base64"),
    (f"dn: {DN}\ncn: a\0b\n", 2, "a NUL byte"),
    (f"dn: {DN}\ncn: a\rb\n", 2, "a carriage return"),
    (f"dn: {DN}\n".encode() + b"cn: J\xf6rg\n", 2, "not UTF-8"),
    (f"dn: {DN}\ncn: x\ndn: {DN}\ncn: y\n", 3, "dn: inside a record"),
    (f"dn: {DN}\ncn: x\n \ndn: {DN}\ncn: y\n", 4, "dn: inside a record"),
    (f"dn: {DN}\ncn: x\nchangetype: add\n", 3, "out of place"),
    (f"dn: {DN}\ncn: x\ncontrol: 1.2.3\n", 3, "out of place"),
    (f"dn: {DN}\ncn: x\nversion: 1\n", 3, "out of place"),
    (f"dn: {DN}\ncn: x\n-\n", 3, "outside a changetype: modify"),
    ("dn: not a dn\ncn: x\n", 1, "dn: "),
    ("dn:: /w==\ncn: x\n", 1, "not UTF-8"),
    ("dn:: !\ncn: x\n", 1, "not base64"),
    (" cn: x\n", 1, "there is none"),
    (f"dn: {DN}\ncn: x\n\n y\n", 4, "there is none"),
    ("version: 2\n", 1, "only 1 is known"),
    ("version:\n", 1, "only 1 is known"),
    (f"\ufeffdn: {DN}\ncn: x\n", 1, "byte order mark"),
    (f"dn: {DN}\nchangetype: frob\n", 2, "'frob' is not add"),
    (f"dn: {DN}\nchangetype: delete\ncn: x\n", 3, "ends after that line"),
    (MODIFY, 2, "changes nothing"),
    (MODIFY + "-\n", 3, "none was begun"),
    (MODIFY + "cn: x\n-\n", 3, "where add:"),
    (MODIFY + "increment: uidNumber\nuidNumber: 1\n-\n", 3, "where add:"),
    (MODIFY + "add: cn\n-\n", 3, "without a value"),
    (MODIFY + "add: c n\ncn: x\n-\n", 3, "'c n' is not an attribute name"),
    (MODIFY + "add: cn\nsn: x\n-\n", 4, "in a modification of cn"),
    (MODIFY + "add: cn\ncn: x\nadd: sn\nsn: y\n", 5, "in a modification of cn"),
    (RENAME, 2, "no newrdn:"),
    (RENAME + "newrdn: uid=x\n", 2, "no deleteoldrdn:"),
    (RENAME + "newrdn: uid=x\ndeleteoldrdn: yes\n", 4, "neither 0 nor 1"),
    (RENAME + "newrdn: x\ndeleteoldrdn: 1\n", 3, "newrdn: "),
    (RENAME + "newrdn: uid=x,dc=y\ndeleteoldrdn: 1\n", 3, "one level"),
    (RENAME + "newrdn:\ndeleteoldrdn: 1\n", 3, "one level"),
    (RENAME + "newrdn: uid=x\ndeleteoldrdn: 1\nnewsuperior: y\n", 5, "newsuperior: "),
    (RENAME + "newrdn: uid=x\nnewrdn: uid=y\ndeleteoldrdn: 1\n", 4, "a second newrdn:"),
    (RENAME + "newrdn: uid=x\ndeleteoldrdn: 1\ncn: x\n", 5, "in a record that renames"),
    (f"dn: {DN}\ncontrol: 1.2.840.113556.1.4.805 true\nchangetype: delete\n", 2, "not supported"),
    (f"dn: {DN}\ncontrol: 1.2.840.113556.1.4.805\nchangetype: delete\n", 2, "not supported"),
    (f"dn: {DN}\ncontrol: 1.3.6.1.1.13.2 true\nchangetype: delete\n", 2, "not supported"),
    (f"dn: {DN}\ncontrol: nonsense\nchangetype: delete\n", 2, "is not 'OID"),
]


@pytest.mark.parametrize(("text", "line", "words"), FAULTS)
def test_faults_name_file_line_and_reason(text: str | bytes, line: int, words: str) -> None:
    with pytest.raises(LdifError) as caught:
        records(text)
    error = caught.value
    assert (error.file, error.line) == ("x.ldif", line)
    assert words in error.reason
    assert str(error) == f"x.ldif:{line}: {error.reason}"
    assert str(error).isprintable()
    # The fault costs its own record only; a fault of the same text further down is told as well.
    data = text.encode() if isinstance(text, str) else text
    good = f"dn: {DN}\ncn: good\n\n".encode()
    kept, found = faults(good + data + b"\n" + good)
    if line > 1 or "byte order" not in words:
        assert found[0].line == line + 3
        for record in (kept[0], kept[-1]):
            assert record.content.values("cn") == (b"good",)


def test_every_fault_of_a_file_is_told_in_order() -> None:
    text = f"cn: x\nno colon\n\ndn: nonsense\ncn:: !\nsn:: !\n\ndn: {DN}\ncn: y\n"
    kept, found = faults(text)
    assert [error.line for error in found] == [1, 2, 4, 5, 6]
    assert [record.line for record in kept] == [8]


def test_a_line_that_cannot_be_read_hides_nothing_else() -> None:
    kept, found = faults(MODIFY + "add mail\nmail: x@y\n-\nadd: cn\ncn:: !\n-\n")
    assert [error.line for error in found] == [3, 7]
    assert kept == []


def test_values_from_urls_say_the_way_out() -> None:
    with pytest.raises(LdifError) as caught:
        records(f"dn: {DN}\njpegPhoto:< file:///etc/shadow\n")
    assert caught.value.hint
    assert "base64" in caught.value.hint


def test_lines_are_taken_as_the_openldap_tools_take_them(libldap) -> None:
    """A colon or "<" right after the name means something else; after a space it is the value's."""
    beginnings = ["".join(p) for n in range(4) for p in itertools.product(" :<", repeat=n)]
    lines = [f"cn:{start}{rest}" for start in beginnings for rest in ("YQ==", "x", "a: <b>", "")]
    for line, theirs in zip(lines, libldap("ldif", lines), strict=True):
        kept, _ = faults(f"dn: {DN}\n{line}\n")
        ours = kept[0].content.values("cn")[0].hex() if kept else "bad"
        # RFC 2849 has an empty BASE64-STRING; ldapadd has none.
        assert ours == ("" if line.rstrip() == "cn::" else theirs), line


PIECES = st.sampled_from(
    [
        b"dn: uid=a,dc=x", b"dn: cn=b c,dc=x", b"dn:: dWlkPWE=", b"cn: x", b"Cn: y", b"mail:: YQ==",
        b"mail:: =", b" folded", b" ", b"# comment", b"-", b"changetype: add",
        b"changetype: modify", b"changetype: delete", b"add: cn", b"replace: cn", b"version: 1",
        b"cn:  two", b"cn:<x", b"cn: \xff", b"cn: \xc3\xb6", b"control: 1.2", b"", b"",
        b"mail::", b"mail::  YQ==", b"mail:x: y", b"mail:x", b"mail: :x", b"mail: <x", b"mail:  <", b"newrdn: cn=x", b"deleteoldrdn: 1", b"cn:", b"cn", b"mail", b"\r", b"x", b"dn: ", b"mail: a\0",
    ]
)  # fmt: skip


#: Records that are nearly always right, so that many stand together.
RECORDS = st.lists(
    st.tuples(
        st.sampled_from([b"dn: uid=a,dc=x\n"] * 8 + [b"dn:: dWlkPWE=\n", b"# c\ndn: cn=b c\n", b""]),
        st.sampled_from([b""] * 8 + [b"changetype: add\n", b"changetype: delete\n"]),
        st.lists(st.sampled_from([b"cn: x", b"mail: a@b", b"mail:: YQ==", b"cn: a\n b"]), max_size=3),
        st.one_of(st.just(b"sn: x"), st.just(b"mail: x"), PIECES),
        st.sampled_from([b"\n\n"] * 8 + [b"\n", b"\n\n\n", b"\n\n\n\n"]),
    ).map(lambda r: r[0] + r[1] + b"".join(line + b"\n" for line in r[2]) + r[3] + r[4]),
    max_size=8,
).map(b"".join)  # fmt: skip


def outcome(stream):
    found: list[LdifError] = []
    kept = list(read_ldif(stream, "f", on_error=found.append))
    return kept, [(e.line, e.reason) for e in found]


def looked_through(stream):
    return [(e.line, e.reason) for found in look_through(stream, "f") for e in found]


@given(
    st.one_of(st.lists(PIECES, max_size=25).map(b"\n".join), RECORDS),
    st.sampled_from([b"\n", b"\r\n"]),
    st.integers(1, 40),
)
@example(b"dn: cn=x,dc=x\ncn: x\n\ndn: cn=x,dc=x\ncn: x\ncn\n\n", b"\n", 40)
@example(b"dn: cn=x,dc=x\ncn:: YQ=\n\n", b"\n", 40)
@example(b"dn: cn=x,dc=x\ncn:: YQ\n\n", b"\n", 40)
@example(b"dn: cn=x,dc=x\ncn: \xff\n\n", b"\n", 40)
def test_the_short_path_and_the_size_of_pieces_change_nothing(lines, ending, size) -> None:
    text = lines.replace(b"\n", ending)
    whole = outcome(io.BytesIO(text))
    assert looked_through(io.BytesIO(text)) == whole[1]
    assert looked_through(text[at : at + size] for at in range(0, len(text), size)) == whole[1]
    assert outcome(text[at : at + size] for at in range(0, len(text), size)) == whole
    short, reader._plain_entry = reader._plain_entry, lambda *_: None
    try:
        assert outcome(io.BytesIO(text)) == whole
    finally:
        reader._plain_entry = short


@given(st.binary(max_size=300))
@example(b"dn:\n\r\n\r")
@example(b"\n \n")
def test_any_bytes_end_in_records_or_faults_with_a_line(data: bytes) -> None:
    kept, found = outcome(io.BytesIO(data))
    assert looked_through(io.BytesIO(data)) == found
    lines = data.count(b"\n") + 1
    assert all(1 <= record.line <= lines for record in kept)
    assert all(1 <= line <= lines for line, _ in found)


def test_memory_is_that_of_one_record() -> None:
    """Records come before the stream ends: a reader that hoards would find it exhausted."""
    given_out = 0

    def lines():
        nonlocal given_out
        for number in range(1000):
            given_out += 1
            yield f"dn: uid=u{number},dc=x\ncn: x\n\n".encode()

    first = next(read_ldif(lines(), "f"))
    assert first.line == 1
    assert given_out == 1


def test_what_never_ends_is_no_record(monkeypatch) -> None:
    monkeypatch.setattr(reader, "_LONGEST", 1 << 17)
    zeros = itertools.repeat(bytes(1 << 16), 1000)
    blocks = itertools.chain([b"dn: dc=x\ndc: x\n\n"], zeros)
    told: list[LdifError] = []
    found = read_ldif(blocks, "zero", on_error=told.append)
    assert next(found).line == 1
    with pytest.raises(LdifError, match=r"zero:4: a record of more than"):
        next(found)
    assert next(blocks, None), "it stopped long before the end"
    assert told == []
