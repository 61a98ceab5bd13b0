"""The directory in an LDIF file: the text it keeps, the faults it names."""

import os
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.directory import file_lock
from mailldap.directory.ldif_file import LdifDirectory
from mailldap.errors import ConfigError, LdapRefusal, LdifError, NoSuchObject
from mailldap.ldap.change import Add, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.entry import Entry
from tests.directory.john import BASE, JOHN, PEOPLE, TEXT, add_mail, found


def test_reading(path):
    directory = LdifDirectory(path)
    assert directory.uri == f"ldif:{path}"
    assert directory.base == BASE
    for address in ("john@example.com", "JS@example.com", "smith@example.com"):
        assert found(directory, f"(&(objectClass=mailRecipient)(mail={address}))") == [JOHN]
    john = directory.get(JOHN)
    assert [name for name, _ in john] == ["objectClass", "uid", "mail"]
    assert john.texts("mail") == ("john@example.com", "js@example.com", "smith@example.com")
    people = directory.get(PEOPLE)
    assert people.attributes[0] == ("objectClass", (b"organizationalUnit",))


def test_nothing_is_read_before_it_is_needed(tmp_path):
    directory = LdifDirectory(tmp_path / "later.ldif")
    (tmp_path / "later.ldif").write_text(TEXT)
    assert directory.base == BASE


def test_what_does_not_change_keeps_its_text(path):
    directory = LdifDirectory(path)
    directory.apply(Modify(BASE, (Mod(ModOp.ADD, "description", (b"top",)),)))
    assert path.read_text() == TEXT.replace("dc: example\n", "dc: example\ndescription: top\n")
    directory.apply(add_mail(JOHN, "new@example.com"))
    lines = path.read_text().split("\n")
    assert lines[:3] == ["# The John Smith organisation", "# keep me", "version: 1"]
    assert "# John" in lines
    assert "# inside John" not in lines
    assert lines[-2:] == ["# at the end", ""]
    assert LdifDirectory(path).get(JOHN).texts("mail")[-1] == "new@example.com"


def test_new_entries_come_last_and_deleted_ones_go(path):
    directory = LdifDirectory(path)
    jane = Entry.of(
        f"uid=jane,{PEOPLE}",
        {"objectClass": ["account", "mailRecipient"], "mail": ["jane@example.com"], "cn": ["Jäne"]},
    )
    directory.apply(Add(jane))
    text = path.read_text()
    assert text.startswith(TEXT)
    assert text.isascii()
    assert text.index("# at the end") < text.index("dn: uid=jane")
    directory.apply(Delete(JOHN))
    assert "john@exa" not in path.read_text()
    directory.apply(Delete(jane.dn))
    again = LdifDirectory(path)
    assert found(again, "(objectClass=*)") == [BASE, PEOPLE]
    with pytest.raises(NoSuchObject):
        again.apply(Delete(jane.dn))


def test_renaming_changes_the_names_below_and_nothing_else_of_them(path):
    directory = LdifDirectory(path)
    directory.apply(Rename(PEOPLE, "ou=Folk"))
    text = path.read_text()
    assert "# John\ndn: uid=john,ou=Folk,dc=example,dc=com\nobjectClass: account" in text
    assert "# inside John" in text
    again = LdifDirectory(path)
    assert found(again, "(mail=js@example.com)") == [f"uid=john,ou=Folk,{BASE}"]
    assert found(directory, "(mail=js@example.com)") == found(again, "(mail=js@example.com)")


def test_renaming_an_entry_that_is_younger_than_those_below_it(path):
    directory = LdifDirectory(path)
    folk = f"ou=Folk,{BASE}"
    directory.apply(Add(Entry.of(folk, {"objectClass": ["organizationalUnit"], "ou": ["Folk"]})))
    directory.apply(Rename(JOHN, "uid=john", new_superior=folk))
    directory.apply(Rename(folk, "ou=Crowd", delete_old_rdn=False))
    again = LdifDirectory(path)
    assert again.get(f"ou=Crowd,{BASE}").texts("ou") == ("Folk", "Crowd")
    assert found(again, "(mail=js@example.com)") == [f"uid=john,ou=Crowd,{BASE}"]


def test_crlf_stays(tmp_path):
    path = tmp_path / "dos.ldif"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())
    directory = LdifDirectory(path)
    directory.apply(add_mail(JOHN, "new@example.com"))
    data = path.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n")
    assert found(LdifDirectory(path), "(mail=new@example.com)") == [JOHN]


def test_changes_by_others_are_seen(path):
    one, other = LdifDirectory(path), LdifDirectory(path)
    assert found(one, "(mail=new@example.com)") == []
    other.apply(add_mail(JOHN, "new@example.com"))
    assert found(one, "(mail=new@example.com)") == [JOHN]
    path.write_text(TEXT.replace("smith@example.com", "schmidt@example.com"))
    assert found(one, "(mail=schmidt@example.com)") == [JOHN]
    assert found(other, "(mail=schmidt@example.com)") == [JOHN]


def test_mode_stays_and_links_are_followed(path, tmp_path):
    path.chmod(0o640)
    link = tmp_path / "link.ldif"
    link.symlink_to(path)
    LdifDirectory(link).apply(add_mail(JOHN, "new@example.com"))
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "new@example.com" in path.read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "directory.ldif",
        "directory.ldif.lock",
        "link.ldif",
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("dn: dc=x\nobjectClass: domain\ndc: x\n\ndn: cn=y,dc=x\nfoo bar\n", 6, "no colon"),
        (
            "dn: dc=x\nobjectClass: domain\n\n\n# c\ndn: DC=X\ncn: y\n",
            6,
            "second entry of the DN dc=X",
        ),
        ("dn: dc=x\ndc: x\n\n# c\ndn: cn=y,dc=x\nchangetype: delete\n", 6, "change record"),
        ("# c\ndn: nonsense\nobjectClass: x\n", 2, "attribute type and '='"),
        ("dn:: !!\nobjectClass: x\n", 1, "base64"),
        ("objectClass: x\n", 1, "dn"),
        ("dn: dc=x\ndc: x\n\ndn: cn=y,dc=x\n# c\ncn: y\ncn:: !!\n", 7, "base64"),
        ("dn: dc=x\ndc: x\n\n# c\ndn: cn=y,dc=x\ncn:< file:///etc/passwd\n", 6, "URL"),
        ("dn: dc=x\ndc: x\n\ndn: cn=y,dc=x\n", 4, ""),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, text, line, words):
    path = tmp_path / "bad.ldif"
    path.write_text(text)
    directory = LdifDirectory(path)
    with pytest.raises(LdifError) as caught:
        found(directory, "(objectClass=*)")
    assert caught.value.line == line
    assert caught.value.file == str(path)
    assert words in caught.value.reason


def test_a_fault_in_a_value_is_found_by_its_attribute_alone(tmp_path):
    path = tmp_path / "bad.ldif"
    path.write_text("dn: dc=x\ndc: x\nobjectClass: domain\n\ndn: cn=y,dc=x\ncn: y\nmail:: !!\n")
    directory = LdifDirectory(path)
    assert directory.get("dc=x")
    with pytest.raises(LdifError) as caught:
        found(directory, "(mail=a@b)")
    assert caught.value.line == 7


def test_files_that_are_no_directory(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        LdifDirectory(tmp_path / "nowhere.ldif").get(BASE)
    with pytest.raises(ConfigError, match="no regular file"):
        LdifDirectory(tmp_path).get(BASE)
    empty = tmp_path / "empty.ldif"
    empty.write_text("# nothing yet\n")
    with pytest.raises(ConfigError, match="no entry"):
        LdifDirectory(empty).get(BASE)


def test_an_empty_file_with_a_base_can_be_filled(tmp_path):
    path = tmp_path / "empty.ldif"
    path.write_text("# nothing yet\n")
    directory = LdifDirectory(path, base=BASE)
    assert directory.get(BASE) is None
    directory.apply(Add(Entry.of(BASE, {"objectClass": ["domain"], "dc": ["example"]})))
    assert path.read_text().startswith("# nothing yet\n\ndn: dc=example,dc=com\n")
    assert LdifDirectory(path).base == BASE


def test_the_base_of_an_export_of_a_part(tmp_path):
    path = tmp_path / "part.ldif"
    path.write_text(
        "dn: uid=a,OU=People,dc=example,dc=com\nuid: a\nobjectClass: account\n\n"
        "dn: uid=b,ou=people,dc=example,dc=com\nuid: b\nobjectClass: account\n"
    )
    directory = LdifDirectory(path)
    assert directory.base == "ou=People,dc=example,dc=com"
    assert LdifDirectory(path, base=BASE).base == BASE
    assert len(found(LdifDirectory(path, base=BASE), "(uid=*)")) == 2


def test_a_refused_change_leaves_the_file_alone(path):
    before = path.stat()
    directory = LdifDirectory(path)
    with pytest.raises(LdapRefusal):
        directory.apply(add_mail(JOHN, "jürgen@example.com"))
    with pytest.raises(LdapRefusal):
        directory.apply_together([add_mail(JOHN, "a@b"), add_mail(JOHN, "A@B")])
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino
    assert found(directory, "(mail=a@b)") == []


@contextmanager
def as_nobody():
    """Root may write everywhere: somebody else does what is done inside."""
    if os.getuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(os.getuid())


def test_a_folder_that_may_not_be_written(path):
    LdifDirectory(path).apply(add_mail(JOHN, "a@b"))  # loads what is loaded late
    with tempfile.TemporaryDirectory() as folder:  # nobody cannot enter tmp_path
        kept = Path(folder) / "d.ldif"
        kept.write_text(TEXT)
        kept.chmod(0o644)
        Path(folder).chmod(0o555)
        try:
            with as_nobody(), pytest.raises(LdapRefusal) as caught:
                LdifDirectory(kept).apply(add_mail(JOHN, "a@b"))
        finally:
            Path(folder).chmod(0o755)
        assert caught.value.result == 50
        assert caught.value.hint is None
        assert os.listdir(folder) == ["d.ldif"]
        assert kept.read_text() == TEXT


def test_a_disk_that_is_full_leaves_the_old_file(path, monkeypatch):
    def no_space(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_lock.os, "fsync", no_space)
    directory = LdifDirectory(path)
    with pytest.raises(LdapRefusal, match="No space left"):
        directory.apply(add_mail(JOHN, "a@b"))
    monkeypatch.undo()
    assert path.read_text() == TEXT
    assert found(directory, "(mail=a@b)") == []
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "directory.ldif",
        "directory.ldif.lock",
    ]


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
        min_size=1,
        max_size=5,
        unique=True,
    )
)
def test_any_values_survive_the_file(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("values") / "directory.ldif"
    path.write_text(TEXT)
    raw = tuple(value.encode() for value in values)
    mods = tuple(Mod(ModOp.ADD, "userPassword", (value,)) for value in raw)
    LdifDirectory(path).apply(Modify(JOHN, mods))
    again = LdifDirectory(path)
    assert again.get(JOHN).values("userPassword") == raw
    assert again.get(JOHN).texts("mail")[0] == "john@example.com"
