"""The LDIF files of the project: loadable where they should be, broken where they say so."""

import re
from pathlib import Path

import pytest

from mailldap.directory.base import Scope
from mailldap.directory.memory import MemoryDirectory
from mailldap.directory.server import LdapServer
from mailldap.directory.server_options import ServerOptions
from mailldap.errors import LdapRefusal, LdifError
from mailldap.ldap.change import Add
from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif import format_entry, read_ldif
from mailldap.model.recipient import MailRecipient

LDIF = Path(__file__).parents[2] / "ldif"
BROKEN = (LDIF / "broken.ldif").read_bytes()


def read(name: str) -> list[Entry]:
    with (LDIF / name).open("rb") as stream:
        contents = [record.content for record in read_ldif(stream, name)]
    assert all(isinstance(content, Entry) for content in contents)
    return contents


def sections(kind: str) -> list[tuple[str, int, bytes]]:
    """(what the comment tells, line of the comment, the record) for each record of that kind."""
    found = []
    line = 1
    for text in BROKEN.split(b"\n\n"):
        comment, _, record = text.partition(b"\n")
        if comment.startswith(f"# {kind}: ".encode()):
            found.append((comment.decode().partition(": ")[2], line, record + b"\n"))
        line += text.count(b"\n") + 2
    assert found
    return found


def test_the_example_is_without_fault() -> None:
    entries = read("example.ldif")
    recipients = [MailRecipient(entry) for entry in entries if "mail" in entry]
    assert [problem for recipient in recipients for problem in recipient.problems()] == []
    john = next(recipient for recipient in recipients if recipient.uid == ("john.smith",))
    assert list(map(str, john.mail)) == [
        "sample.user@example.com",
        "sample_user@example.com",
        "sampleuser@example.com",
        "sample@example.com",
        "john.smith@example.com",
    ]
    assert list(map(str, john.mail_routing_address)) == ["john.smith@mail1.internal"]
    addresses = [address.key for recipient in recipients for address in recipient.mail]
    assert len(addresses) == len(set(addresses)), "one address has two owners"


def test_the_base_is_where_the_example_begins() -> None:
    assert read("base.ldif") == read("example.ldif")[:2]


def test_every_fault_of_the_broken_file_is_told_by_one_reading() -> None:
    told: list[LdifError] = []
    records = list(read_ldif([BROKEN], "broken.ldif", on_error=told.append))
    wanted = []
    for comment, line, _ in sections("ldif"):
        offset, _, words = comment.partition(" ")
        wanted.append((line + int(offset), words))
    assert [error.line for error in told] == [line for line, _ in wanted]
    for error, (_, words) in zip(told, wanted, strict=True):
        assert words in error.reason
    assert len(records) == len(sections("recipient")) + len(sections("directory"))


@pytest.mark.parametrize(
    ("words", "record"), [(words, record) for words, _, record in sections("recipient")]
)
def test_each_fault_of_a_recipient_is_told_in_words(words: str, record: bytes) -> None:
    (read_record,) = read_ldif([record], "broken.ldif")
    assert isinstance(read_record.content, Entry)
    problems = MailRecipient(read_record.content).problems()
    assert len(problems) == 1, problems
    assert words in problems[0]


def test_slapd_takes_the_example(slapd) -> None:
    slapd.reset((LDIF / "example.ldif").read_bytes())
    done = slapd.exec(
        ["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", "ldapi:///", "-b", slapd.base]
    )
    stored = [record.content for record in read_ldif([done.stdout], "slapd")]
    assert stored == read("example.ldif")


def test_what_we_write_slapd_takes(slapd) -> None:
    """Folding, base64 and escapes, read by OpenLDAP's own parser."""
    slapd.reset(None)
    entry = Entry.of(
        'cn=a\\, \\"b\\" \\+ J\u00f6rg,ou=People,dc=example,dc=com',
        {
            "objectClass": ["top", "inetOrgPerson", "mailRecipient"],
            "cn": ['a, "b" + J\u00f6rg'],
            "sn": [" leading", "x" * 300, "\u00e4" * 100],
            "description": [": colon", "< less", "two\nlines", "tab\there", "#hash", "x" * 72],
            "jpegPhoto": [bytes(range(256)) * 3],
        },
    )
    done = slapd.exec(
        ["ldapadd", "-x", "-H", "ldapi:///", "-D", slapd.admin_dn, "-w", slapd.admin_password],
        format_entry(entry).encode(),
    )
    assert done.returncode == 0, done.stderr
    done = slapd.exec(["ldapsearch", "-x", "-LLL", "-H", "ldapi:///", "-b", slapd.base, "(sn=*)"])
    (stored,) = [record.content for record in read_ldif([done.stdout], "slapd")]
    assert isinstance(stored, Entry)
    assert {k: set(v) for k, v in stored} == {k: set(v) for k, v in entry}


def test_slapd_names_the_faults_of_the_directory(slapd) -> None:
    slapd.reset((LDIF / "example.ldif").read_bytes())
    found = sections("directory")
    done = slapd.exec(
        [
            "ldapadd",
            "-c",
            "-x",
            "-H",
            "ldapi:///",
            "-D",
            slapd.admin_dn,
            "-w",
            slapd.admin_password,
        ],
        b"\n".join(record for _, _, record in found),
    )
    codes = re.findall(rb"^ldap_add: .*\((\d+)\)$", done.stderr, re.MULTILINE)
    assert [int(code) for code in codes] == [int(words.split()[0]) for words, _, _ in found]


def test_the_embedded_directory_names_the_same_faults() -> None:
    directory = MemoryDirectory(read("example.ldif"), base="dc=example,dc=com")
    told = []
    for words, _, record in sections("directory"):
        (broken,) = read_ldif([record], "broken.ldif")
        assert isinstance(broken.content, Entry)
        with pytest.raises(LdapRefusal) as caught:
            directory.apply(Add(broken.content))
        told.append((caught.value.result, words))
    assert told == [(int(words.split()[0]), words) for _, words in told]


def test_389_takes_the_example(ds389) -> None:
    ds389.reset((LDIF / "example.ldif").read_bytes())
    options = ServerOptions(
        (ds389.uri,), ds389.base, bind_dn=ds389.admin_dn, password=ds389.admin_password
    )
    with LdapServer(options) as server:
        stored = {e.dn.lower(): e for e in server.search(ds389.base, Scope.SUB, "(objectClass=*)")}
    for entry in read("example.ldif"):
        for name, values in entry:
            have = {value.lower() for value in stored[entry.dn.lower()].values(name)}
            # The superiors of a class are added by 389 itself, all else is as it was sent.
            assert have >= {value.lower() for value in values}, (entry.dn, name)
            assert name == "objectClass" or len(have) == len(values)
