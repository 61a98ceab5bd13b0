"""What the generated LDAP tables say, and what they refuse to say."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.config.settings import PostfixSettings, SendersSettings, Settings
from mailldap.errors import ConfigError, SecretExposed
from mailldap.postfix.generate.files import Secrets
from mailldap.postfix.generate.generate import generate
from mailldap.postfix.generate.seal import seal, seal_state, sealed_kind

PLAIN = Settings(uris=("ldap://ldap1.internal", "ldap://ldap2.internal"), base="dc=example,dc=com")


def with_postfix(settings=PLAIN, **values):
    return dataclasses.replace(settings, postfix=dataclasses.replace(settings.postfix, **values))


def parameters(content: bytes) -> dict[str, str]:
    lines = content.decode().splitlines()
    pairs = [line.partition(" = ") for line in lines if line and not line.startswith("#")]
    assert all(separator for _, separator, _ in pairs)
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name: value for name, _, value in pairs}


def test_the_plain_table():
    (file,) = generate("aliases", PLAIN)
    assert (file.name, file.mode, file.secret) == ("ldap-aliases.cf", 0o644, False)
    assert parameters(file.content) == {
        "server_host": "ldap://ldap1.internal ldap://ldap2.internal",
        "timeout": "4",
        "version": "3",
        "bind": "no",
        "query_filter": "(&(objectClass=mailRecipient)(|(mail=%s)(mailAlternateAddress=%s)))",
        "result_attribute": "mailRoutingAddress",
        "scope": "sub",
        "search_base": "dc=example,dc=com",
        "size_limit": "10",
    }


def test_two_runs_give_the_same_bytes():
    assert generate("aliases", PLAIN) == generate("aliases", PLAIN)


def test_the_mark_notices_any_later_edit():
    (file,) = generate("aliases", PLAIN)
    assert seal_state(file.content) == "intact"
    assert sealed_kind(file.content) == "aliases"
    assert seal_state(file.content.replace(b"timeout = 4", b"timeout = 9")) == "edited"
    assert seal_state(file.content + b"\n") == "edited"
    assert seal_state(b"timeout = 4\n") == "foreign"
    assert seal_state(b"\n" + file.content) == "foreign"


@given(st.binary(), st.binary(min_size=1))
def test_a_seal_holds_for_its_body_only(body, more):
    assert seal_state(seal("main", body)) == "intact"
    assert seal_state(seal("main", body) + more) == "edited"


def test_percent_in_a_base_is_doubled():
    (file,) = generate("aliases", dataclasses.replace(PLAIN, base="ou=50%d,dc=example,dc=com"))
    assert parameters(file.content)["search_base"] == "ou=50%%d,dc=example,dc=com"


@pytest.mark.parametrize("bad", ["\n", "\r", "\0", "\t", "\x1b[31m", "\u2028", "\u00a0", "\udcff"])
def test_a_value_that_no_cf_file_can_hold_is_refused(bad):
    with pytest.raises(ConfigError) as caught:
        generate("aliases", dataclasses.replace(PLAIN, base=f"ou=a{bad}bind = yes,dc=example"))
    assert "base" in caught.value.message
    assert bad not in caught.value.message


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"hosts": ("ldap://a b",)}, "postfix.hosts"),
        ({"hosts": ("ldap://a,ldap://b",)}, "postfix.hosts"),
        ({"hosts": ("http://a",)}, "postfix.hosts"),
        ({"hosts": ("ldap1.internal",)}, "postfix.hosts"),
        ({"hosts": ("ldap://a:port",)}, "postfix.hosts"),
        ({"hosts": ("ldap://[::1",)}, "postfix.hosts"),
        ({"hosts": ("ldap://a/dc=x??sub?(a=b)",)}, "postfix.hosts"),
        ({"hosts": ("ldap://user:pw@a",)}, "takes no user and password"),
        ({"hosts": ("ldaps://a", "ldap://b"), "start_tls": True}, "start_tls"),
        ({"bind_dn": "cn=postfix,dc=example,dc=com"}, "no password"),
        ({"config_directory": "etc/postfix"}, "config_directory"),
        ({"config_directory": "/etc/my postfix"}, "config_directory"),
    ],
)
def test_settings_that_postfix_could_not_use_are_refused(values, said):
    kind = "main" if "config_directory" in values else "aliases"
    with pytest.raises(ConfigError, match=said):
        generate(kind, with_postfix(**values))


def test_an_ldif_directory_alone_is_nothing_postfix_can_ask():
    with pytest.raises(ConfigError) as caught:
        generate("aliases", Settings(uris=("ldif:example.ldif",), base="dc=example,dc=com"))
    assert "postfix: hosts:" in caught.value.hint


def test_hosts_win_over_uri_and_ldif_uris_are_left_out():
    settings = dataclasses.replace(PLAIN, uris=("ldif:x", "ldap://one"))
    assert parameters(generate("aliases", settings)[0].content)["server_host"] == "ldap://one"
    settings = with_postfix(settings, hosts=("ldap://two",))
    assert parameters(generate("aliases", settings)[0].content)["server_host"] == "ldap://two"


class TestBinding:
    bound = dataclasses.replace(
        PLAIN,
        bind_dn="cn=admin,dc=example,dc=com",
        password="admins",
        postfix=PostfixSettings(
            bind_dn="cn=postfix,dc=example,dc=com", hosts=("ldap://localhost",)
        ),
    )

    def test_the_password_makes_the_file_private(self):
        (file,) = generate("aliases", self.bound, secrets=Secrets(bind_password="s3cret"))
        found = parameters(file.content)
        assert found["bind"] == "yes"
        assert found["bind_dn"] == "cn=postfix,dc=example,dc=com"
        assert found["bind_pw"] == "s3cret"
        assert (file.mode, file.secret, file.group) == (0o600, True, None)
        assert b"admin" not in file.content
        assert "s3cret" not in repr(file)

    def test_proxymap_reads_it_by_group(self):
        settings = with_postfix(self.bound, hosts=("ldaps://ldap1.internal",))
        (file,) = generate("aliases", settings, secrets=Secrets(bind_password="s3cret"))
        assert (file.mode, file.group) == (0o640, "postfix")

    def test_from_a_file_that_others_cannot_read(self, tmp_path):
        path = tmp_path / "pw"
        path.write_text("from file\n")
        path.chmod(0o600)
        settings = with_postfix(self.bound, bind_password_file=path)
        assert parameters(generate("aliases", settings)[0].content)["bind_pw"] == "from file"
        path.chmod(0o644)
        with pytest.raises(SecretExposed):
            generate("aliases", settings)

    def test_never_as_mailldap_itself(self):
        settings = with_postfix(self.bound, bind_dn="CN=Admin, dc=example, dc=com")
        with pytest.raises(ConfigError, match="own identity"):
            generate("aliases", settings, secrets=Secrets(bind_password="x"))

    @pytest.mark.parametrize("password", ["two\nlines", " s3cret", "s3cret ", "s3cret\x00", ""])
    def test_a_password_that_cannot_be_written_is_not_told(self, password):
        with pytest.raises(ConfigError) as caught:
            generate("aliases", self.bound, secrets=Secrets(bind_password=password))
        assert "s3cret" not in str(caught.value)
        assert "lines" not in str(caught.value)

    def test_clear_text_to_another_host_is_refused(self):
        settings = with_postfix(self.bound, hosts=("ldap://ldap1.internal",))
        secrets = Secrets(bind_password="x")
        with pytest.raises(ConfigError, match="clear text"):
            generate("aliases", settings, secrets=secrets)
        assert generate("aliases", with_postfix(settings, start_tls=True), secrets=secrets)
        allowed = dataclasses.replace(settings, allow_cleartext_password=True)
        assert generate("aliases", allowed, secrets=secrets)


def test_tls_checks_the_certificate_and_goes_through_proxymap():
    settings = with_postfix(start_tls=True, tls_ca_cert_file="/etc/ssl/own.pem")
    found = parameters(generate("aliases", settings)[0].content)
    assert found["start_tls"] == "yes"
    assert found["tls_require_cert"] == "yes"
    assert found["tls_ca_cert_file"] == "/etc/ssl/own.pem"
    assert b"virtual_alias_maps = proxy:ldap:" in generate("main", settings)[0].content
    assert b"virtual_alias_maps = ldap:" in generate("main", PLAIN)[0].content


def test_senders_answer_with_the_owner():
    settings = with_postfix(senders=SendersSettings(owner_attribute="employeeNumber"))
    table = parameters(generate("senders", settings)[0].content)
    assert table["result_attribute"] == "employeeNumber"
    # Every owner counts: with a limit an address of many would be refused to all of them.
    assert "size_limit" not in table


@pytest.mark.parametrize("name", ["2.5.4.3", "*", "uid;x-a", "uid mail", "", "uid\n"])
def test_an_owner_attribute_that_postfix_never_finds_is_refused(name):
    settings = with_postfix(senders=SendersSettings(owner_attribute=name))
    with pytest.raises(ConfigError, match="owner_attribute"):
        generate("senders", settings)
