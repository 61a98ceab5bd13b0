"""``postfix generate``, ``check``, ``fix`` and ``undo`` where an earlier command was cut off."""

from pathlib import Path

import pytest

from mailldap.audit.check import check
from mailldap.audit.fix import plan_fixes
from mailldap.postfix import changeset
from mailldap.postfix import write as files_written
from tests.audit.sets import CLEAN, MAIN, RELAY, read, write

FAULTY = {
    **CLEAN,
    "main.cf": MAIN + "smtp_tls_security_level = may # when offered\n",
    "ldap-aliases.cf": CLEAN["ldap-aliases.cf"].replace("version = 3", "version = 2"),
}
SETTINGS = """\
uri: ldap://ldap1.internal
base: dc=example,dc=com
postfix:
  senders: {}
"""


def cut_off(monkeypatch, after: int) -> None:
    """Whatever is changed from here on ends after so many files, as by kill -9."""
    real, count = changeset._replace, iter(range(100))

    def dying(change):
        if next(count) == after:
            raise KeyboardInterrupt
        real(change)

    monkeypatch.setattr(changeset, "_replace", dying)
    monkeypatch.setattr(changeset.Journal, "restore", lambda self: None)
    monkeypatch.setattr(changeset.Journal, "remove", lambda self: None)
    monkeypatch.setattr(changeset.Journal, "finish", lambda self: None)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_fix_mends_what_a_fix_that_was_cut_off_left(cli, tmp_path: Path, after: int) -> None:
    folder = write(tmp_path / "pf", FAULTY)
    before = read(folder)
    with pytest.MonkeyPatch.context() as patched:
        cut_off(patched, after)
        try:
            plan_fixes(folder).apply()
        except KeyboardInterrupt:
            assert after < 2
    assert "change-cut-off" in {finding.code for finding in check(folder)}
    done = cli("postfix", "fix", "--yes", "pf")
    assert done.status == 0
    assert "a change was cut off" in done.err
    assert check(folder) == []
    assert cli("postfix", "undo", "pf").status == 0
    assert read(folder) == before


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_generate_loses_no_file_of_one_that_was_cut_off(cli, tmp_path: Path, after: int) -> None:
    (tmp_path / "mailldap.yaml").write_text(SETTINGS)
    generate = ("postfix", "generate", "all", "--dir", "pf")
    with pytest.MonkeyPatch.context() as patched:
        cut_off(patched, after)
        cli(*generate)
    assert (tmp_path / "pf" / "mailldap-backup").is_dir()
    # A dry run changes nothing, not even that.
    half = read(tmp_path / "pf")
    assert cli(*generate, "-n").status == 0
    assert read(tmp_path / "pf") == half
    assert cli(*generate).status == 0
    assert set(read(tmp_path / "pf")) == {"ldap-aliases.cf", "ldap-senders.cf", "main.cf"}
    assert not (tmp_path / "pf" / "mailldap-backup").exists()


def test_undo_makes_the_database_of_the_password_again(cli, tmp_path: Path) -> None:
    main = MAIN + RELAY.replace("texthash", "hash")
    files = {**CLEAN, "main.cf": main, "sasl_passwd": "[smtp.gmail.com] user:password\n"}
    folder = write(tmp_path / "pf", files)
    (folder / "sasl_passwd.db").write_bytes(b"")
    (folder / "sasl_passwd.db").chmod(0o600)
    with pytest.MonkeyPatch.context() as patched:
        made: list[list[tuple[str, Path]]] = []
        patched.setattr(files_written, "run_postmap", lambda tables: made.append([*tables]) or ())
        assert cli("postfix", "undo", "pf").status == 78
        assert made == []
        assert cli("postfix", "fix", "--yes", "pf").status == 0
        assert cli("postfix", "undo", "pf").status == 0
    assert made[-1] == [("hash", folder / "sasl_passwd")]
    assert (folder / "sasl_passwd").read_text() == files["sasl_passwd"]


def test_who_may_not_read_the_copies_may_check(cli, tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "pf", FAULTY)
    assert cli("postfix", "fix", "--yes", "pf").status == 0
    real = Path.iterdir

    def closed(path: Path):
        if path.name == "mailldap-backup":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", closed)
    assert cli("postfix", "check", "--offline", "pf").status == 0
    assert cli("postfix", "undo", "pf").status == 78
