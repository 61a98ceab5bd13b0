"""The directory in an LDIF file, where others write at the same time."""

import errno
import os
import subprocess
import sys
import threading

import pytest

from mailldap.directory import file_lock
from mailldap.directory.ldif_file import LdifDirectory
from mailldap.errors import CouldNotAsk, LdapRefusal
from tests.directory.john import JOHN, TEXT, add_mail, found


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
