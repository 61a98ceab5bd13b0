"""Settings: precedence, origins, and every problem reported together."""

from pathlib import Path

import pytest

from mailldap.config.load import load_settings
from mailldap.config.secret import read_secret
from mailldap.config.settings import domain_of
from mailldap.errors import ConfigError, SecretExposed


def load(tmp_path: Path, yaml: str | None = None, env=None, flags=None, **more):
    if yaml is not None:
        (tmp_path / "mailldap.yaml").write_text(yaml)
    conf = more.pop("ldap_conf", tmp_path / "no-ldap.conf")
    return load_settings(flags or {}, env or {}, cwd=tmp_path, ldap_conf=conf, **more)


def test_each_source_gives_way_to_the_stronger(tmp_path: Path) -> None:
    conf = tmp_path / "ldap.conf"
    conf.write_text("# libldap\nBASE dc=conf\nURI ldap://conf\n")
    (tmp_path / "ldaprc").write_text("BASE dc=rc\n")
    steps = [
        ({}, "dc=rc"),
        ({"env": {"LDAPBASE": "dc=ldapenv"}}, "dc=ldapenv"),
        ({"yaml": "base: dc=yaml\n", "env": {"LDAPBASE": "dc=ldapenv"}}, "dc=yaml"),
        ({"yaml": "base: dc=yaml\nprofile: p\nprofiles: {p: {base: dc=p}}\n"}, "dc=p"),
        ({"env": {"MAILLDAP_BASE": "dc=env"}}, "dc=env"),
        ({"env": {"MAILLDAP_BASE": "dc=env"}, "flags": {"base": "dc=flag"}}, "dc=flag"),
    ]
    for given, expected in steps:
        settings = load(tmp_path, ldap_conf=conf, **given)
        assert settings.base == expected
        assert settings.uris == ("ldap://conf",)


def test_ldapnoinit_switches_libldap_off(tmp_path: Path) -> None:
    env = {"LDAPNOINIT": "1", "LDAPBASE": "dc=x", "LDAPURI": "ldap://x"}
    settings = load(tmp_path, env=env)
    assert (settings.base, settings.uris) == (None, ())


def test_all_problems_come_with_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            tmp_path,
            "uri: ldap://a\nbsae: dc=x\npostfix:\n  timeout: soon\n  senders:\n    format: csv\n",
        )
    lines = str(caught.value).splitlines()
    assert [line.split(":")[1] for line in lines] == ["2", "4", "6"]
    assert "did you mean base" in lines[0]
    assert "'soon'" in lines[1]
    assert "texthash" in lines[2]
    assert caught.value.exit_status == 78


@pytest.mark.parametrize(
    ("yaml", "line", "word"),
    [
        ("uri: [a\nbase: x\n", 2, "YAML"),
        ("base: a\nbase: b\n", 2, "twice"),
        ("- a\n", 1, "key: value"),
        ("base: !!python/object:os.system x\n", None, None),
        ("\x00", None, "YAML"),
    ],
)
def test_broken_yaml_is_a_configuration_error(tmp_path: Path, yaml, line, word) -> None:
    if word is None:
        load(tmp_path, yaml)
        return
    with pytest.raises(ConfigError, match=word) as caught:
        load(tmp_path, yaml)
    assert caught.value.line == line


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, "uri: ldif:mail.ldif\npassword_file: pw\nschema: [a.schema]\n")
    assert settings.uris == (f"ldif:{tmp_path / 'mail.ldif'}",)
    assert settings.password_file == tmp_path / "pw"
    assert settings.schema == (tmp_path / "a.schema",)


def test_a_misspelt_variable_is_noticed_and_a_foreign_one_is_not(tmp_path: Path) -> None:
    assert load(tmp_path, env={"MAILLDAP_FUZZ": "9", "MAILLDAP_ENGINE": "podman"})
    with pytest.raises(ConfigError, match="MAILLDAP_BIND_DM"):
        load(tmp_path, env={"MAILLDAP_BIND_DM": "cn=x"})


def test_parts_of_postfix_are_there_when_asked_for(tmp_path: Path) -> None:
    settings = load(
        tmp_path, "postfix:\n  senders: yes\n  relay: {}\n  cyrus:\n    delivery: pipe\n"
    )
    assert settings.postfix.senders is not None
    assert settings.postfix.relay is not None
    assert settings.postfix.cyrus is not None
    assert settings.postfix.cyrus.delivery == "pipe"
    bare = load(tmp_path, "base: dc=x\n")
    assert (bare.postfix.senders, bare.postfix.relay, bare.postfix.cyrus) == (None, None, None)


@pytest.mark.parametrize(
    ("base", "domain"),
    [
        ("dc=example,dc=com", "example.com"),
        ("ou=Mail, DC=Example, dc=com", "example.com"),
        ("o=example", None),
    ],
)
def test_the_base_spells_the_mail_domain(base: str, domain: str | None) -> None:
    assert domain_of(base) == domain


def test_a_secret_loses_one_newline_and_must_be_private(tmp_path: Path) -> None:
    path = tmp_path / "pw"
    path.write_bytes(b" pass word \n\n")
    path.chmod(0o600)
    assert read_secret(path) == " pass word \n"
    for mode in (0o640, 0o604, 0o644):
        path.chmod(mode)
        with pytest.raises(SecretExposed, match=f"{mode:04o}") as caught:
            read_secret(path)
        assert "pass word" not in str(caught.value)
    with pytest.raises(ConfigError, match="No such file"):
        read_secret(tmp_path / "none")


def test_the_password_is_in_no_representation(tmp_path: Path) -> None:
    settings = load(tmp_path, env={"MAILLDAP_PASSWORD": "hunter2"})
    assert settings.password == "hunter2"
    assert "hunter2" not in repr(settings)
