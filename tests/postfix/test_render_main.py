"""The main.cf and master.cf lines, and the files beside them."""

import dataclasses

import pytest

from mailldap.config.settings import CyrusSettings, RelaySettings, SendersSettings, Settings
from mailldap.directory.base import Scope
from mailldap.errors import BadData, ConfigError
from mailldap.ldap.entry import Entry
from mailldap.postfix.generate.cyrus import find_deliver
from mailldap.postfix.generate.files import Secrets
from mailldap.postfix.generate.generate import generate, main_parameters, master_services
from mailldap.postfix.generate.seal import seal_state
from mailldap.postfix.main_cf import MainCf

PLAIN = Settings(uris=("ldap://ldap1.internal",), base="dc=example,dc=com")
RELAY = RelaySettings(username="user.name@gmail.com")
SECRETS = Secrets(relay_password="correct: horse")


def with_postfix(**values):
    return dataclasses.replace(PLAIN, postfix=dataclasses.replace(PLAIN.postfix, **values))


def named(files):
    return {file.name: file for file in files}


def lines_of(content: bytes) -> list[str]:
    return [line for line in content.decode().splitlines() if line and line[0] != "#"]


class Directory:
    """A Reader of a few entries."""

    uri, base = "memory:", "dc=example,dc=com"

    def __init__(self, *entries):
        self.entries = entries

    def search(self, base, scope, filter, attributes=(), *, size_limit=0):
        assert (base, scope) == (self.base, Scope.SUB)
        yield from self.entries

    def get(self, dn, attributes=()):
        return next((e for e in self.entries if e.dn == dn), None)

    def close(self):
        pass


def person(uid, *addresses, **more):
    return Entry.of(f"uid={uid},dc=example,dc=com", {"uid": [uid], "mail": addresses, **more})


def test_main_is_the_aliases_alone_unless_more_is_configured():
    (file,) = generate("main", PLAIN)
    assert (file.name, file.mode) == ("main.cf", 0o644)
    assert lines_of(file.content) == [
        "virtual_alias_domains = example.com",
        "virtual_alias_maps = ldap:/etc/postfix/ldap-aliases.cf",
    ]


def test_domains_are_sorted_lower_case_and_once():
    settings = with_postfix(domains=("Mail.Example.NET.", "example.com", "EXAMPLE.com"))
    assert main_parameters(settings)["virtual_alias_domains"] == "example.com mail.example.net"


@pytest.mark.parametrize("name", ["exam ple.com", "a,b", "$mydomain", "{x}", "a..b", "", "x\ny"])
def test_what_is_no_domain_is_refused(name):
    with pytest.raises(ConfigError):
        generate("main", with_postfix(domains=(name,)))


def test_without_any_domain_the_way_out_is_named():
    with pytest.raises(ConfigError) as caught:
        generate("main", dataclasses.replace(PLAIN, base="o=example"))
    assert "domains" in caught.value.hint


def test_postfix_reads_back_what_was_meant():
    settings = with_postfix(
        senders=SendersSettings(),
        relay=RELAY,
        cyrus=CyrusSettings(),
        config_directory="/srv/$mail",
    )
    (file,) = generate("main", settings)
    main = MainCf.parse(file.content.decode())
    assert main.get("virtual_alias_maps") == "ldap:/srv/$mail/ldap-aliases.cf"
    assert main.get("smtp_sasl_password_maps") == "hash:/srv/$mail/sasl_passwd"
    assert not main.warnings
    assert {s.name: s.value for s in main.settings} == main_parameters(settings)


class TestSenders:
    def test_the_refusal_stands_alone_and_auth_is_on(self):
        found = main_parameters(with_postfix(senders=SendersSettings(sasl_type="dovecot")))
        assert found["smtpd_sender_restrictions"] == "reject_sender_login_mismatch"
        assert found["smtpd_sender_login_maps"] == "ldap:/etc/postfix/ldap-senders.cf"
        assert found["smtpd_sasl_auth_enable"] == "yes"
        assert found["smtpd_tls_auth_only"] == "yes"
        assert found["smtpd_sasl_type"] == "dovecot"

    @pytest.mark.parametrize(("form", "index"), [("hash", "hash"), ("texthash", None)])
    def test_a_table_from_the_directory(self, form, index):
        settings = with_postfix(senders=SendersSettings(format=form))
        directory = Directory(
            person("user4", "@example.com"),
            person("user1", "User2@example.com", "user1@example.com"),
            person("user3", '"a b"@example.com', mailAlternateAddress=["user1@example.com"]),
            Entry.of("cn=nobody,dc=example,dc=com", {"mail": ["nobody@example.com"]}),
        )
        table, lines = generate("senders", settings, reader=directory)
        assert (table.name, table.index) == ("sender_login_maps", index)
        assert lines_of(table.content) == [
            '"a b"@example.com user3',
            "@example.com user4",
            "user1@example.com user1,user3",
            "user2@example.com user1",
        ]
        assert (
            f"smtpd_sender_login_maps = {form}:/etc/postfix/sender_login_maps"
            in lines.content.decode()
        )

    @pytest.mark.parametrize(
        "entry",
        [
            person("two words", "a@example.com"),
            person("a,b", "a@example.com"),
            person("a", "a b@example.com"),
            person("a", "#a@example.com"),
            person("a", "a@example.com\nb@example.com root"),
            person("a", b"\xff@example.com"),
            person("a", '"a@example.com'),
        ],
        ids=str,
    )
    def test_what_a_text_table_would_misread_is_refused_by_name(self, entry):
        settings = with_postfix(senders=SendersSettings(format="texthash"))
        with pytest.raises(BadData) as caught:
            generate("senders", settings, reader=Directory(entry))
        assert entry.dn in caught.value.message

    def test_a_table_needs_a_directory(self):
        with pytest.raises(ConfigError, match="directory"):
            generate("senders", with_postfix(senders=SendersSettings(format="hash")))


class TestRelay:
    def test_gmail(self):
        found = main_parameters(with_postfix(relay=RELAY))
        assert found["relayhost"] == "[smtp.gmail.com]:587"
        assert found["smtp_tls_security_level"] == "secure"
        assert found["smtp_sasl_security_options"] == "noanonymous, noplaintext"
        assert found["smtp_sasl_tls_security_options"] == "noanonymous"
        assert found["smtp_tls_CAfile"] == "/etc/ssl/certs/ca-certificates.crt"
        assert "smtp_tls_wrappermode" not in found

    @pytest.mark.parametrize(
        "host", ["[smtp.gmail.com]:587", "smtp.example.net", "[192.0.2.1]:submission", "[::1]:25"]
    )
    def test_the_key_is_the_relayhost_as_written(self, host):
        relay = dataclasses.replace(RELAY, host=host)
        files = named(generate("relay", with_postfix(relay=relay), secrets=SECRETS))
        password = files["sasl_passwd"]
        assert lines_of(password.content) == [f"{host} user.name@gmail.com:correct: horse"]
        assert f"relayhost = {host}" in lines_of(files["main-relay.cf"].content)
        assert (password.mode, password.secret, password.index) == (0o600, True, "hash")
        assert b"horse" not in files["main-relay.cf"].content
        assert "horse" not in repr(files)

    def test_private_next_hops_keep_their_way(self):
        found = main_parameters(with_postfix(relay=RELAY))
        assert ".internal=smtp:" in found["transport_maps"]
        assert ".internal=may" in found["smtp_tls_policy_maps"]
        bare = main_parameters(with_postfix(relay=dataclasses.replace(RELAY, direct=())))
        assert "transport_maps" not in bare
        assert "smtp_tls_policy_maps" not in bare

    @pytest.mark.parametrize("port", ["465", "submissions", "smtps"])
    def test_wrapper_mode_has_a_transport_for_what_goes_around(self, port):
        relay = dataclasses.replace(RELAY, host=f"[smtp.gmail.com]:{port}")
        settings = with_postfix(relay=relay)
        found = main_parameters(settings)
        assert found["smtp_tls_wrappermode"] == "yes"
        assert ".internal=smtp-direct:" in found["transport_maps"]
        (service,) = master_services(settings)
        assert "-o smtp_tls_wrappermode=no" in str(service)
        assert str(service).startswith("smtp-direct unix")

    @pytest.mark.parametrize(
        "values",
        [
            {"host": "smtp.gmail.com 587"},
            {"host": "[smtp.gmail.com]:587 # Gmail"},
            {"host": ""},
            {"host": "$relay"},
            {"username": ""},
            {"username": "a:b"},
            {"username": "a\nb"},
            {"ca_file": "/a\nb"},
            {"direct": ("a b",)},
        ],
        ids=str,
    )
    def test_what_cannot_be_written_is_refused(self, values):
        relay = dataclasses.replace(RELAY, **values)
        with pytest.raises(ConfigError, match=r"postfix\.relay"):
            generate("relay", with_postfix(relay=relay), secrets=SECRETS)

    def test_without_a_password_there_is_no_password_file(self):
        with pytest.raises(ConfigError) as caught:
            generate("all", with_postfix(relay=RELAY))
        assert "password_file" in caught.value.hint

    def test_to_be_looked_at_it_needs_no_password(self):
        settings = with_postfix(relay=RELAY)
        for kind in ("relay", "all"):
            names = [file.name for file in generate(kind, settings, for_display=True)]
            assert "sasl_passwd" not in names


class TestCyrus:
    def test_lmtp_by_a_service_outside_the_chroot(self):
        files = named(generate("cyrus", with_postfix(cyrus=CyrusSettings())))
        assert lines_of(files["main-cyrus.cf"].content) == [
            "local_recipient_maps = ldap:/etc/postfix/ldap-local.cf $alias_maps",
            "mailbox_transport = cyrus-lmtp:unix:/run/cyrus/socket/lmtp",
        ]
        (line,) = lines_of(files["master-cyrus.cf"].content)
        assert line.split() == ["cyrus-lmtp", "unix", "-", "-", "n", "-", "-", "lmtp"]
        table = lines_of(files["ldap-local.cf"].content)
        assert "query_filter = (&(objectClass=mailRecipient)(mailRoutingAddress=%s))" in table
        # Two people may route to one mailbox; a limit would make it unknown.
        assert not any(line.startswith("size_limit") for line in table)

    def test_pipe_with_the_program_found(self):
        settings = with_postfix(cyrus=CyrusSettings(delivery="pipe"))
        files = named(generate("cyrus", settings, deliver="/usr/lib/cyrus/bin/deliver"))
        head, arguments = lines_of(files["master-cyrus.cf"].content)
        assert head.split() == ["cyrus", "unix", "-", "n", "n", "-", "-", "pipe"]
        assert arguments == (
            "  flags=DRX user=cyrus argv=/usr/lib/cyrus/bin/deliver"
            " -e -r ${sender} -m ${extension} ${user}"
        )
        main = lines_of(files["main-cyrus.cf"].content)
        assert "mailbox_transport = cyrus" in main
        assert "cyrus_destination_recipient_limit = 1" in main

    def test_deliver_is_looked_for_where_distributions_put_it(self, tmp_path):
        assert find_deliver(tmp_path) is None
        program = tmp_path / "usr/lib64/cyrus-imapd/deliver"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        assert find_deliver(tmp_path) is None
        program.chmod(0o755)
        assert find_deliver(tmp_path) == "/usr/lib64/cyrus-imapd/deliver"

    @pytest.mark.parametrize(
        "values",
        [
            {"lmtp": "/run/cyrus/socket/lmtp"},
            {"lmtp": "unix:relative"},
            {"lmtp": "inet:a b"},
            {"lmtp": "inet:"},
            {"delivery": "pipe", "deliver": "deliver"},
            {"delivery": "pipe", "deliver": "/a b"},
            {"delivery": "pipe", "deliver": "/a/${x}"},
            {"delivery": "pipe", "deliver": "/a", "user": "cyrus argv=/bin/sh"},
        ],
        ids=str,
    )
    def test_what_cannot_be_written_is_refused(self, values):
        with pytest.raises(ConfigError, match=r"postfix\.cyrus"):
            generate("cyrus", with_postfix(cyrus=CyrusSettings(**values)))

    @pytest.mark.parametrize("where", ["inet:mail1.internal:24", "inet:[::1]:24", "inet:h"])
    def test_over_tcp(self, where):
        found = main_parameters(with_postfix(cyrus=CyrusSettings(lmtp=where)))
        assert found["mailbox_transport"] == f"cyrus-lmtp:{where}"


def test_all_is_every_file_sealed_and_named_once():
    settings = with_postfix(senders=SendersSettings(), relay=RELAY, cyrus=CyrusSettings())
    files = generate("all", settings, secrets=SECRETS)
    assert [file.name for file in files] == [
        "ldap-aliases.cf", "ldap-senders.cf", "sasl_passwd", "ldap-local.cf", "main.cf",
        "master-cyrus.cf",
    ]  # fmt: skip
    assert {seal_state(file.content) for file in files} == {"intact"}
    assert [file.name for file in generate("all", PLAIN)] == ["ldap-aliases.cf", "main.cf"]
