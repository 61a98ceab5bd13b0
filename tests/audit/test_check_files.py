"""Findings about files as files: secrets, what is missing, what was edited; and whole sets."""

import errno
import os
from pathlib import Path

import pytest

from mailldap.audit.check import check
from mailldap.errors import ConfigError
from mailldap.postfix import changeset
from mailldap.postfix.changeset import FileChange
from mailldap.postfix.generate.files import Secrets
from mailldap.postfix.generate.generate import generate
from mailldap.postfix.write import plan_write
from tests.audit.sets import (
    CLEAN,
    MAIN,
    MASTER,
    RELAY,
    SECRETS,
    STOCK,
    TABLE,
    codes,
    copy,
    everything,
    places,
    write,
)

BOUND = TABLE.replace("bind = no\n", "bind_dn = cn=postfix,dc=example,dc=com\nbind_pw = pw\n").replace(
    "ldap://ldap1.internal ldap://ldap2.internal", "ldap://localhost"
)  # fmt: skip


def home(tmp_path: Path, files) -> tuple[Path, dict[str, Path]]:
    """A configuration at its usual place on a machine of its own."""
    return write(tmp_path / "etc" / "postfix", files), {"root": tmp_path}


class TestTheHowTo:
    """The four systems of the original how-to, files as it prints them."""

    def test_mx(self, tmp_path):
        assert places(copy(tmp_path / "mx", "mx")) == {
            ("alias-domain-missing", "main.cf", 10, "virtual_alias_domains"),
            ("ldap-timeout", "ldap-aliases.cf", 3, "timeout"),
            ("ldap-limit", "ldap-aliases.cf", 7, "size_limit"),
            ("unknown-parameter", "ldap-aliases.cf", 18, "special_result_filter"),
        }

    def test_mail1(self, tmp_path):
        assert places(copy(tmp_path / "mail1", "mail1"), root=tmp_path) == {
            ("local-recipients-default", "main.cf", 7, "local_recipient_maps"),
            ("deliver-missing", "master.cf", 17, "cyrus"),
        }

    def test_sender(self, tmp_path):
        assert places(copy(tmp_path / "sender", "sender")) == {
            ("inline-comment", "main.cf", 17, "smtp_tls_security_level"),
            ("password-in-clear", "main.cf", 17, "smtp_tls_security_level"),
            ("inline-comment", "main.cf", 18, "smtp_tls_CAfile"),
            ("no-certificate", "main.cf", 21, "smtpd_tls_security_level"),
            ("password-key", "sasl_passwd", 1, "smtp_sasl_password_maps"),
        }

    def test_submission(self, tmp_path):
        assert places(copy(tmp_path / "submission", "submission")) == {
            ("permit-before-mismatch", "main.cf", 21, "smtpd_recipient_restrictions"),
        }

    @pytest.mark.parametrize("name", ["mx", "mail1", "sender", "submission"])
    def test_every_finding_says_why_and_what_to_do(self, tmp_path, name):
        for finding in check(copy(tmp_path / name, name)):
            assert finding.severity in {"error", "warning"}
            assert finding.parameter
            assert len(finding.message) > 20
            assert finding.fix


class TestNoWolf:
    @pytest.mark.parametrize("kind", ["all", "main", "aliases"])
    def test_what_we_generate(self, tmp_path, kind):
        plan_write(tmp_path, generate(kind, everything(), secrets=SECRETS)).apply()
        # main.cf alone lacks the tables that it names.
        assert set(codes(tmp_path)) == ({"not-checked"} if kind == "main" else set())

    def test_what_we_generate_is_meant(self, tmp_path):
        settings = everything(
            bind_dn="cn=postfix,dc=example,dc=com # 1", start_tls=True,
            tls_ca_cert_file="/etc/ssl/ca #1.pem",
        )  # fmt: skip
        secrets = Secrets(relay_password="p # w", bind_password="p # w")
        plan_write(tmp_path, generate("all", settings, secrets=secrets)).apply()
        assert codes(tmp_path) == []

    def test_debians_stock_files(self, tmp_path):
        stock = {path.name: path.read_text() for path in STOCK.iterdir()}
        assert codes(write(tmp_path, stock)) == []

    def test_ours_merged_into_debians(self, tmp_path):
        from mailldap.postfix.apply import merge_parameters
        from mailldap.postfix.generate.generate import main_parameters, master_services
        from mailldap.postfix.main_cf import MainCf

        files = {path.name: path.read_text() for path in STOCK.iterdir()}
        settings = everything()
        merged = merge_parameters(MainCf.parse(files["main.cf"]), main_parameters(settings))
        kept = [s for s in MainCf.parse(files["main.cf"]).settings if s.name not in merged]
        files["main.cf"] = "".join(f"{s.name} = {s.value}\n" for s in kept) + "".join(
            f"{name} = {value}\n" for name, value in merged.items()
        )
        files["master.cf"] += "".join(f"{s}\n" for s in master_services(settings))
        folder = write(tmp_path, files)
        files = generate("all", settings, secrets=SECRETS)
        plan_write(folder, [f for f in files if f.name != "main.cf"]).apply()
        assert check(folder) == []


class TestSecrets:
    @pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o666])
    def test_open_to_everybody(self, tmp_path, mode):
        folder = write(tmp_path, {**CLEAN, "ldap-aliases.cf": BOUND})
        assert codes(folder) == []
        (folder / "ldap-aliases.cf").chmod(mode)
        (finding,) = check(folder)
        assert (finding.code, finding.parameter) == ("secret-readable", "bind_pw")
        assert finding.fix.startswith("chmod 600 ")

    def test_the_database_of_passwords_too(self, tmp_path):
        main = MAIN + RELAY.replace("texthash", "hash")
        files = {**CLEAN, "main.cf": main, "sasl_passwd": "[smtp.gmail.com]:587 u:p\n",
                 "sasl_passwd.db": ""}  # fmt: skip
        folder = write(tmp_path, files)
        assert codes(folder) == []
        (folder / "sasl_passwd.db").chmod(0o644)
        assert codes(folder) == ["secret-readable"]

    def test_closed_to_proxymap(self, tmp_path):
        main = MAIN.replace("ldap:", "proxy:ldap:")
        folder = write(tmp_path, {**CLEAN, "main.cf": main, "ldap-aliases.cf": BOUND})
        assert codes(folder) == ["secret-unreadable"]

    def test_never_in_a_message(self, tmp_path):
        table = BOUND.replace("bind_pw = pw", "bind_pw = hunter2 # mine").replace(
            "timeout = 4", "timeout = hunter2"
        )
        folder = write(tmp_path, {**CLEAN, "ldap-aliases.cf": table})
        (folder / "ldap-aliases.cf").chmod(0o644)
        found = check(folder)
        assert {f.code for f in found} >= {"inline-comment", "secret-readable"}
        assert "hunter2" not in repr([f for f in found if f.parameter != "timeout"])


class TestAtHome:
    """Files beside the set are judged on the machine that it runs on, not on a copy."""

    def test_missing_tables_and_databases(self, tmp_path):
        files = {**CLEAN, "main.cf": MAIN + "alias_maps = hash:/etc/aliases\n"}
        del files["ldap-aliases.cf"]
        folder, where = home(tmp_path, files)
        assert places(folder, **where) == {
            ("table-missing", "main.cf", 4, "virtual_alias_maps"),
            ("table-missing", "main.cf", 5, "alias_maps"),
        }
        (tmp_path / "etc" / "aliases").write_text("root: a\n")
        assert [f.fix for f in check(folder, **where)][1] == "run newaliases"
        write(folder, {"ldap-aliases.cf": TABLE})
        (tmp_path / "etc" / "aliases.db").write_text("")
        assert codes(folder, **where) == []
        assert codes(write(tmp_path / "copy", files)) == ["not-checked"]

    def test_postmap_is_not_run_on_aliases(self, tmp_path):
        (tmp_path / "etc").mkdir()
        for name in ("aliases", "more", "users"):
            (tmp_path / "etc" / name).write_text("root: a\n")
        lines = [
            "alias_maps = hash:/etc/aliases hash:/etc/more",
            "alias_database = hash:/etc/aliases",
            "local_recipient_maps = hash:/etc/users $alias_maps",
        ]
        files = {**CLEAN, "main.cf": MAIN + "".join(f"{line}\n" for line in lines)}
        folder, where = home(tmp_path, files)
        fixes = [f.fix for f in check(folder, **where) if f.parameter == "local_recipient_maps"]
        assert fixes == [
            "run postmap hash:/etc/users",
            "run newaliases",
            "run postalias hash:/etc/more",
        ]

    @pytest.mark.parametrize(
        "table",
        ["regexp:/nonexistent", "pcre:/etc/postfix/x", "cidr:/x", "texthash:/x", "hash:/x",
         "ldap:/nonexistent.cf", "proxy:ldap:/x.cf", "unionmap:{inline:{a=b}, cidr:/x}"],
    )  # fmt: skip
    def test_a_table_that_is_not_there(self, tmp_path, table):
        files = {**CLEAN, "main.cf": MAIN.replace("alias_maps = ", f"alias_maps = {table} ")}
        folder, where = home(tmp_path, files)
        (finding,) = check(folder, **where)
        assert (finding.code, finding.line) == ("table-missing", 4)

    def test_caches_are_postfixs_own(self, tmp_path):
        stock = {path.name: path.read_text() for path in STOCK.iterdir()}
        assert "smtp_tls_session_cache_database" in stock["main.cf"]
        stock["main.cf"] = stock["main.cf"].replace("hash:/etc/aliases", "").replace(
            "/etc/ssl", "/etc/postfix/ssl"
        ) + (
            "address_verify_map = btree:$data_directory/verify_cache\n"
            "postscreen_cache_map = proxy:btree:$data_directory/postscreen_cache\n"
        )
        (tmp_path / "etc/postfix/ssl/certs").mkdir(parents=True)
        (tmp_path / "etc/postfix/ssl/private").mkdir()
        for name in ("certs/ssl-cert-snakeoil.pem", "private/ssl-cert-snakeoil.key"):
            (tmp_path / "etc/postfix/ssl" / name).write_text("")
        folder, where = home(tmp_path, stock)
        assert codes(folder, **where) == []

    def test_a_stale_database(self, tmp_path):
        main = MAIN + "transport_maps = hash:/etc/postfix/transport\n"
        files = {**CLEAN, "main.cf": main, "transport": "a smtp:\n", "transport.db": ""}
        folder, where = home(tmp_path, files)
        os.utime(folder / "transport", ns=(10**18, 10**18))
        os.utime(folder / "transport.db", ns=(2 * 10**18, 2 * 10**18))
        assert codes(folder, **where) == []
        os.utime(folder / "transport", ns=(3 * 10**18, 3 * 10**18))
        (finding,) = check(folder, **where)
        assert finding.code == "table-stale"
        assert finding.fix == "run postmap hash:/etc/postfix/transport"

    def test_missing_certificates(self, tmp_path):
        main = MAIN + "smtp_tls_CAfile = /etc/postfix/cacert.pem\n"
        files = {**CLEAN, "main.cf": main}
        folder, where = home(tmp_path, files)
        assert places(folder, **where) == {("file-missing", "main.cf", 5, "smtp_tls_CAfile")}
        (folder / "cacert.pem").write_text("")
        assert codes(folder, **where) == []

    def test_a_deliver_that_is_not_cyrus(self, tmp_path):
        entry = (
            "dovecot unix - n n - - pipe\n  user=vmail argv=/usr/lib/dovecot/deliver -d ${user}\n"
        )
        files = {**CLEAN, "master.cf": MASTER + entry}
        folder, where = home(tmp_path, files)
        assert codes(folder, **where) == []
        write(folder, {"main.cf": MAIN + "virtual_transport = dovecot:\n"})
        assert "program-missing" in codes(folder, **where)

    def test_a_deliver_that_is_there(self, tmp_path):
        entry = "cyrus unix - n n - - pipe\n  user=cyrus argv=/usr/lib/cyrus/bin/deliver ${user}\n"
        folder, where = home(tmp_path, {**CLEAN, "master.cf": MASTER + entry})
        assert codes(folder, **where) == ["deliver-missing"]
        program = tmp_path / "usr/lib/cyrus/bin/deliver"
        program.parent.mkdir(parents=True)
        program.write_text("")
        assert codes(folder, **where) == ["deliver-missing"]
        program.chmod(0o755)
        assert codes(folder, **where) == []


def test_a_generated_file_that_was_edited(tmp_path):
    plan_write(tmp_path, generate("all", everything(), secrets=SECRETS)).apply()
    path = tmp_path / "ldap-aliases.cf"
    path.write_bytes(path.read_bytes().replace(b"timeout = 4", b"timeout = 5"))
    (finding,) = check(tmp_path)
    assert finding.code == "edited-by-hand"
    assert Path(finding.file) == path
    assert "generate aliases" in finding.fix


def test_a_change_that_was_cut_off(tmp_path, monkeypatch):
    folder = write(tmp_path, CLEAN)
    monkeypatch.setattr(changeset.Journal, "finish", lambda self: None)
    changeset.commit(folder, [FileChange(folder / "main.cf", b"x = y\n", MAIN.encode())])
    assert "change-cut-off" in codes(folder)


def test_what_is_no_file_ends_no_check(tmp_path):
    tables = "relocated_maps = texthash:/etc/postfix/folder, ldap:/etc/postfix/folder\n"
    devices = "transport_maps = texthash:/dev/null\nheader_checks = regexp:/etc/postfix/pipe.cf\n"
    folder = write(tmp_path, {**CLEAN, "main.cf": MAIN + tables + devices})
    (folder / "folder").mkdir()
    (folder / "loop.cf").symlink_to("loop.cf")
    os.mkfifo(folder / "pipe.cf")
    assert {(f.code, Path(f.file).name, f.fix) for f in check(folder)} == {
        ("not-checked", "folder", "make it a file"),
        ("not-checked", "loop.cf", "make it a file"),
    }


def test_a_folder_that_one_may_not_look_into_ends_no_check(tmp_path, monkeypatch):
    main = MAIN + RELAY.replace("postfix/sasl_passwd", "postfix/sasl/passwd")
    main += "smtpd_tls_cert_file = /etc/postfix/sasl/cert.pem\n"
    main += "relocated_maps = ldap:/etc/postfix/sasl/ldap.cf, hash:/etc/postfix/sasl/x\n"
    drop = f"drop unix - n n - - pipe\n  user=a argv={tmp_path}/etc/postfix/sasl/deliver\n"
    folder, where = home(tmp_path, {**CLEAN, "main.cf": main, "master.cf": MASTER + drop})
    (folder / "sasl").mkdir()
    real = Path.stat

    def closed(path, **more):
        if path.parent.name == "sasl":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, **more)

    monkeypatch.setattr(Path, "stat", closed)
    assert {(f.code, Path(f.file).name, f.fix) for f in check(folder, **where)} == {
        ("not-checked", "ldap.cf", "check as root"),
        ("not-checked", "passwd", "check as root"),
        ("file-missing", "main.cf", "correct the path"),  # the CA bundle, which this root lacks
    }


def test_what_may_not_be_read_is_told(tmp_path, monkeypatch):
    files = {**CLEAN, "main.cf": MAIN + RELAY, "sasl_passwd": "other u:p\n"}
    folder = write(tmp_path, files)
    real = Path.read_bytes

    def closed(path):
        if path.name == "sasl_passwd":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", closed)
    (finding,) = check(folder)
    assert (finding.code, finding.severity) == ("not-checked", "info")
    assert finding.file == str(folder / "sasl_passwd")
    assert "Permission denied" in finding.message


def test_nothing_to_check(tmp_path):
    with pytest.raises(ConfigError, match=r"no main\.cf"):
        check(tmp_path)
    with pytest.raises(ConfigError):
        check(tmp_path / "no-such-folder")


def test_files_are_named_as_the_caller_names_the_folder(tmp_path, monkeypatch):
    write(tmp_path / "conf", {**CLEAN, "main.cf": MAIN + "relayhosts = a\n"})
    monkeypatch.chdir(tmp_path)
    (finding,) = check("conf")
    assert finding.file == "conf/main.cf"


def test_a_table_nobody_names_is_checked_too(tmp_path):
    assert codes(write(tmp_path, {"own.cf": TABLE + "timeout = 30\n"})) == [
        "ldap-timeout",
        "overridden",
    ]


@pytest.mark.parametrize("name", ["main.cf", "master.cf", "ldap-aliases.cf", "sasl_passwd"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\xff\xfe = \xff # \xff\n", b"=\n", b"  \n", b"#\n", b"a = ${b\n", b"a={#\n",
     b"smtpd_recipient_restrictions = {\n", b"x inet n - n - - smtpd -o\n",
     b"x inet n - n - - smtpd -o {a\n", b"relayhost = [\n", b"mydestination = $mydestination\n",
     b"virtual_alias_maps = ldap:/\n", b"search_base = %\nquery_filter = ((\n", b"\r\n\r\n",
     b"mydestination = ! , !a, #\n", b"search_base = dc=\nquery_filter = %s\nserver_host = ldap://[\n"],
    ids=repr,
)  # fmt: skip
def test_any_bytes_end_in_findings(tmp_path, name, content):
    folder = write(tmp_path, {**CLEAN, "main.cf": MAIN + RELAY, name: content})
    for finding in check(folder):
        assert finding.message
