# ruff: noqa: ISC004  texts of several lines stand side by side
"""The mend: what it changes, that it changes nothing else, and that it is all or nothing."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.audit import fix
from mailldap.audit.fix import blotted, plan_fixes
from mailldap.audit.postfix_rules import files as rules
from mailldap.errors import ConfigError
from mailldap.postfix import changeset
from mailldap.postfix.changeset import roll_back
from tests.audit.sets import (
    CLEAN,
    LOGIN,
    MAIN,
    RELAY,
    SECRETS,
    TABLE,
    copy,
    everything,
    read,
    write,
)

DELIVER = "/usr/lib/cyrus/bin/deliver"


def mend(folder: Path, **more) -> dict[str, str]:
    """Mend a folder; return the files that changed, as text."""
    before = read(folder)
    plan_fixes(folder, **more).apply()
    after = read(folder)
    assert list(before) == list(after)
    return {
        n: c.decode("utf-8", "surrogateescape") for n, (c, _) in after.items() if c != before[n][0]
    }


class TestTheHowTo:
    def test_mx(self, tmp_path):
        folder = copy(tmp_path / "mx", "mx")
        before = {name: content.decode() for name, (content, _) in read(folder).items()}
        assert mend(folder) == {
            "main.cf": before["main.cf"] + "virtual_alias_domains = example.com\n",
            "ldap-aliases.cf": before["ldap-aliases.cf"].replace(
                "special_result_filter", "# special_result_filter"
            ),
        }

    def test_mail1(self, tmp_path):
        program = tmp_path / DELIVER[1:]
        program.parent.mkdir(parents=True)
        program.write_text("")
        program.chmod(0o755)
        folder = copy(tmp_path / "etc" / "postfix", "mail1")
        before = (folder / "master.cf").read_text()
        wanted = {"master.cf": before.replace("/usr/lib/cyrus-imapd/deliver", DELIVER)}
        assert mend(folder, root=tmp_path) == wanted

    def test_sender(self, tmp_path):
        folder = copy(tmp_path / "sender", "sender")
        before = (folder / "main.cf").read_text()
        (folder / "sasl_passwd").chmod(0o644)
        plan = plan_fixes(folder)
        assert plan.tables == (("hash", folder / "sasl_passwd"),)
        assert [f.code for f in plan.left] == ["password-in-clear", "no-certificate"]
        changed = mend(folder)
        assert changed["sasl_passwd"] == "[smtp.gmail.com]:587\tuser.name@gmail.com:password\n"
        assert changed["main.cf"] == before.replace(
            "smtp_tls_security_level = may # http://www.postfix.org/TLS_README.html\n"
            "smtp_tls_CAfile = /etc/postfix/cacert.pem # Trusted root CAs\n",
            "# http://www.postfix.org/TLS_README.html\n"
            "smtp_tls_security_level = may\n"
            "# Trusted root CAs\n"
            "smtp_tls_CAfile = /etc/postfix/cacert.pem\n",
        )
        assert (folder / "sasl_passwd").stat().st_mode & 0o777 == 0o600

    def test_submission(self, tmp_path):
        folder = copy(tmp_path / "submission", "submission")
        before = (folder / "main.cf").read_text()
        moved = before.replace("\treject_sender_login_mismatch,\n", "").replace(
            "\tpermit_mynetworks,\n", "\treject_sender_login_mismatch,\n\tpermit_mynetworks,\n"
        )
        assert mend(folder) == {"main.cf": moved}

    @pytest.mark.parametrize("name", ["mx", "mail1", "sender", "submission"])
    def test_a_second_run_finds_nothing_to_do(self, tmp_path, name):
        folder = copy(tmp_path / name, name)
        assert mend(folder, deliver=DELIVER)
        plan = plan_fixes(folder, deliver=DELIVER)
        assert (plan.changes, plan.mended, plan.diff()) == ((), (), "")
        assert plan.apply() is None

    @pytest.mark.parametrize("name", ["mx", "mail1", "sender", "submission"])
    def test_the_way_back(self, tmp_path, name):
        folder = copy(tmp_path / name, name)
        if name == "sender":
            (folder / "sasl_passwd").chmod(0o640)
        before = read(folder)
        assert mend(folder, deliver=DELIVER)
        roll_back(folder)
        assert read(folder) == before
        assert not (folder / "mailldap-backup").exists()


#: A line of main.cf (or master.cf) before and after.
MENDS = [
    # Comments behind values.
    ("main.cf", "biff = no # not wanted\n", "# not wanted\nbiff = no\n"),
    ("main.cf", "biff = no\t#not wanted  \n", "#not wanted\nbiff = no\n"),
    ("main.cf", "biff = no # not wanted\r\n", "# not wanted\r\nbiff = no\r\n"),
    ("main.cf", "biff = no # \xff".replace("\xff", "\udcff"), "# \udcff\nbiff = no"),
    ("main.cf", "relay_domains = a.net, # first\n # a line\n\n  b.net # second\n",
     "# first\nrelay_domains = a.net,\n # a line\n\n# second\n  b.net\n"),
    ("main.cf", "relay_domains = # none yet\n", "# none yet\nrelay_domains =\n"),
    ("master.cf", "own unix - - n - - smtp # mine\n  -o smtp_bind_address=192.0.2.1 # ours\n",
     "# mine\nown unix - - n - - smtp\n# ours\n  -o smtp_bind_address=192.0.2.1\n"),
    # Names that mean nothing.
    ("main.cf", "nonsense = a,\n  # kept\n  b\n", "# nonsense = a,\n  # kept\n#   b\n"),
    ("main.cf", "nonsense = a # b\n", "# nonsense = a # b\n"),
    # Checks behind permits.
    ("main.cf", "smtpd_sender_restrictions = permit_mynetworks reject_sender_login_mismatch\n",
     "smtpd_sender_restrictions = reject_sender_login_mismatch permit_mynetworks\n"),
    ("main.cf", "smtpd_sender_restrictions=permit_mynetworks,reject_sender_login_mismatch,reject\n",
     "smtpd_sender_restrictions=reject_sender_login_mismatch,permit_mynetworks,reject\n"),
    ("main.cf",
     "smtpd_sender_restrictions = reject_non_fqdn_sender, permit_mynetworks,\n"
     "    # the check\n"
     "    reject_sender_login_mismatch\n",
     "smtpd_sender_restrictions = reject_non_fqdn_sender,"
     " reject_sender_login_mismatch, permit_mynetworks,\n"
     "    # the check\n"),
    ("main.cf",
     "smtpd_sender_restrictions =\r\n  permit_mynetworks\r\n  permit_sasl_authenticated\r\n"
     "  reject_known_sender_login_mismatch\r\n  reject_sender_login_mismatch",
     "smtpd_sender_restrictions =\r\n  reject_known_sender_login_mismatch\r\n"
     "  reject_sender_login_mismatch\r\n  permit_mynetworks\r\n  permit_sasl_authenticated\r\n"),
    ("main.cf",
     "smtpd_sender_restrictions = permit_mynetworks, check_sender_access hash:/x, "
     "warn_if_reject reject_sender_login_mismatch\n",
     "smtpd_sender_restrictions = warn_if_reject reject_sender_login_mismatch, "
     "permit_mynetworks, check_sender_access hash:/x\n"),
    ("master.cf",
     "x inet n - n - - smtpd\n"
     "  -o smtpd_sender_restrictions=permit_mynetworks,reject_sender_login_mismatch\n",
     "x inet n - n - - smtpd\n"
     "  -o smtpd_sender_restrictions=reject_sender_login_mismatch,permit_mynetworks\n"),
    ("master.cf",
     "x inet n - n - - smtpd\n"
     "  -o { smtpd_sender_restrictions = permit_mynetworks, reject_sender_login_mismatch }\n",
     "x inet n - n - - smtpd\n"
     "  -o { smtpd_sender_restrictions = reject_sender_login_mismatch, permit_mynetworks }\n"),
    ("main.cf",
     "smtpd_sender_restrictions = $mua_sender_restrictions\n"
     "mua_sender_restrictions = permit_mynetworks,\n  reject_sender_login_mismatch\n",
     "smtpd_sender_restrictions = $mua_sender_restrictions\n"
     "mua_sender_restrictions = reject_sender_login_mismatch, permit_mynetworks,\n"),
    # deliver(8).
    ("master.cf", "c unix - n n - - pipe user=c\n\t argv=/bad/deliver  -m ${extension}\n",
     f"c unix - n n - - pipe user=c\n\t argv={DELIVER}  -m ${{extension}}\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after"), MENDS)
def test_one_thing_changes_and_nothing_else(tmp_path, name, before, after):
    text = CLEAN[name] + LOGIN if name == "main.cf" else CLEAN[name]
    folder = write(tmp_path, {**CLEAN, "main.cf": MAIN + LOGIN, name: text + before})
    assert mend(folder, deliver=DELIVER) == {name: text + after}


def test_a_check_behind_a_name_stays(tmp_path):
    """What else the name holds would move along: that is the administrator's choice."""
    rules = "smtpd_sender_restrictions = permit_mynetworks, $checks\n"
    checks = "checks = reject_sender_login_mismatch, permit_sasl_authenticated\n"
    folder = write(tmp_path, {**CLEAN, "main.cf": MAIN + LOGIN + rules + checks})
    plan = plan_fixes(folder)
    assert plan.diff() == ""
    assert [finding.code for finding in plan.left] == ["permit-before-mismatch"]


@pytest.mark.parametrize(
    ("table", "after"),
    [
        (TABLE.replace("timeout = 4", "timeout = 4 # s"),
         TABLE.replace("timeout = 4", "# s\ntimeout = 4")),
        (TABLE.replace("version = 3", "version = 2"), TABLE),
        (TABLE.replace("ldap://", "ldaps://").replace("version = 3\n", "")
         + "tls_require_cert = yes",
         TABLE.replace("ldap://", "ldaps://").replace("version = 3\n", "")
         + "tls_require_cert = yes\nversion = 3"),
        (TABLE.replace("\n", "\r\n") + "cache_size = 1 # x\r\nspecial_result_filter = %s\r\n",
         TABLE.replace("\n", "\r\n") + "cache_size = 1 # x\r\n# special_result_filter = %s\r\n"),
    ],
)  # fmt: skip
def test_tables(tmp_path, table, after):
    folder = write(tmp_path, {**CLEAN, "ldap-aliases.cf": table})
    assert mend(folder) == {"ldap-aliases.cf": after}


def test_tables_in_main_cf(tmp_path):
    """Their lines are mended where they stand; main.cf stays open, and its passwords untold."""
    lines = TABLE.replace("version = 3", "version = 2").replace("timeout = 4", "timeout = 4 # s")
    lines = lines.replace("bind = no", "bind_dn = cn=p\nbind_pw = hunter2 # x")
    lines = lines.replace("ldap://", "ldapi://") + "special_result_filter = %s\n"
    before = "relocated_maps = ldap:old\n" + "".join(f"old_{x}\n" for x in lines.splitlines())
    folder = write(tmp_path, {**CLEAN, "main.cf": MAIN + before})
    (folder / "main.cf").chmod(0o644)
    assert "hunter2" not in plan_fixes(folder).diff()
    after = before.replace("version = 2", "version = 3").replace("old_special", "# old_special")
    after = after.replace("old_timeout = 4 # s", "# s\nold_timeout = 4")
    assert mend(folder) == {"main.cf": MAIN + after}
    assert (folder / "main.cf").stat().st_mode & 0o777 == 0o644
    assert [f.code for f in plan_fixes(folder).left] == ["secret-readable", "inline-comment"]


def test_a_password_that_looks_like_a_comment_is_left_alone(tmp_path):
    table = TABLE.replace("bind = no", "bind_dn = cn=p\nbind_pw = a # b").replace(
        "ldap://ldap1.internal ldap://ldap2.internal", "localhost"
    )
    folder = write(tmp_path, {**CLEAN, "ldap-aliases.cf": table})
    assert mend(folder) == {}


def test_other_alias_tables_keep_their_domains(tmp_path):
    text = "virtual_alias_maps = hash:/etc/postfix/virtual,\n  ldap:/etc/postfix/ldap-aliases.cf"
    folder = write(tmp_path, {"main.cf": text, "ldap-aliases.cf": TABLE, "virtual": "b.net x\n"})
    line = "\nvirtual_alias_domains = hash:/etc/postfix/virtual example.com"
    assert mend(folder) == {"main.cf": text + line}


@pytest.mark.parametrize("chosen", ["virtual_alias_domains =", "mydestination = example.com"])
def test_a_choice_of_the_administrator_stands(tmp_path, chosen):
    text = f"virtual_alias_maps = ldap:/etc/postfix/ldap-aliases.cf\n{chosen}\n"
    folder = write(tmp_path, {"main.cf": text, "ldap-aliases.cf": TABLE})
    assert mend(folder) == {}


@pytest.mark.parametrize(
    ("keys", "after"),
    [
        ("# ours\n[smtp.gmail.com]  u:p\n", "# ours\n[smtp.gmail.com]:587  u:p\n"),
        ("smtp.gmail.com:587 u:p\nother u:p\n", "[smtp.gmail.com]:587 u:p\nother u:p\n"),
        ("smtp.gmail.com u:p\n", None),
        ("[smtp.gmail.com] u:p\n[smtp.gmail.com]:25 u:q\n", None),
        ("[smtp.example.net]:587 u:p\n", None),
    ],
)
def test_the_key_of_the_password(tmp_path, keys, after):
    folder = write(tmp_path, {**CLEAN, "main.cf": MAIN + RELAY, "sasl_passwd": keys})
    assert mend(folder) == ({} if after is None else {"sasl_passwd": after})


def test_modes_of_secrets(tmp_path):
    bound = TABLE.replace("bind = no", "bind_dn = cn=p\nbind_pw = pw").replace(
        "ldap://", "ldapi://"
    )
    files = {**CLEAN, "main.cf": MAIN + RELAY, "ldap-aliases.cf": bound,
             "sasl_passwd": "smtp.gmail.com u:p\n"}  # fmt: skip
    folder = write(tmp_path, files)
    (folder / "ldap-aliases.cf").chmod(0o644)
    (folder / "sasl_passwd").chmod(0o664)
    plan = plan_fixes(folder)
    assert {f.code for f in plan.mended} == {"secret-readable"}
    assert f"mode of {folder / 'sasl_passwd'}: 0664 becomes 0600" in plan.diff()
    plan.apply()
    assert {n: m for n, (_, m) in read(folder).items() if n in {"ldap-aliases.cf", "sasl_passwd"}} == {
        "ldap-aliases.cf": 0o600, "sasl_passwd": 0o600,
    }  # fmt: skip


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_what_proxymap_cannot_read_gets_its_group(tmp_path, monkeypatch, mode):
    group = os.getgid() + 1
    monkeypatch.setattr(rules, "mail_group", lambda: group)
    monkeypatch.setattr(fix, "mail_group", lambda: group)
    bound = TABLE.replace("bind = no", "bind_dn = cn=p\nbind_pw = pw").replace("ldap:", "ldapi:")
    main = MAIN.replace("= ldap:", "= proxy:ldap:")
    folder = write(tmp_path, {**CLEAN, "main.cf": main, "ldap-aliases.cf": bound})
    (folder / "ldap-aliases.cf").chmod(mode)
    plan = plan_fixes(folder)
    table = folder / "ldap-aliases.cf"
    assert plan.left == ()
    assert (plan.changes[0].mode, plan.changes[0].gid) == (0o640, group)
    assert f"group of {table}: {os.getgid()} becomes {group}\n" in plan.diff()
    assert (f"mode of {table}" in plan.diff()) == (mode != 0o640)


def test_what_is_made_again_with_the_mend_is_not_left_to_anybody(tmp_path):
    """A database that was made again since is no work of somebody's: undo takes modes back."""
    main = MAIN + RELAY.replace("texthash", "hash")
    folder = write(tmp_path, {**CLEAN, "main.cf": main, "sasl_passwd": "smtp.gmail.com:587 u:p\n"})
    database = folder / "sasl_passwd.db"
    database.write_bytes(b"old")
    database.chmod(0o644)
    plan = plan_fixes(folder)
    assert plan.left == ()
    plan.apply()
    assert database.stat().st_mode & 0o777 == 0o600
    database.write_bytes(b"new")
    roll_back(folder)
    assert (database.read_bytes(), database.stat().st_mode & 0o777) == (b"new", 0o644)
    assert (folder / "sasl_passwd").read_text() == "smtp.gmail.com:587 u:p\n"


@pytest.mark.parametrize("table", ["static:u:hunter2", "inline:{[h]=u:hunter2}"])
def test_a_diff_tells_no_password_of_main_cf(tmp_path, table):
    main = MAIN + f"smtp_sasl_password_maps = {table}, texthash:/x\nbiff = no # please\n"
    diff = plan_fixes(write(tmp_path, {**CLEAN, "main.cf": main})).diff()
    assert "hunter2" not in diff
    assert "********, texthash:/x\n" in diff


def test_a_diff_tells_no_password(tmp_path):
    bound = TABLE.replace(
        "bind = no", "bind_dn = cn=p # who\n#bind_pw = hunter1\nbind_pw =\n  hunter2"
    )
    keys = "# was hunter3\n[smtp.gmail.com] u:hunter4\n[other] u:hunter5\n[third]\n  u:hunter6\n"
    folder = write(
        tmp_path, {**CLEAN, "main.cf": MAIN + RELAY, "ldap-aliases.cf": bound, "sasl_passwd": keys}
    )
    diff = plan_fixes(folder).diff()
    assert "+# who" in diff
    assert "+[smtp.gmail.com]:587" in diff
    assert "hunter" not in diff
    assert "hunter" not in repr(plan_fixes(folder))


@given(st.text(alphabet="ab#= \n\t:", max_size=60))
def test_blotting_keeps_keys_and_lines_only(text):
    shown = blotted(text.encode(), table=True).decode()
    assert shown.count("\n") == text.count("\n")
    for line, old in zip(shown.split("\n"), text.split("\n"), strict=True):
        assert line == old or line.endswith("********")
        assert not re.match(r"[^\s#][^ \t]*[ \t]+[^ \t*]", line)


def test_what_we_generated_needs_no_mend(tmp_path):
    from mailldap.postfix.generate.generate import generate
    from mailldap.postfix.write import plan_write

    plan_write(tmp_path, generate("all", everything(), secrets=SECRETS)).apply()
    assert plan_fixes(tmp_path).changes == ()


@pytest.mark.parametrize("path", ["deliver", "/a b", "/a{b", "/a\nb", ""])
def test_a_deliver_path_that_master_cf_cannot_hold(tmp_path, path):
    with pytest.raises(ConfigError, match="absolute path"):
        plan_fixes(write(tmp_path, CLEAN), deliver=path)


@pytest.mark.parametrize("fails_at", [0, 1])
def test_a_failure_leaves_every_file_as_it_was(tmp_path, monkeypatch, fails_at):
    folder = copy(tmp_path / "sender", "sender")
    (folder / "sasl_passwd").chmod(0o644)
    before = read(folder)
    plan = plan_fixes(folder)
    real, count = changeset.write_durably, iter(range(9))

    def failing(path, *rest, **more):
        if next(count) == fails_at:
            raise OSError(5, "Input/output error", str(path))
        real(path, *rest, **more)

    monkeypatch.setattr(changeset, "write_durably", failing)
    with pytest.raises(ConfigError, match="nothing was changed"):
        plan.apply()
    assert read(folder) == before


def test_an_edit_between_plan_and_apply_is_not_lost(tmp_path):
    folder = copy(tmp_path / "mx", "mx")
    plan = plan_fixes(folder)
    with (folder / "main.cf").open("a") as stream:
        stream.write("biff = no\n")
    before = read(folder)
    with pytest.raises(ConfigError, match="changed while"):
        plan.apply()
    assert read(folder) == before
