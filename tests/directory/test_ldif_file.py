"""The directory in an LDIF file: the text it keeps, the faults it names, writers at the same time."""

import errno
import os
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.directory import file_lock
from mailldap.directory.base import Scope
from mailldap.directory.ldif_file import LdifDirectory
from mailldap.errors import ConfigError, CouldNotAsk, LdapRefusal, LdifError, NoSuchObject
from mailldap.ldap.change import Add, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.entry import Entry

BASE = "dc=example,dc=com"
PEOPLE = f"ou=People,{BASE}"
TEXT = """\
# The John Smith organisation
# keep me
version: 1

# the top
dn: dc=example,dc=com
objectClass: domain
dc: example

dn: ou=People, DC=example,dc=com
objectclass: ORGANIZATIONALUNIT
ou: People


# John
dn:: dWlkPWpvaG4sb3U9UGVvcGxlLGRjPWV4YW1wbGUsZGM9Y29t
objectClass: account
objectClass: mailRecipient
# inside John
uid: john
mail: john@exa
 mple.com
mail:: anNAZXhhbXBsZS5jb20=
Mail: smith@example.com

# at the end
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "directory.ldif"
    made.write_text(TEXT)
    return made


def found(directory, text: str) -> list[str]:
    return [entry.dn for entry in directory.search(directory.base, Scope.SUB, text)]


def add_mail(dn: str, address: str) -> Modify:
    return Modify(dn, (Mod(ModOp.ADD, "mail", (address.encode(),)),))


JOHN = f"uid=john,{PEOPLE}"


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


def test_reads_inside_exclusive_are_current_and_writes_come_together(path):
    directory = LdifDirectory(path)
    assert found(directory, "(mail=new@example.com)") == []
    LdifDirectory(path).apply(add_mail(JOHN, "new@example.com"))
    with directory.exclusive():
        assert found(directory, "(mail=new@example.com)") == [JOHN]
        directory.apply(add_mail(JOHN, "a@b"))
        with directory.exclusive():
            directory.apply(add_mail(JOHN, "c@d"))
        assert found(directory, "(mail=c@d)") == [JOHN]
        assert "c@d" not in path.read_text()
    assert {"mail: a@b", "mail: c@d"} <= set(path.read_text().split("\n"))


def test_what_was_done_before_an_exception_is_done(path):
    directory = LdifDirectory(path)
    with pytest.raises(LdapRefusal), directory.exclusive():  # noqa: PT012  two are needed
        directory.apply(add_mail(JOHN, "a@b"))
        directory.apply(add_mail(JOHN, "a@b"))
    assert found(LdifDirectory(path), "(mail=a@b)") == [JOHN]


def test_somebody_who_takes_no_lock_is_noticed(path):
    directory = LdifDirectory(path)

    def edit_while_it_is_locked():
        with directory.exclusive():
            directory.apply(add_mail(JOHN, "a@b"))
            path.write_text(TEXT.replace("# John", "# Johnny"))

    with pytest.raises(CouldNotAsk, match="without taking its lock"):
        edit_while_it_is_locked()
    assert "# Johnny" in path.read_text()
    assert found(directory, "(mail=a@b)") == []


def test_a_lock_that_is_never_given_back(path, monkeypatch):
    monkeypatch.setattr(file_lock, "PATIENCE", 0.05)
    taken, done = threading.Event(), threading.Event()

    def keep():
        with LdifDirectory(path).exclusive():
            taken.set()
            done.wait(10)

    keeper = threading.Thread(target=keep)
    keeper.start()
    taken.wait(10)
    try:
        with pytest.raises(CouldNotAsk, match="keeps the lock"):
            LdifDirectory(path).apply(add_mail(JOHN, "a@b"))
        assert found(LdifDirectory(path), "(mail=js@example.com)") == [JOHN]
    finally:
        done.set()
        keeper.join()


def test_a_file_system_without_locks(path, monkeypatch):
    def flock(_handle, _operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(file_lock.fcntl, "flock", flock)
    with pytest.raises(LdapRefusal, match="no lock to be had: No locks available"):
        LdifDirectory(path).apply(add_mail(JOHN, "a@b"))


WRITER = """
import sys
from mailldap.directory.ldif_file import LdifDirectory
from mailldap.ldap.change import Mod, Modify, ModOp
path, dn, number = sys.argv[1:]
directory = LdifDirectory(path)
sys.stdin.readline()
for turn in range(8):
    address = f"{number}.{turn}@example.com".encode()
    directory.apply(Modify(dn, (Mod(ModOp.ADD, "mail", (address,)),)))
"""


def test_twelve_writers_at_the_same_time_lose_nothing(path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, path, JOHN, str(number)], stdin=subprocess.PIPE
        )
        for number in range(12)
    ]
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    reader = LdifDirectory(path)
    seen = 0
    while any(writer.poll() is None for writer in writers):
        now = len(reader.get(JOHN).values("mail"))
        assert now >= seen, "a reader saw a file that was older or not whole"
        seen = now
    for writer in writers:
        writer.stdin.close()
        assert writer.wait(60) == 0
    addresses = set(LdifDirectory(path).get(JOHN).texts("mail"))
    assert addresses >= {f"{n}.{turn}@example.com" for n in range(12) for turn in range(8)}
    assert len(addresses) == 3 + 12 * 8


def test_threads_that_share_a_directory(path):
    directory = LdifDirectory(path)

    def add(number: int) -> None:
        for turn in range(4):
            directory.apply(add_mail(JOHN, f"{number}.{turn}@example.com"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(LdifDirectory(path).get(JOHN).values("mail")) == 3 + 6 * 4


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
