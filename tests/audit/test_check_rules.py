"""One faulty and one clean set for each finding: found where it is, and not elsewhere."""

import pytest

from tests.audit.sets import CLEAN, MAIN, MASTER, RELAY, TABLE, codes, places, write

ALIASES = "ldap-aliases.cf"
SECRET_TABLE = TABLE.replace(
    "bind = no\n",
    "bind = yes\nbind_dn = cn=postfix,dc=example,dc=com\nbind_pw = s3cret\nstart_tls = yes\n"
    "tls_require_cert = yes\n",
)


SENDER_TABLE = TABLE.replace("mailRoutingAddress", "uid")
#: The same table as parameters of main.cf.
LEGACY = ("relocated_maps = ldap:old",
          *(f"old_{line}" for line in TABLE.splitlines()))  # fmt: skip


def legacy(old: str, new: str) -> dict[str, str]:
    assert any(old in line for line in LEGACY)
    return main(*(line.replace(old, new) for line in LEGACY))


def table(old: str, new: str) -> dict[str, str]:
    assert old in TABLE
    return {ALIASES: TABLE.replace(old, new)}


def plus(*lines: str) -> dict[str, str]:
    return {ALIASES: TABLE + "".join(f"{line}\n" for line in lines)}


def main(*lines: str, without: str = "\0") -> dict[str, str]:
    kept = "".join(line for line in MAIN.splitlines(True) if not line.startswith(without))
    return {"main.cf": kept + "".join(f"{line}\n" for line in lines)}


def relay(old: str = "", new: str = "", key: str = "[smtp.gmail.com]:587") -> dict[str, str]:
    assert old in RELAY
    return {"main.cf": MAIN + RELAY.replace(old, new), "sasl_passwd": f"{key} user:password\n"}


CYRUS = "cyrus unix - n n - - pipe\n  flags=DRX user=cyrus argv=/no/such/deliver -m ${extension}\n"
SENDERS = (
    "smtpd_sasl_auth_enable = yes",
    "smtpd_tls_cert_file = /etc/ssl/cert.pem",
    "smtpd_sender_login_maps = ldap:/etc/postfix/ldap-senders.cf",
)

#: What makes the clean set faulty, and where each code must be found.
FAULTS = [
    # Lines.
    (main("mynetworks 127.0.0.0/8"), [("bad-line", "main.cf", 5, None)]),
    (plus("= x"), [("bad-line", ALIASES, 8, None)]),
    ({ALIASES: " scope = sub\n" + TABLE}, [("leading-blank", ALIASES, 1, None)]),
    (main("myhostname = other.internal"), [("overridden", "main.cf", 5, "myhostname")]),
    (plus("timeout = 5"), [("overridden", ALIASES, 8, "timeout")]),
    ({"master.cf": MASTER + "local unix - n n - 5 local\n"},
     [("overridden", "master.cf", 8, "local")]),
    ({"master.cf": MASTER + "broken unix - n\n"}, [("bad-line", "master.cf", 8, None)]),
    ({"master.cf": MASTER + "smtps inet N - n - - smtpd\n"}, [("bad-line", "master.cf", 8, None)]),
    # Names.
    (main("smtp_tls_ca_file = /x"), [("unknown-parameter", "main.cf", 5, "smtp_tls_ca_file")]),
    (main("virtual_alias_map = hash:/x"),
     [("unknown-parameter", "main.cf", 5, "virtual_alias_map")]),
    (plus("special_result_filter = %s@%d"),
     [("unknown-parameter", ALIASES, 8, "special_result_filter")]),
    (plus("Scope = sub"), [("unknown-parameter", ALIASES, 8, "Scope")]),
    ({ALIASES: b"\xef\xbb\xbf" + TABLE.encode()},
     [("unknown-parameter", ALIASES, 1, "\ufeffserver_host")]),
    ({"master.cf": MASTER + "x unix - - n - - smtp\n  -o smtp_tls_levl=may\n"},
     [("unknown-parameter", "master.cf", 9, "smtp_tls_levl")]),
    # Values.
    (main("biff = off"), [("refused-value", "main.cf", 5, "biff")]),
    (main("smtp_tls_wrappermode = 1"), [("refused-value", "main.cf", 5, "smtp_tls_wrappermode")]),
    (main("message_size_limit = 20MB"), [("refused-value", "main.cf", 5, "message_size_limit")]),
    (main("smtpd_timeout = 5 minutes"), [("refused-value", "main.cf", 5, "smtpd_timeout")]),
    (main("truth = maybe", "smtpd_sasl_auth_enable = $truth"),
     [("refused-value", "main.cf", 6, "smtpd_sasl_auth_enable")]),
    # Tables.
    (main("relocated_maps = /etc/postfix/moved"), [("no-table", "main.cf", 5, "relocated_maps")]),
    (main("relocated_maps = inline:{a=b} Hash:/x"), [("no-table", "main.cf", 5, "relocated_maps")]),
    (main("header_checks = proxy:regexp"), [("no-table", "main.cf", 5, "header_checks")]),
    ({"master.cf": MASTER + "x unix - - n - - smtp\n  -o smtp_generic_maps=/x\n"},
     [("no-table", "master.cf", 9, "smtp_generic_maps")]),
    # Comments.
    (main("smtp_tls_security_level = may # opportunistic"),
     [("inline-comment", "main.cf", 5, "smtp_tls_security_level")]),
    (main("append_dot_mydomain = no # the MUA's job"),
     [("inline-comment", "main.cf", 5, "append_dot_mydomain")]),
    (main("smtpd_timeout = 30 # seconds"), [("inline-comment", "main.cf", 5, "smtpd_timeout")]),
    (main("mynetworks = 127.0.0.0/8, # us\n  192.0.2.0/24 # them"),
     [("inline-comment", "main.cf", 5, "mynetworks"),
      ("inline-comment", "main.cf", 6, "mynetworks")]),
    (table("timeout = 4", "timeout = 4 # seconds"),
     [("inline-comment", ALIASES, 3, "timeout")]),
    (table("(mail=%s))", "(mail=%s)) # by address"),
     [("inline-comment", ALIASES, 6, "query_filter")]),
    (table("dc=example,dc=com", "dc=example,dc=com # ours"),
     [("inline-comment", ALIASES, 5, "search_base")]),
    ({ALIASES: SECRET_TABLE.replace("cn=postfix,dc=example,dc=com", "cn=p,dc=com # the reader")},
     [("inline-comment", ALIASES, 5, "bind_dn")]),
    ({"master.cf": MASTER + "x unix - - n - - smtp # extra\n"},
     [("inline-comment", "master.cf", 8, "x")]),
    (main("alias_maps =", *SENDERS[:2],
          "smtpd_sender_login_maps = texthash:/etc/postfix/owners",
          "smtpd_sender_restrictions = reject_sender_login_mismatch")
     | {"owners": "a@example.com alice # bob\n"},
     [("inline-comment", "owners", 1, "smtpd_sender_login_maps")]),
    # Domains.
    (main(without="virtual_alias_domains"),
     [("alias-domain-missing", "main.cf", 3, "virtual_alias_domains")]),
    (main("relay_domains = example.com", without="virtual_alias_domains"),
     [("alias-domains-default", "main.cf", 3, "virtual_alias_domains")]),
    # A mailbox domain, for all that the files tell.
    (main("virtual_mailbox_domains = ldap:/etc/postfix/ldap-senders.cf",
          without="virtual_alias_domains"),
     [("alias-domains-default", "main.cf", 3, "virtual_alias_domains")]),
    (main("relay_domains = /etc/postfix/domains", without="virtual_alias_domains"),
     [("alias-domains-default", "main.cf", 3, "virtual_alias_domains")]),
    (main("mydestination = localhost, example.net", without="virtual_alias_domains"),
     [("alias-domains-default", "main.cf", 3, "virtual_alias_domains"),
      ("overridden", "main.cf", 4, "mydestination")]),
    (main("mydestination = localhost Example.com", without="mydestination"),
     [("domain-in-two-classes", "main.cf", 2, "virtual_alias_domains")]),
    (main("relay_domains = com"),
     [("domain-in-two-classes", "main.cf", 5, "relay_domains")]),
    (main("virtual_mailbox_domains = example.com"),
     [("domain-in-two-classes", "main.cf", 5, "virtual_mailbox_domains")]),
    # Senders.
    (main(*SENDERS, "smtpd_recipient_restrictions = permit_mynetworks,",
          "  permit_sasl_authenticated, reject_sender_login_mismatch"),
     [("permit-before-mismatch", "main.cf", 9, "smtpd_recipient_restrictions")]),
    (main(*SENDERS, "smtpd_relay_restrictions = reject_known_sender_login_mismatch, permit") |
     {"master.cf": MASTER + "submission inet n - n - - smtpd\n"
      "  -o smtpd_sender_restrictions=permit_mynetworks,reject_sender_login_mismatch\n"},
     [("permit-before-mismatch", "master.cf", 9, "smtpd_sender_restrictions")]),
    # As the stock master.cf names them.
    (main(*SENDERS, "mua_sender_restrictions = permit_sasl_authenticated,",
          "  reject_sender_login_mismatch") |
     {"master.cf": MASTER + "submission inet n - n - - smtpd\n"
      "  -o smtpd_sender_restrictions=$mua_sender_restrictions\n"},
     [("permit-before-mismatch", "main.cf", 9, "mua_sender_restrictions")]),
    (main(*SENDERS, "smtpd_restriction_classes = users",
          "users = permit_mynetworks, reject_sender_login_mismatch"),
     [("permit-before-mismatch", "main.cf", 9, "users")]),
    (main(*SENDERS, "inside = permit_mynetworks", "checks = reject_sender_login_mismatch",
          "smtpd_sender_restrictions = ${inside}, $checks"),
     [("permit-before-mismatch", "main.cf", 10, "smtpd_sender_restrictions")]),
    (main(*SENDERS[:2], "smtpd_sender_restrictions = reject_sender_login_mismatch"),
     [("mismatch-without-table", "main.cf", 7, "smtpd_sender_restrictions")]),
    (main(SENDERS[2], "smtpd_sender_restrictions = reject_sender_login_mismatch"),
     [("mismatch-without-login", "main.cf", 6, "smtpd_sender_restrictions")]),
    (main(*SENDERS), [("login-table-unused", "main.cf", 7, "smtpd_sender_login_maps")]),
    (main("smtpd_tls_security_level = may"),
     [("no-certificate", "main.cf", 5, "smtpd_tls_security_level")]),
    (main("smtpd_sasl_auth_enable = yes", "smtpd_tls_auth_only = yes"),
     [("no-certificate", "main.cf", 6, "smtpd_tls_auth_only")]),
    # Relay.
    (main("smtp_tls_security_level = opportunistic"),
     [("bad-tls-level", "main.cf", 5, "smtp_tls_security_level")]),
    (main("smtpd_tls_security_level = secure"),
     [("bad-tls-level", "main.cf", 5, "smtpd_tls_security_level")]),
    (relay("secure", "encrypt"),
     [("password-unverified", "main.cf", 10, "smtp_tls_security_level")]),
    (relay("noplaintext\nsmtp_sasl_tls_security_options = noanonymous\n"
           "smtp_tls_security_level = secure",
           "\nsmtp_sasl_tls_security_options = noanonymous\nsmtp_tls_security_level = may"),
     [("password-in-clear", "main.cf", 10, "smtp_tls_security_level")]),
    (relay("smtp_tls_security_level = secure", "smtp_tls_security_level = encrypt\n"
           "smtp_tls_policy_maps = texthash:/etc/postfix/policy")
     | {"policy": "smtp.gmail.com secure\n"},
     [("password-unverified", "main.cf", 10, "smtp_tls_security_level")]),
    (relay()
     | main(*RELAY.replace("secure", "encrypt").replace(
         "relayhost = [smtp.gmail.com]:587",
         "sender_dependent_relayhost_maps = inline:{a@b.example=[smtp.gmail.com]}").splitlines()),
     [("password-unverified", "main.cf", 10, "smtp_tls_security_level")]),
    (main(*RELAY.replace("texthash:/etc/postfix/sasl_passwd", "static:user:password").splitlines()),
     [("secret-readable", "main.cf", 7, "smtp_sasl_password_maps")]),
    ({"master.cf": MASTER + "out unix - - n - - smtp\n"
      "  -o smtp_sasl_password_maps=inline:{[h]=user:password}\n"},
     [("secret-readable", "master.cf", 9, "smtp_sasl_password_maps")]),
    (relay("smtp_sasl_tls_security_options = noanonymous\n"),
     [("no-mechanism", "main.cf", 8, "smtp_sasl_tls_security_options")]),
    (relay("smtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd\n"),
     [("no-password-table", "main.cf", 6, "smtp_sasl_password_maps")]),
    (relay("smtp_sasl_auth_enable = yes\n"),
     [("authentication-off", "main.cf", 6, "smtp_sasl_auth_enable")]),
    (relay(key="[smtp.gmail.com]"), [("password-key", "sasl_passwd", 1, "smtp_sasl_password_maps")]),
    (relay(key="smtp.gmail.com:587"),
     [("password-key", "sasl_passwd", 1, "smtp_sasl_password_maps")]),
    (relay(key="[smtp.other.net]:587"),
     [("password-key", "sasl_passwd", 1, "smtp_sasl_password_maps")]),
    (relay("[smtp.gmail.com]:587", "[smtp.gmail.com]:465", key="smtp.gmail.com"),
     [("wrapper-mode", "main.cf", 5, "smtp_tls_wrappermode")]),
    (main("relayhost = [h]:465", "smtp_tls_wrappermode = yes", "smtp_tls_security_level = may"),
     [("wrapper-mode", "main.cf", 6, "smtp_tls_security_level")]),
    (relay("smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\n"),
     [("no-trust", "main.cf", 10, "smtp_tls_CAfile")]),
    # Delivery.
    ({"master.cf": MASTER + CYRUS}, [("deliver-missing", "master.cf", 9, "cyrus")]),
    (main("mailbox_transport = lmpt:unix:/run/x"),
     [("transport-missing", "main.cf", 5, "mailbox_transport")]),
    (main("virtual_transport = drop") |
     {"master.cf": MASTER + "drop unix - n n - - pipe\n  flags=DR user=a argv=/bin/sh\n"},
     [("recipient-limit", "main.cf", 5, "drop_destination_recipient_limit")]),
    (main("mailbox_transport = lmtp:unix:/run/cyrus/socket/lmtp") |
     {"master.cf": MASTER + "lmtp unix - - n - - lmtp\n"},
     [("local-recipients-default", "main.cf", 5, "local_recipient_maps")]),
    # Tables.
    (table("timeout = 4", "timeout = 20s"), [("refused-value", ALIASES, 3, "timeout")]),
    (table("bind = no", "bind = maybe"), [("refused-value", ALIASES, 4, "bind")]),
    (table("(mail=%s))", "(mail=%x))"), [("refused-value", ALIASES, 6, "query_filter")]),
    (plus("scope = subtree"), [("postfix-warns", ALIASES, 8, "scope")]),
    (table("version = 3", "version = 2"), [("ldap-version", ALIASES, 2, "version")]),
    (table("version = 3\ntimeout = 4\nbind = no\n", ""), [("ldap-version", ALIASES, None, "version")]),
    (table("timeout = 4", "timeout = 20"), [("ldap-timeout", ALIASES, 3, "timeout")]),
    (table("timeout = 4", "timeout = 0"), [("ldap-timeout", ALIASES, 3, "timeout")]),
    (plus("size_limit = 1"), [("ldap-limit", ALIASES, 8, "size_limit")]),
    (plus("expansion_limit = 1"), [("ldap-limit", ALIASES, 8, "expansion_limit")]),
    (plus("size_limit = -1"), [("ldap-limit", ALIASES, 8, "size_limit")]),
    (table("(mail=%s))", "(mail=%s)"), [("ldap-filter", ALIASES, 6, "query_filter")]),
    (table("(&(objectClass=mailRecipient)(mail=%s))", '"(mail=%s)"'),
     [("ldap-filter", ALIASES, 6, "query_filter")]),
    (table("query_filter = (&(objectClass=mailRecipient)(mail=%s))\n", ""),
     [("ldap-filter", ALIASES, None, "query_filter")]),
    (table("search_base = dc=example,dc=com\n", ""), [("ldap-base", ALIASES, None, "search_base")]),
    (table("result_attribute = mailRoutingAddress\n", ""),
     [("ldap-result", ALIASES, None, "result_attribute")]),
    (table("= mailRoutingAddress", "= 2.16.840.1.113730.3.1.24"),
     [("ldap-result", ALIASES, 7, "result_attribute")]),
    ({ALIASES: SECRET_TABLE.replace("cn=postfix", "cn=admin")},
     [("bind-admin", ALIASES, 5, "bind_dn")]),
    ({ALIASES: SECRET_TABLE.replace("bind_pw = s3cret\n", "")},
     [("bind-password", ALIASES, None, "bind_pw")]),
    ({ALIASES: SECRET_TABLE.replace("start_tls = yes\n", "")},
     [("bind-in-clear", ALIASES, 6, "bind_pw")]),
    ({ALIASES: SECRET_TABLE.replace("tls_require_cert = yes\n", "")},
     [("ldap-unverified", ALIASES, None, "tls_require_cert")]),
    (table("ldap://ldap1.internal ldap://ldap2.internal", "ldaps://localhost")
     | {ALIASES: TABLE.replace("ldap://ldap1.internal ldap://ldap2.internal", "ldaps://localhost")
        + "tls_require_cert = yes\n"},
     [("ldap-localhost", ALIASES, 1, "server_host")]),
    ({ALIASES: TABLE.replace("ldap://", "ldaps://") + "tls_require_cert = yes\nstart_tls = yes\n"},
     [("ldap-start-tls", ALIASES, 9, "start_tls")]),
    ({ALIASES: TABLE.replace("ldap://ldap1.internal ldap://ldap2.internal", "ldapi:///"),
      "master.cf": MASTER.replace("n       -       0       cleanup", "y       -       0       cleanup")},
     [("chroot", "main.cf", 4, "virtual_alias_maps")]),
    # Tables in main.cf.
    (legacy("version = 3", "version = 2"), [("ldap-version", "main.cf", 7, "old_version")]),
    (legacy("timeout = 4", "timeout = 20"), [("ldap-timeout", "main.cf", 8, "old_timeout")]),
    (legacy("timeout = 4", "size_limit = 1"), [("ldap-limit", "main.cf", 8, "old_size_limit")]),
    (legacy("timeout = 4", "timeout = 4 # seconds"),
     [("inline-comment", "main.cf", 8, "old_timeout")]),
    (legacy("timeout = 4", "special_result_filter = x"),
     [("unknown-parameter", "main.cf", 8, "old_special_result_filter")]),
    (legacy("timeout = 4", "timeout = soon"), [("refused-value", "main.cf", 8, "old_timeout")]),
    (legacy("timeout = 4", "scope = all"), [("postfix-warns", "main.cf", 8, "old_scope")]),
    (legacy("(mail=%s)", "(mail=%s"), [("ldap-filter", "main.cf", 11, "old_query_filter")]),
    (legacy("bind = no",
            "bind_dn = cn=postfix,dc=example,dc=com\nold_bind_pw = s3cret\nold_start_tls = yes\n"
            "old_tls_require_cert = yes"),
     [("secret-readable", "main.cf", 10, "old_bind_pw")]),
    (main("proxy_read_maps = proxy:ldap:/etc/postfix/ldap-aliases.cf",
          "relocated_maps = proxy:ldap:/etc/postfix/ldap-senders.cf"),
     [("proxy-unapproved", "main.cf", 6, "relocated_maps")]),
    (main("smtpd_restriction_classes = own",
          "own = check_sender_access proxy:ldap:/etc/postfix/ldap-senders.cf"),
     [("proxy-unapproved", "main.cf", 6, "own")]),
    # Files that a copy should have brought along.
    (main("header_checks = pcre:/etc/postfix/headers, regexp:/nonexistent"),
     [("not-checked", "main.cf", 5, "header_checks")]),
    (main("transport_maps = hash:/etc/postfix/transport"),
     [("not-checked", "main.cf", 5, "transport_maps")]),
    (main("relocated_maps = ldap:/nonexistent.cf"),
     [("not-checked", "main.cf", 5, "relocated_maps")]),
]  # fmt: skip


def test_the_clean_set_is_clean(tmp_path):
    assert codes(write(tmp_path, CLEAN)) == []


@pytest.mark.parametrize(
    ("changed", "expected"), FAULTS, ids=[f"{n}-{f[1][0][0]}" for n, f in enumerate(FAULTS)]
)
def test_a_fault_is_found_where_it_is(tmp_path, changed, expected):
    folder = write(tmp_path, {**CLEAN, "ldap-senders.cf": SENDER_TABLE, **changed})
    assert places(folder) == set(expected)


#: What looks like a fault and is none: nothing may be said about these sets.
INNOCENT = [
    main("smtpd_banner = $myhostname ESMTP #1 in mail"),
    main("default_rbl_reply = $rbl_code # $rbl_reason"),
    main("smtpd_tls_cert_file = /etc/ssl/own#1.pem"),
    main("smtpd_timeout = 30s # Postfix reads no further than the unit"),
    main("header_checks = regexp:{{/^# x/ IGNORE}}"),
    main("my_networks = 192.0.2.0/24", "mynetworks = $my_networks"),
    main("smtpd_restriction_classes = insiders", "insiders = permit_mynetworks, reject"),
    main(*LEGACY),
    main("relocated_maps = unionmap:{proxy:ldap:/etc/postfix/ldap-senders.cf, static:x}"),
    main("smtpd_sender_restrictions = check_sender_access proxy:ldap:/etc/postfix/ldap-senders.cf"),
    main("mapped = proxy:ldap:/etc/postfix/ldap-senders.cf", "relocated_maps = $mapped"),
    legacy("= 3", "= $three\nthree = 3"),
    main("relocated_maps = ldap:smtp", "smtp_tls_security_level = may"),
    main("slow_destination_rate_delay = 1s"),
    main("biff = No", "truth = YES", "smtpd_sasl_auth_enable = $truth",
         "smtpd_tls_cert_file = /etc/ssl/cert.pem", "message_size_limit = 0",
         "smtpd_timeout = ${stress?{10}:{300}}s", "compatibility_level = 3.6"),
    main("smtpd_forbid_bare_newline = normalize", "smtp_tls_enable_rpk = yes"),
    main("mynetworks = 127.0.0.0/8", "mynetworks = 127.0.0.0/8"),
    main("smtp_tls_security_level = ${level?{may}:{may}}", "level = may"),
    main("relayhost = [smtp.isp.example]"),
    main("relay_domains = $mydestination, example.net"),
    main("virtual_alias_domains =", without="virtual_alias_domains"),
    main(*SENDERS, "smtpd_sender_restrictions = reject_sender_login_mismatch, permit_mynetworks"),
    main(*SENDERS, "checks = reject_sender_login_mismatch", "smtpd_sender_restrictions = $checks"),
    main(*SENDERS, "smtpd_restriction_classes = own", "own = reject_sender_login_mismatch",
         "smtpd_sender_restrictions = own"),
    relay(),
    relay("[smtp.gmail.com]:587", "[SMTP.gmail.com]:587", key="smtp.gmail.com"),
    relay("smtp_tls_security_level = secure",
          "smtp_tls_security_level = may\n"
          "smtp_tls_policy_maps = inline:{[smtp.gmail.com]:587=secure}"),
    relay("smtp_tls_security_level = secure",
          "smtp_tls_security_level = may\n"
          "smtp_tls_policy_maps = texthash:/etc/postfix/policy")
    | {"policy": "[smtp.gmail.com]:587 secure match=smtp.gmail.com\n"},
    # Who knows what that says.
    relay("smtp_tls_security_level = secure",
          "smtp_tls_security_level = may\nsmtp_tls_policy_maps = mysql:/etc/postfix/policy.cf"),
    main("relayhost = smtp.isp.example", "smtp_sasl_auth_enable = yes",
         "smtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd",
         "smtp_sasl_tls_security_options = noanonymous",
         "smtp_tls_policy_maps = inline:{ { .isp.example = fingerprint match=AA } }")
    | {"sasl_passwd": "smtp.isp.example user:password\n"},
    # Switched on where it is needed.
    main("smtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd")
    | {"sasl_passwd": "h user:password\n",
       "master.cf": MASTER + "out unix - - n - - smtp\n  -o smtp_sasl_auth_enable=yes\n"},
    # What is allowed is not used.
    main("proxy_read_maps = proxy:ldap:/nonexistent.cf proxy:ldap:/etc/postfix/ldap-aliases.cf")
    | {ALIASES: SECRET_TABLE},
    # Programs of another machine; and Dovecot's is not Cyrus's.
    main("virtual_transport = drop", "drop_destination_recipient_limit = 1")
    | {"master.cf": MASTER + "drop unix - n n - - pipe\n  user=a argv=/no/such/program\n"},
    main("mailbox_transport = dovecot")
    | {"master.cf": MASTER + "dovecot unix - n n - - pipe\n"
       "  user=vmail argv=/usr/lib/dovecot/deliver -d ${user}\n"},
    main("mailbox_transport = lmtp:unix:/run/dovecot/lmtp")
    | {"master.cf": MASTER + "lmtp unix - - n - - lmtp\n"},
    {"master.cf": MASTER + "maildrop unix - n n - - pipe\n  user=a argv=/no/such/maildrop\n"},
    {"master.cf": MASTER + "ownsmtp unix - - n - - smtp\n  -o { smtp_helo_name = a#b }\n"},
    {ALIASES: SECRET_TABLE},
    {ALIASES: SECRET_TABLE.replace("cn=postfix", "cn=postfix #1")},
    table("= dc=example", "= ou=Sales #2,dc=example"),
    plus("expansion_limit = 0", "size_limit = 10"),
    plus("debuglevel = 0", "chase_referrals = no", "dereference = 0", "domain = example.com"),
    table("ldap://ldap1.internal ldap://ldap2.internal", "localhost"),
    table("(&(objectClass=mailRecipient)(mail=%s))", "mail=%s"),
    table("(mail=%s)", "(mail=%u@%d)(!(cn=50%%))"),
    table("= mailRoutingAddress", "= mailRoutingAddress, mail;lang-en"),
    {ALIASES: TABLE.replace("\n", "\r\n"), "main.cf": MAIN.replace("\n", "\r\n")},
    {"dynamicmaps.cf": "ldap postfix-ldap.so dict_ldap_open\n"},
]  # fmt: skip


@pytest.mark.parametrize("changed", INNOCENT, ids=range(len(INNOCENT)))
def test_no_crying_wolf(tmp_path, changed):
    folder = write(tmp_path, {**CLEAN, "ldap-senders.cf": SENDER_TABLE, **changed})
    assert places(folder) == set()
