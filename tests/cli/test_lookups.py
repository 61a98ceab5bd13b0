"""lookup, resolve, sender and check: what they add to what the library says."""

from pathlib import Path

import pytest


def test_a_verbose_lookup_in_a_table(example, tmp_path: Path) -> None:
    (tmp_path / "a.cf").write_text(
        "server_host = ldap://127.0.0.1:1\nversion = 3\nbind = no\nsearch_base = dc=example,dc=com\n"
        "query_filter = (mail=%s)\nresult_attribute = mailRoutingAddress\n"
    )
    ask = ("-H", "ldif:example.ldif", "lookup", "--table", "ldap:./a.cf", "jd@example.com")
    told = example(*ask, "-v").err
    assert "filter (mail=jd@example.com)" in told
    assert "uid=jane.doe,ou=People,dc=example,dc=com" in told
    assert example(*ask).err == ""


def test_a_file_that_is_named_like_parameters_is_pointed_out(example, tmp_path: Path) -> None:
    """ldap_table(5): without a / or . in front the name is the beginning of parameters."""
    (tmp_path / "a.cf").write_text("server_host = ldap://127.0.0.1\nsearch_base = dc=x\n")
    ask = ("-H", "ldif:example.ldif", "lookup", "jd@example.com", "--table")
    told = example(*ask, "ldap:a.cf").err
    assert told.count("./a.cf") == 1
    assert "a.cf_server_host" in told
    assert "ldap:./a.cf" in told
    for meant in ("a.cf", "ldap:./a.cf", "ldap:b.cf"):
        assert "a.cf_server_host" not in example(*ask, meant).err


def test_what_will_be_tried_again_is_no_no(cli, tmp_path: Path) -> None:
    """One recipient bounces, the other is deferred: the answer is not 1."""
    (tmp_path / "main.cf").write_text(
        "compatibility_level = 3.6\nmyhostname = h.test\nmydestination = \n"
        "virtual_alias_domains = example.com\n"
        "virtual_alias_maps = inline:{ {both@example.com = gone@a.test, later@b.test} }\n"
        "transport_maps = inline:{ {a.test = error:5.1.1 gone}, {b.test = retry:4.3.0 later} }\n"
    )
    assert cli("resolve", "-c", ".", "both@example.com").status == 75
    assert cli("route", "-c", ".", "x@a.test").status == 1
    assert cli("route", "-c", ".", "x@b.test").status == 75
    assert cli("route", "-c", ".", "x@a.test", "x@b.test", "x@c.test").status == 75


def test_a_warning_is_given_once(cli, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(
        "compatibility_level = 3.6\nmyhostname = h.test\nlocal_recipient_maps =\n"
        "virtual_alias_domains = example.com\nvirtual_alias_maps = texthash:missing\n"
    )
    told = cli("resolve", "-c", ".", "a@example.com", "b@example.com", "a@h.test").err.splitlines()
    assert len(told) == len(set(told)) == 5, told


def test_the_trace_of_a_loop_has_its_first_round(cli, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(
        "compatibility_level = 3.6\nmyhostname = h.test\nrecipient_delimiter = +\n"
        "virtual_alias_domains = example.com\nvirtual_alias_maps = inline:{"
        " {a@example.com = b@example.com, c@d.test}, {b@example.com = A@example.com} }\n"
    )
    done = cli("resolve", "--trace", "-c", ".", "a+x@example.com")
    assert done.status == 75
    assert len(done.out.splitlines()) < 20
    assert done.out.endswith(
        "    b+x@example.com -> A+x@example.com  (virtual_alias_maps, level 2)\n"
        "    A+x@example.com comes round again: a loop, which is followed up to a limit"
        "  (to level 1000)\n"
    )


@pytest.mark.parametrize(
    ("setting", "note"),
    [
        ("search_base = ou=Poeple,dc=%2,dc=%1", "this base does not exist"),
        ("result_attribute = mailRoutingAdress", "no value to be used in mailRoutingAdress"),
        ("domain = exmaple.com", "not asked: domain does not list"),
        ("query_filter = (&(mail=%s)(uid=%9))", "not asked: the key lacks a part"),
    ],
)
def test_a_trace_says_why_nothing_was_found(example, tmp_path: Path, setting, note) -> None:
    (tmp_path / "main.cf").write_text(
        "compatibility_level = 3.6\nmyhostname = h.test\nvirtual_alias_domains = example.com\n"
        f"virtual_alias_maps = ldap:{tmp_path}/a.cf\n"
    )
    (tmp_path / "a.cf").write_text(
        "server_host = ldap://127.0.0.1:1\nversion = 3\nbind = no\nsearch_base = dc=example,dc=com\n"
        f"query_filter = (mail=%s)\nresult_attribute = mailRoutingAddress\n{setting}\n"
    )
    words = ("resolve", "--trace", "-c", ".", "jd@example.com")
    assert f"        ({note}" in example("-H", "ldif:example.ldif", *words).out


def test_a_trace_names_the_servers_that_nobody_reached(cli, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(
        "compatibility_level = 3.6\nmyhostname = h.test\nvirtual_alias_domains = example.com\n"
        f"virtual_alias_maps = ldap:{tmp_path}/a.cf\n"
    )
    (tmp_path / "a.cf").write_text(
        "server_host = 127.0.0.1:1 127.0.0.1:2\nbind = no\nsearch_base = dc=example,dc=com\n"
    )
    told = cli("resolve", "--trace", "-c", ".", "jd@example.com").out
    assert "(server_host: ldap://127.0.0.1:1 ldap://127.0.0.1:2)" in told


def test_lookups_from_stdin(example, tmp_path: Path) -> None:
    from tests.cli.process import run

    keys = b"jd@example.com\nabsent@example.com\nsales@example.com"
    done = run(tmp_path, "lookup", "-", stdin=keys)
    assert done.status == 0
    assert done.out == (
        b"jd@example.com\tjane.doe@mail1.internal\n"
        b"sales@example.com\tjohn.smith@mail1.internal,jane.doe@mail1.internal\n"
    )
    assert run(tmp_path, "lookup", "-", stdin=b"absent@example.com\n").status == 1
    mixed = run(tmp_path, "lookup", "--table", "unionmap:{fail:x}", "-", stdin=b"a\nb\n")
    assert mixed.status == 75
    assert mixed.out == b""
    assert run(tmp_path, "lookup", "-", "key").status == 2


def test_a_main_cf_of_which_postmap_dies_is_bad_configuration(cli, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("smtputf8_enable = yes\ninet_protocols = ipv4 # no IPv6\n")
    done = cli("lookup", "-c", ".", "--table", "static:x", "a")
    assert done.status == 78
    assert 'main.cf:2: unknown inet_protocols value "#" in "ipv4 # no IPv6"' in done.err


def test_what_postfix_warns_about_while_it_reads_main_cf(cli, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("a = 1\na = 2\n")
    done = cli("lookup", "-c", ".", "--table", "static:x", "a")
    assert (done.status, done.out) == (0, "x\n")
    assert "main.cf, line 2: overriding earlier entry: a=1" in done.err


def test_a_file_that_main_cf_asks_as_a_prefix_is_told(cli, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(
        "x.cf_server_host = ldap://127.0.0.1:1\nvirtual_alias_maps = proxy:ldap:x.cf\n"
    )
    (tmp_path / "x.cf").write_text("")
    done = cli("lookup", "-c", ".", "a")
    assert done.status == 75
    assert "ldap:x.cf is taken from main.cf (x.cf_server_host, …)" in done.err
    assert "the file of that name is ldap:./x.cf" in done.err


@pytest.mark.parametrize("table", ["none.cf", "texthash:none", "hash:none", "regexp:none"])
def test_where_a_relative_name_begins_is_told(cli, tmp_path: Path, table: str) -> None:
    (tmp_path / "main.cf").write_text("")
    done = cli("lookup", "-c", ".", "--table", table, "a")
    assert done.status == 78
    assert "No such file or directory\n  without / in front" in done.err


@pytest.fixture
def set_(tmp_path: Path) -> Path:
    folder = tmp_path / "pf"
    folder.mkdir()
    (folder / "main.cf").write_text(
        "virtual_alias_domains = example.com\nrelayhost = [mail.test] # comment\n"
        "virtual_alias_maps = ldap:/etc/postfix/a.cf\n"
    )
    (folder / "a.cf").write_text(
        "server_host = ldap://127.0.0.1:1\nversion = 3\nbind = no\ntimeout = 4\n"
        "search_base = dc=example,dc=com\nquery_filter = (mail=%s)\n"
        "result_attribute = mailRoutingAddress\n"
    )
    return folder


def test_servers_that_cannot_be_asked_are_no_finding(cli, set_: Path) -> None:
    asked = cli("postfix", "check", "pf")
    offline = cli("postfix", "check", "--offline", "pf")
    assert asked.status == offline.status == 1
    assert asked.out == offline.out
    assert "a.cf: " in asked.err
    assert offline.err == ""


def test_a_mend_is_taken_back(cli, set_: Path) -> None:
    before = (set_ / "main.cf").read_bytes()
    assert cli("postfix", "undo", "pf").status == 78
    assert cli("postfix", "fix", "--yes", "pf").status == 0
    assert (set_ / "main.cf").read_bytes() != before
    assert cli("-n", "postfix", "undo", "pf").status == 2
    done = cli("postfix", "undo", "pf")
    assert done.status == 0
    assert "main.cf" in done.out
    assert (set_ / "main.cf").read_bytes() == before
    assert cli("postfix", "fix", "--yes", "pf").status == 0
    with (set_ / "main.cf").open("a") as stream:
        stream.write("# mine\n")
    assert cli("postfix", "undo", "pf").status == 78
    assert cli("postfix", "undo", "--force", "pf").status == 0
    assert (set_ / "main.cf").read_bytes() == before


def test_secrets_do_not_go_to_stdout(example, tmp_path: Path) -> None:
    settings = tmp_path / "mailldap.yaml"
    settings.write_text(
        "uri: ldif:example.ldif\nbase: dc=example,dc=com\npostfix:\n  hosts: [ldap://h]\n"
        "  relay:\n    username: user\n"
    )
    env = {"MAILLDAP_RELAY_PASSWORD": "hunter2"}
    for kind in ("relay", "all", "main", "aliases"):
        done = example("postfix", "generate", kind, env=env)
        assert done.status == 0, (kind, done.err)
        assert "hunter2" not in done.out + done.err
        assert example("postfix", "generate", kind).status == 0, "no password is needed to look"
    done = example("postfix", "generate", "relay", "--dir", "out", env=env)
    assert done.status == 0, done.err
    assert (tmp_path / "out" / "sasl_passwd").stat().st_mode & 0o777 == 0o600


def test_an_empty_login_map_is_named(cli, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n")
    for verb in ("owners", "list"):
        done = cli("sender", verb, "-c", ".", "x@example.com")
        assert done.status == 1
        assert "smtpd_sender_login_maps is empty" in done.err
