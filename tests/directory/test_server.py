"""LdapServer against scripted servers; what real servers say is in tests/contract."""

import contextlib

import pytest

from mailldap.directory.base import Scope, Transactional, Writer
from mailldap.directory.server import LdapServer
from mailldap.directory.server_options import ServerOptions
from mailldap.errors import (
    ApiError,
    ConfigError,
    CouldNotAsk,
    LdapRefusal,
    NoSuchObject,
    ReferralReceived,
    SizeLimitExceeded,
    Unreachable,
)
from mailldap.ldap.change import Add, Delete
from mailldap.ldap.entry import Entry
from tests.directory.fake_server import (
    FakeServer,
    directory,
    entry,
    everything,
    hangs_up,
    message,
    polite,
    raw_handler,
    reference,
    result,
    silent,
    tlv,
)

FOUND = entry("uid=a,dc=x", mail=[b"a@x"])
DELETE = Delete("uid=a,dc=x")


def test_it_is_what_the_other_rooms_ask_for():
    with directory(polite(entry(""))) as made:
        assert isinstance(made, Writer)
        assert isinstance(made, Transactional)


class TestOptions:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"uris": ()},
            {"uris": ("h",)},
            {"start_tls": "yes"},
            {"bind_dn": "cn=me"},
            {"bind_dn": "cn=me", "password": "\udcff"},
            {"timeout": 0},
            {"connect_timeout": -1.0},
            {"page_size": 0},
        ],
        ids=str,
    )
    def test_what_cannot_work_is_refused_before_anything_is_opened(self, wrong):
        with pytest.raises(ConfigError):
            LdapServer(ServerOptions(**{"uris": ("ldap://h",)} | wrong))

    def test_a_missing_ca_file_is_named(self):
        with (
            directory("ldaps://127.0.0.1:1", ca_file="/no/such.pem") as made,
            pytest.raises(ConfigError, match=r"/no/such\.pem"),
        ):
            made.connect()

    def test_the_password_is_in_no_text(self):
        options = ServerOptions(("ldap://192.0.2.1",), bind_dn="cn=me", password="s3cret")
        assert "s3cret" not in repr(options)
        # nothing was sent: the address is one that nobody has
        made = LdapServer(options)
        with pytest.raises((ConfigError, Unreachable)) as caught:
            made.connect()
        assert "s3cret" not in f"{caught.value}{caught.value.hint}"

    def test_a_password_over_clear_text_is_refused_for_another_host(self):
        options = ServerOptions(("ldap://h",), bind_dn="cn=me", password="x")
        uri = options.servers()[0]
        with pytest.raises(ConfigError, match="clear text") as caught:
            options.check_cleartext(uri, secured=False)
        assert "ldaps://" in caught.value.hint
        options.check_cleartext(uri, secured=True)
        allowed = ServerOptions(("ldap://h",), password="x", allow_cleartext_password=True)
        allowed.check_cleartext(uri, secured=False)
        ServerOptions(("ldap://h",), sasl_external=True).check_cleartext(uri, secured=False)


class TestConnecting:
    def test_servers_are_tried_in_order(self):
        with directory("ldap://127.0.0.1:1", "ldap://no.invalid", polite(FOUND)) as made:
            assert everything(made) == [Entry("uid=a,dc=x", (("mail", (b"a@x",)),))]
            assert made.uri.startswith("ldap://127.0.0.1:")

    def test_all_dead_tells_each_reason(self):
        with (
            directory("ldap://127.0.0.1:1", "ldap://no.invalid") as made,
            pytest.raises(Unreachable) as caught,
        ):
            made.connect()
        text = str(caught.value)
        assert "ldap://127.0.0.1:1: " in text
        assert "refused" in text
        assert "ldap://no.invalid:389: the name does not resolve" in text
        assert caught.value.exit_status == 69

    def test_a_refused_bind_is_an_answer_and_ends_the_trying(self):
        with (
            directory(polite(bind=49), polite(FOUND), bind_dn="cn=me", password="wrong") as made,
            pytest.raises(LdapRefusal) as caught,
        ):
            made.connect()
        assert caught.value.result == 49
        assert "cn=me" in caught.value.hint
        assert "wrong" not in f"{caught.value}{caught.value.hint}"

    @pytest.mark.parametrize(
        "first", [polite(bind=51), silent, hangs_up], ids=["busy", "silent", "hangs up"]
    )
    def test_a_server_that_is_busy_or_gone_at_the_bind_is_passed_over(self, first):
        with directory(first, polite(FOUND), bind_dn="cn=me", password="x", timeout=3.0) as made:
            assert len(everything(made)) == 1

    def test_the_password_goes_out_as_it_is(self):
        seen = []

        def handle(connection):
            message_id, _, content = connection.read()
            seen.append(content)
            connection.send(message(message_id, result(0x61)))

        # U+FB01 would be changed by SASLprep, which the OpenLDAP tools do not apply.
        with directory(handle, bind_dn="cn=é", password="ﬁ ") as made:
            made.connect()
        assert seen[0].endswith(tlv(0x80, "ﬁ ".encode()))
        assert "cn=é".encode() in seen[0]

    def test_start_tls_must_or_try(self):
        handler = raw_handler({0x77: result(0x78, 2, b"no"), 0x63: result(0x65)})
        with (
            directory(handler, start_tls="must") as made,
            pytest.raises(Unreachable, match="StartTLS was refused"),
        ):
            made.connect()
        with directory(handler, start_tls="try") as made:
            assert everything(made) == []

    def test_a_port_without_tls_is_told_as_that(self):
        with FakeServer(hangs_up) as plain:
            uri = plain.uri.replace("ldap:", "ldaps:")
            with directory(uri) as made, pytest.raises(Unreachable) as caught:
                made.connect()
        assert str(caught.value).startswith(f"{uri}: no TLS: ")
        assert "(" not in str(caught.value)
        assert "StartTLS" in caught.value.hint

    @pytest.mark.parametrize("start_tls", ["never", "must"])
    def test_a_certificate_that_is_not_accepted_is_told_as_that(self, pki, start_tls):
        pair = pki.issue("elsewhere", "DNS:elsewhere.internal")

        def start(connection):
            message_id, _, _ = connection.read()
            connection.send(message(message_id, result(0x78)))
            with contextlib.suppress(OSError):
                connection.secure(*pair)

        with (
            FakeServer(start, tls=pair if start_tls == "never" else None) as server,
            directory(server.uri, start_tls=start_tls, ca_file=str(pki.ca)) as made,
            pytest.raises(Unreachable) as caught,
        ):
            made.connect()
        assert str(caught.value) == (
            f"{server.uri}: its certificate is not accepted: IP address mismatch, certificate is "
            "not valid for '127.0.0.1'"
        )
        assert "ca_file" in caught.value.hint


class TestReading:
    def test_an_idle_connection_that_was_closed_is_made_anew(self):
        def one_each(connection):
            message_id, _, _ = connection.read()
            connection.send(message(message_id, FOUND), message(message_id, result(0x65)))

        with directory(one_each) as made:
            assert len(everything(made)) == 1
            assert len(everything(made)) == 1

    @pytest.mark.parametrize("handler", [silent, hangs_up], ids=["silent", "hangs up"])
    def test_no_answer_is_could_not_ask(self, handler):
        with directory(handler, timeout=0.5) as made, pytest.raises(CouldNotAsk) as caught:
            everything(made)
        assert not isinstance(caught.value, ApiError)
        assert "ldap://127.0.0.1" in str(caught.value)

    def test_a_server_that_trickles_runs_into_the_deadline(self):
        def trickle(connection):
            import time

            message_id, _, _ = connection.read()
            for byte in message(message_id, FOUND):
                connection.sock.sendall(bytes([byte]))
                time.sleep(0.1)

        with directory(trickle, timeout=0.4) as made, pytest.raises(CouldNotAsk, match="Timed out"):
            everything(made)

    @pytest.mark.parametrize(
        "garbage",
        [b"HTTP/1.1 400\r\n\r\n", b"\x30\x80", tlv(0x30), message(1 << 20, b"\x64\x03\x04\x05x")],
        ids=["http", "indefinite", "empty", "bent"],
    )
    def test_garbage_is_could_not_ask(self, garbage):
        def handle(connection):
            connection.read()
            connection.send(garbage)
            connection.sock.recv(1)

        with directory(handle, timeout=1.0) as made, pytest.raises(CouldNotAsk):
            everything(made)

    @pytest.mark.parametrize(
        "garbage", [b"HTTP/1.1 400\r\n\r\n", b"\x30\x80ab", tlv(0x30), message(1, b"\x61\x01\x05")]
    )
    def test_garbage_at_the_bind_is_could_not_ask(self, garbage):
        def handle(connection):
            connection.read()
            connection.send(garbage)
            connection.sock.recv(1)

        with (
            directory(handle, bind_dn="cn=me", password="x", timeout=1.0) as made,
            pytest.raises(CouldNotAsk),
        ):
            made.connect()

    def test_a_refusal_is_no_failure(self):
        with directory(polite(code=50)) as made, pytest.raises(LdapRefusal) as caught:
            everything(made)
        assert caught.value.result == 50
        with directory(polite(code=51)) as made, pytest.raises(CouldNotAsk):
            everything(made)

    def test_entries_come_before_the_error(self):
        with directory(polite(FOUND, code=4)) as made:
            found = made.search("dc=x", Scope.SUB, "(mail=*)", size_limit=1)
            assert next(found).dn == "uid=a,dc=x"
            with pytest.raises(SizeLimitExceeded):
                next(found)

    def test_no_such_entry_is_none_and_no_such_base_an_error(self):
        with directory(polite(code=32)) as made:
            assert made.get("uid=b,dc=x") is None
            with pytest.raises(NoSuchObject):
                everything(made)

    def test_references_are_left_alone(self):
        with directory(polite(FOUND, reference("ldap://elsewhere/dc=y"))) as made:
            assert len(everything(made)) == 1

    def test_a_bent_filter_is_told_before_anything_is_sent(self):
        from mailldap.errors import FilterError

        with directory("ldap://127.0.0.1:1") as made, pytest.raises(FilterError):
            list(made.search("dc=x", Scope.SUB, "(mail=*"))


class TestChanges:
    def test_a_change_is_never_sent_twice(self):
        seen = []

        def handle(connection):
            if request := connection.read():
                seen.append(request[1])

        with directory(handle) as made, pytest.raises(CouldNotAsk):
            made.apply(DELETE)
        assert seen == [0x4A]

    def test_a_replica_sends_us_to_its_provider_with_our_credentials(self):
        seen = []

        def provider(connection):
            while request := connection.read():
                message_id, tag, content = request
                seen.append((tag, content))
                if tag in {0x60, 0x68}:
                    connection.send(message(message_id, result(tag + 1)))

        with FakeServer(provider) as there:
            uri = f"{there.uri}/uid=a,dc=x".encode()
            replica = raw_handler(
                {
                    0x60: result(0x61),
                    0x68: result(
                        0x69, 10, b"", tlv(0xA3, tlv(4, b"ldap://127.0.0.1:1"), tlv(4, uri))
                    ),
                }
            )
            with directory(replica, bind_dn="cn=me", password="mine") as made:
                made.apply(Add(Entry("uid=a,dc=x", (("uid", (b"a",)),))))
                made.apply(Add(Entry("uid=b,dc=x", (("uid", (b"b",)),))))
        assert [tag for tag, _ in seen][:3] == [0x60, 0x68, 0x68]
        assert b"cn=me\x80\x04mine" in seen[0][1]
        assert b"uid=a,dc=x" in seen[1][1]

    def test_referrals_are_not_followed_unless_asked_nor_for_ever(self):
        with FakeServer(lambda c: None) as unused:
            unused.stop_listening()

            def handle(connection):
                while request := connection.read():
                    uri = f"ldap://127.0.0.1:{server.port}".encode()
                    connection.send(
                        message(request[0], result(0x6B, 10, b"", tlv(0xA3, tlv(4, uri))))
                    )

            with FakeServer(handle) as server:
                made = LdapServer(ServerOptions((server.uri,), follow_referrals=False))
                with pytest.raises(ReferralReceived) as caught:
                    made.apply(DELETE)
                assert caught.value.uris == (server.uri,)
                made.close()
                made = LdapServer(ServerOptions((server.uri,)))
                with pytest.raises(ReferralReceived):
                    made.apply(DELETE)
                made.close()
                assert server.accepted <= 8

    def test_a_provider_that_is_down_is_told_with_its_reason(self):
        handler = raw_handler(
            {0x4A: result(0x6B, 10, b"", tlv(0xA3, tlv(4, b"ldap://127.0.0.1:1")))}
        )
        with directory(handler) as made, pytest.raises(CouldNotAsk, match="refers changes to"):
            made.apply(DELETE)

    def test_transactions_only_where_the_server_says_so(self):
        root = entry("", supportedExtension=[b"1.3.6.1.1.21.1", b"1.3.6.1.1.21.3"])
        with directory(polite(root)) as made:
            assert made.has_transactions
        with directory(polite(entry(""))) as made:
            assert not made.has_transactions

    def test_a_transaction_that_is_refused_is_given_up(self):
        seen, settled = [], []

        def handle(connection):
            while request := connection.read():
                message_id, tag, content = request
                seen.append(tag)
                if tag == 0x77 and b"21.1" in content:
                    connection.send(message(message_id, result(0x78, 0, b"", tlv(0x8B, b"t"))))
                elif tag == 0x4A:
                    connection.send(message(message_id, result(0x6B, 50 if len(seen) > 2 else 0)))
                elif tag == 0x77:
                    settled.append(content)
                    connection.send(message(message_id, result(0x78)))

        with directory(handle) as made, pytest.raises(LdapRefusal) as caught:
            made.apply_together([DELETE, DELETE, DELETE])
        assert caught.value.result == 50
        assert seen[:3] == [0x77, 0x4A, 0x4A]
        assert b"\x01\x01\x00" in settled[-1]  # commit FALSE
        assert seen.count(0x4A) == 2


def test_whoami_and_the_schema_entry():
    subschema = entry("cn=subschema", attributeTypes=[b"( 2.5.4.3 )"])

    def handle(connection):
        while request := connection.read():
            message_id, tag, content = request
            if tag == 0x77:
                connection.send(message(message_id, result(0x78, 0, b"", tlv(0x8B, b"dn:cn=me"))))
            elif tag == 0x63:
                root = entry("", subschemaSubentry=[b"cn=subschema"])
                found = subschema if content.startswith(b"\x04\x0ccn=subschema") else root
                connection.send(message(message_id, found), message(message_id, result(0x65)))

    with directory(handle) as made:
        assert made.whoami() == "dn:cn=me"
        assert made.root_dse().texts("subschemaSubentry") == ("cn=subschema",)
        assert made.schema_entry().values("attributetypes") == (b"( 2.5.4.3 )",)
    with directory(polite(entry(""))) as made, pytest.raises(NoSuchObject):
        made.schema_entry()
