"""Files reach the disk whole, with the right mode, or not at all."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mailldap.errors import ConfigError
from mailldap.postfix import changeset, durable, journal
from mailldap.postfix.changeset import FileChange, commit, interrupted, recover, roll_back
from mailldap.postfix.generate.files import GeneratedFile
from mailldap.postfix.generate.seal import seal
from mailldap.postfix.write import plan_write

TABLE = GeneratedFile("table.cf", seal("aliases", b"version = 3\n"))
SECRET = GeneratedFile("sasl_passwd", seal("relay", b"[h]:587 u:p\n"), mode=0o600, secret=True)
MAIN = GeneratedFile("main.cf", seal("main", b"relayhost = h\n"), beside="main-all.cf")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): (p.read_bytes(), mode_of(p)) for p in files}


@pytest.fixture(params=[0o022, 0o077, 0o000])
def umask(request):
    old = os.umask(request.param)
    yield
    os.umask(old)


def test_modes_do_not_depend_on_the_umask(tmp_path, umask):
    written = plan_write(tmp_path / "conf", [TABLE, SECRET]).apply()
    assert [path.name for path in written] == ["table.cf", "sasl_passwd"]
    assert tree(tmp_path / "conf") == {
        "sasl_passwd": (SECRET.content, 0o600),
        "table.cf": (TABLE.content, 0o644),
    }


def test_a_secret_is_private_from_its_first_byte(tmp_path, monkeypatch):
    seen = []
    real = os.open

    def spy(path, flags, mode=0o777, **more):
        handle = real(path, flags, mode, **more)
        if flags & os.O_CREAT:
            seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    monkeypatch.setattr(os, "open", spy)
    old = os.umask(0)
    try:
        plan_write(tmp_path, [SECRET]).apply()
    finally:
        os.umask(old)
    assert seen
    assert not any(mode & 0o077 for mode in seen)


def test_a_second_run_writes_nothing(tmp_path):
    plan_write(tmp_path, [TABLE, SECRET]).apply()
    before = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    plan = plan_write(tmp_path, [TABLE, SECRET])
    assert plan.apply() == ()
    assert plan.diff() == ""
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


def test_an_opened_up_secret_is_closed_again(tmp_path):
    plan_write(tmp_path, [SECRET]).apply()
    (tmp_path / "sasl_passwd").chmod(0o644)
    assert plan_write(tmp_path, [SECRET]).files[0].state == "stale"
    plan_write(tmp_path, [SECRET]).apply()
    assert mode_of(tmp_path / "sasl_passwd") == 0o600


def test_an_older_generated_file_is_replaced(tmp_path):
    (tmp_path / "table.cf").write_bytes(seal("aliases", b"version = 2\n"))
    plan = plan_write(tmp_path, [TABLE])
    assert plan.files[0].state == "stale"
    assert "-version = 2\n+version = 3\n" in plan.diff()
    plan.apply()
    assert (tmp_path / "table.cf").read_bytes() == TABLE.content


def test_a_hand_edit_is_kept_and_shown(tmp_path):
    plan_write(tmp_path, [TABLE, SECRET]).apply()
    edited = TABLE.content.replace(b"version = 3", b"version = 3\ntimeout = 9")
    (tmp_path / "table.cf").write_bytes(edited)
    other = GeneratedFile("sasl_passwd", seal("relay", b"[h]:587 u:q\n"), mode=0o600, secret=True)
    plan = plan_write(tmp_path, [other, TABLE])
    assert [f.state for f in plan.files] == ["stale", "edited"]
    assert "-timeout = 9" in plan.diff()
    assert "u:q" not in plan.diff()
    before = tree(tmp_path)
    with pytest.raises(ConfigError, match=r"table\.cf: was edited"):
        plan.apply()
    assert tree(tmp_path) == before
    plan.apply(force=True)
    assert (tmp_path / "table.cf").read_bytes() == TABLE.content
    roll_back(tmp_path)
    assert tree(tmp_path) == before


def test_somebody_elses_file_is_not_overwritten(tmp_path):
    (tmp_path / "table.cf").write_text("version = 3\n")
    with pytest.raises(ConfigError, match="not made by mailldap"):
        plan_write(tmp_path, [TABLE]).apply()
    assert (tmp_path / "table.cf").read_text() == "version = 3\n"


def test_the_administrators_main_cf_stays_and_ours_stands_beside(tmp_path):
    plan_write(tmp_path, [MAIN]).apply()
    assert sorted(tree(tmp_path)) == ["main.cf"]
    (tmp_path / "main.cf").write_text("myhostname = mx.example.com\n")
    plan_write(tmp_path, [MAIN]).apply()
    assert (tmp_path / "main.cf").read_text() == "myhostname = mx.example.com\n"
    assert (tmp_path / "main-all.cf").read_bytes() == MAIN.content
    assert plan_write(tmp_path, [MAIN]).apply() == ()


def test_a_symbolic_link_stays_one(tmp_path):
    real = tmp_path / "real.cf"
    real.write_bytes(seal("aliases", b"old = 1\n"))
    (tmp_path / "table.cf").symlink_to(real)
    plan_write(tmp_path, [TABLE]).apply()
    assert (tmp_path / "table.cf").is_symlink()
    assert real.read_bytes() == TABLE.content


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_is_kept(tmp_path):
    path = tmp_path / "table.cf"
    path.write_bytes(seal("aliases", b"old = 1\n"))
    os.chown(path, 12345, 23456)
    plan_write(tmp_path, [TABLE]).apply()
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_a_failure_midway_leaves_every_file_as_it_was(tmp_path, monkeypatch, fails_at):
    for name in "abc":
        (tmp_path / name).write_text(f"old {name}\n")
    (tmp_path / "b").chmod(0o640)
    before = tree(tmp_path)
    real, count = durable.write_durably, iter(range(10))

    def failing(path, *rest, **more):
        if next(count) == fails_at:
            raise OSError(28, "No space left on device", str(path))
        real(path, *rest, **more)

    monkeypatch.setattr(changeset, "write_durably", failing)
    changes = [FileChange(tmp_path / n, b"new\n", f"old {n}\n".encode(), mode=0o600) for n in "abc"]
    with pytest.raises(ConfigError, match="No space left on device; nothing was changed"):
        commit(tmp_path, changes)
    assert tree(tmp_path) == before


def test_a_file_that_changed_since_the_plan_is_left_alone(tmp_path):
    (tmp_path / "a").write_text("mine\n")
    before = tree(tmp_path)
    changes = [
        FileChange(tmp_path / "b", b"new\n", None),
        FileChange(tmp_path / "a", b"new\n", b"planned against this\n"),
    ]
    with pytest.raises(ConfigError, match="changed while"):
        commit(tmp_path, changes)
    assert tree(tmp_path) == before


def test_roll_back_takes_one_change_after_the_other_back(tmp_path):
    path = tmp_path / "a"
    commit(tmp_path, [FileChange(path, b"1\n", None, mode=0o600)])
    commit(tmp_path, [FileChange(path, b"2\n", b"1\n", mode=0o644)])
    assert roll_back(tmp_path) == (path,)
    assert (path.read_bytes(), mode_of(path)) == (b"1\n", 0o600)
    assert roll_back(tmp_path) == (path,)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="no change"):
        roll_back(tmp_path)


def test_roll_back_does_not_destroy_later_work(tmp_path):
    path = tmp_path / "a"
    commit(tmp_path, [FileChange(path, b"1\n", None)])
    path.write_bytes(b"by hand\n")
    with pytest.raises(ConfigError, match="changed since"):
        roll_back(tmp_path)
    assert path.read_bytes() == b"by hand\n"
    roll_back(tmp_path, force=True)
    assert not path.exists()


def test_copies_are_private(tmp_path):
    (tmp_path / "a").write_text("secret\n")
    folder = commit(tmp_path, [FileChange(tmp_path / "a", b"new\n", b"secret\n")])
    assert {mode_of(p) for p in folder.iterdir()} == {0o600}
    assert {mode_of(folder), mode_of(folder.parent)} == {0o700}


CUT_OFF = """
import os, sys
from pathlib import Path
from mailldap.postfix import changeset, durable
folder, at = Path(sys.argv[1]), int(sys.argv[2])
real, count = durable.write_durably, iter(range(10))
def dying(path, *rest, **more):
    if next(count) == at:
        os._exit(9)
    real(path, *rest, **more)
changeset.write_durably = dying
changeset.commit(folder, [
    changeset.FileChange(folder / n, b"new\\n", b"old\\n") for n in "abc"
])
"""


def cut_off(folder: Path, at: int) -> None:
    root = Path(changeset.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", CUT_OFF, folder, str(at)],
        env={"PYTHONPATH": str(root)},
        check=False,
    )
    assert done.returncode == 9


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_change_that_was_cut_off_is_taken_back_by_the_next(tmp_path, at):
    for name in "abc":
        (tmp_path / name).write_text("old\n")
    cut_off(tmp_path, at)
    assert interrupted(tmp_path) == tmp_path / "mailldap-backup" / "0001"
    # What was planned over the half is no plan.
    with pytest.raises(ConfigError, match="taken back") as caught:
        commit(tmp_path, [])
    assert caught.value.hint == "run the command again"
    assert interrupted(tmp_path) is None
    assert [(tmp_path / n).read_text() for n in "abc"] == ["old\n"] * 3


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_plan_begins_after_what_was_cut_off(tmp_path, at):
    for name in "abc":
        (tmp_path / name).write_text("old\n")
    cut_off(tmp_path, at)
    assert recover(tmp_path) == tuple(tmp_path / n for n in "abc")
    assert [(tmp_path / n).read_text() for n in "abc"] == ["old\n"] * 3
    assert recover(tmp_path) == ()
    assert recover(tmp_path / "nowhere") == ()


def test_the_change_that_was_cut_off_is_the_newest(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text("older\n")
    commit(tmp_path, [FileChange(tmp_path / n, b"old\n", b"older\n") for n in "abc"])
    cut_off(tmp_path, 1)
    roll_back(tmp_path)
    assert [(tmp_path / n).read_text() for n in "abc"] == ["old\n"] * 3
    roll_back(tmp_path)
    assert [(tmp_path / n).read_text() for n in "abc"] == ["older\n"] * 3


def test_nothing_of_a_killed_write_is_left(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text("old\n")
    cut_off(tmp_path, 1)
    (tmp_path / ".b.0123456789abcdef").write_text("a password")
    (tmp_path / ".b.swp").write_text("an editor's")
    unbegun = tmp_path / "mailldap-backup" / "0002"
    unbegun.mkdir()
    (unbegun / "0-a").write_text("a password")
    recover(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".b.swp", "a", "b", "c", "mailldap-backup",
    ]  # fmt: skip
    assert not unbegun.exists()


def test_what_is_as_it_was_is_not_written_again(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old\n")

    def full(path, *rest, **more):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(changeset, "write_durably", full)
    real = journal.write_durably
    monkeypatch.setattr(
        journal, "write_durably", lambda path, *r: (full if path.name == "a" else real)(path, *r)
    )
    with pytest.raises(ConfigError, match="nothing was changed"):
        commit(tmp_path, [FileChange(tmp_path / "a", b"new\n", b"old\n")])
    assert tree(tmp_path) == {"a": (b"old\n", mode_of(tmp_path / "a"))}


def test_one_folder_is_made_and_a_misspelt_path_is_not(tmp_path):
    plan_write(tmp_path / "new", [TABLE]).apply()
    assert (tmp_path / "new" / "table.cf").exists()
    with pytest.raises(ConfigError, match="cannot be made") as caught:
        plan_write(tmp_path / "etc" / "postfx" / "new", [TABLE]).apply()
    assert str(tmp_path / "etc" / "postfx") in (caught.value.hint or "")
    assert not (tmp_path / "etc").exists()


def test_a_folder_that_cannot_be_is_an_error_of_its_name(tmp_path):
    (tmp_path / "conf").write_text("")
    with pytest.raises(ConfigError) as caught:
        plan_write(tmp_path / "conf", [TABLE]).apply()
    assert str(tmp_path / "conf") in str(caught.value)


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def flock(_handle, _operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(changeset.fcntl, "flock", flock)
    with pytest.raises(ConfigError, match="cannot be locked: No locks available"):
        plan_write(tmp_path, [TABLE]).apply()
    assert tree(tmp_path) == {}
