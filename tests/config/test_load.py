"""Settings: precedence, origins, and every problem reported together."""

from pathlib import Path

import pytest

from mailldap.config.load import load_settings
from mailldap.config.secret import read_secret
from mailldap.config.settings import domain_of
from mailldap.config.yaml_source import read_yaml
from mailldap.errors import ConfigError, SecretExposed, SettingsError


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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("NETWORK_TIMEOUT 7", 7.0),
        ("network_timeout\t+7", 7.0),
        (" NETWORK_TIMEOUT 86400", 3600.0),  # as long as mailldap waits at all
        ("NETWORK_TIMEOUT -1", 5.0),
        ("NETWORK_TIMEOUT 0", 5.0),
        ("NETWORK_TIMEOUT 2.5", 5.0),
        ("NETWORK_TIMEOUT soon", 5.0),
        (" # NETWORK_TIMEOUT 7", 5.0),
    ],
)
def test_times_of_ldap_conf_that_libldap_passes_over(tmp_path: Path, line, expected) -> None:
    (tmp_path / "ldaprc").write_text(f"{line}\n")
    assert load(tmp_path, env={}).connect_timeout == expected


@pytest.mark.parametrize(
    ("word", "verify"),
    [("never", False), ("Allow", False), ("try", True), ("demand", True), ("demnd", True)],
)
def test_certificates_are_checked_unless_ldap_conf_says_no(tmp_path: Path, word, verify) -> None:
    assert load(tmp_path, env={"LDAPTLS_REQCERT": word}).verify is verify


def test_a_bind_dn_is_the_users_business(tmp_path: Path) -> None:
    # "user-only" in ldap.conf(5): seen with ldapwhoami of OpenLDAP 2.5
    (tmp_path / "conf").write_text("BINDDN cn=me\nBASE dc=x\n")
    env = {"LDAPCONF": str(tmp_path / "conf")}
    settings = load_settings({}, env, cwd=tmp_path, ldap_conf=tmp_path / "conf")
    assert (settings.bind_dn, settings.base) == (None, "dc=x")
    assert load(tmp_path, env={"LDAPRC": "conf"}).bind_dn == "cn=me"


def test_all_problems_come_with_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(
            tmp_path,
            "uri: ldap://a\nbsae: dc=x\npostfix:\n  timeout: soon\n  senders:\n    format: csv\n",
        )
    lines = caught.value.problems
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
        ("base: " + 5000 * "[", None, "nested too deeply"),
        ("uri: &a [*a]\n", 1, "not a list"),
        ("uri: ldif:a\nbase: &a {b: *a}\n", 2, "not `key: value`"),
        ("? [a]\n: b\n", 1, "not a list"),
    ],
)
def test_broken_yaml_is_a_configuration_error(tmp_path: Path, yaml, line, word) -> None:
    if word is None:
        load(tmp_path, yaml)
        return
    with pytest.raises(ConfigError, match=word) as caught:
        load(tmp_path, yaml)
    assert caught.value.line == line


def test_a_configuration_without_end_is_none(tmp_path: Path) -> None:
    zero = Path("/dev/zero")
    with pytest.raises(ConfigError, match="no configuration"):
        read_yaml(zero, None)
    with pytest.raises(ConfigError, match="no secret"):
        read_secret(zero)
    assert read_yaml(Path("/dev/null"), None) == []


@pytest.mark.parametrize("empty", ["postfix:", "postfix: {}", "postfix:\n  relay:", "profiles:"])
def test_a_section_of_which_all_is_commented_out_is_none(tmp_path: Path, empty: str) -> None:
    assert load(tmp_path, f"base: dc=x\n{empty}\n") == load(tmp_path, "base: dc=x\n")


@pytest.mark.parametrize("value", ["on", "[x]"])
def test_a_section_that_is_a_value_is_told_as_that(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r":1: postfix should be settings, indented below it"):
        load(tmp_path, f"postfix: {value}\n")


def test_values_are_taken_as_they_are_written(tmp_path: Path) -> None:
    settings = load(tmp_path, "base: 0123\nuri: 2026-12-01\npeople: yes\nverify: no\ntimeout: 3\n")
    assert (settings.base, settings.uris, settings.people) == ("0123", ("2026-12-01",), "yes")
    assert (settings.verify, settings.timeout) == (False, 3.0)
    with pytest.raises(ConfigError, match="not 'yes'"):
        load(tmp_path, "start_tls: yes\n")


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


@pytest.mark.parametrize(
    "yaml", ["password: geheim\n", "profile: p\nprofiles: {p: {password: geheim}}"]
)
def test_a_password_stands_only_in_a_private_file(tmp_path: Path, yaml: str) -> None:
    path = tmp_path / "mailldap.yaml"
    path.write_text(yaml)
    path.chmod(0o640)
    with pytest.raises(SecretExposed, match="0640") as caught:
        load_settings({}, {}, cwd=tmp_path, ldap_conf=tmp_path / "none")
    assert "geheim" not in f"{caught.value} {caught.value.hint}"
    path.chmod(0o600)
    settings = load_settings({}, {}, cwd=tmp_path, ldap_conf=tmp_path / "none")
    assert settings.password == "geheim"


def test_a_fault_of_a_password_is_told_without_it(tmp_path: Path) -> None:
    path = tmp_path / "mailldap.yaml"
    path.touch(0o600)
    for yaml, env in (("password: [geheim]\n", {}), ("", {"MAILLDAP_PASSWORD": "ge\nheim"})):
        path.write_text(yaml)
        with pytest.raises(ConfigError, match="should be one line of text") as caught:
            load_settings({}, env, cwd=tmp_path, ldap_conf=tmp_path / "none")
        assert "heim" not in str(caught.value)


def test_the_password_is_in_no_representation(tmp_path: Path) -> None:
    settings = load(tmp_path, env={"MAILLDAP_PASSWORD": "hunter2"})
    assert settings.password == "hunter2"
    assert "hunter2" not in repr(settings)
