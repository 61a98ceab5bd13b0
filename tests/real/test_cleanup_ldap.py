"""Expansion, classes and sender maps over LDAP tables: the daemons and we ask one real slapd."""

import pytest

from tests.containers import dead_port, load
from tests.real.postfix_compare import SINK, STRANGER, Case, compare

MAIN = """
compatibility_level = 3.6
myhostname = mail.example.org
myorigin = example.org
mydestination = example.org
inet_interfaces = loopback-only
mynetworks = 127.0.0.0/8
local_recipient_maps =
recipient_delimiter = +
virtual_alias_domains = example.com
virtual_alias_maps = {maps}
smtpd_sasl_auth_enable = yes
smtpd_sender_login_maps = ldap:@DIR@/senders.cf
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_sender_restrictions = reject_sender_login_mismatch
{more}
"""
TABLE = """
server_host = {uri}
search_base = {base}
version = 3
bind = no
timeout = 5
query_filter = {filter}
result_attribute = {attribute}
{more}
"""
ADDRESSES = [
    "sample.user@example.com", "SAMPLE.USER@Example.com", "sample.user+x@example.com",
    "john.smith@example.com", "sales@example.com", "postmaster@example.com", "abuse@example.com",
    "nobody@example.com", "user@gmail.com", "*@example.com", "sa*@example.com", "(x)@example.com",
    '"a b"@example.com', "a\\\\b@example.com", "@example.com", "jürgen@example.com",
]  # fmt: skip
SENDERS = [
    ("john.smith", "sample.user@example.com"), ("jane.doe", "sample.user@example.com"),
    ("John.Smith", "john.smith@example.com"), (None, "john.smith@example.com"),
    (None, "nobody@example.com"), ("jane.doe", "nobody@example.com"), ("jane.doe", ""),
    ("jane.doe", "jd+tag@example.com"),
]  # fmt: skip


def questions(senders: bool) -> list[dict]:
    if senders:
        return [
            {"do": "sender", "login": login, "from": sender, "to": SINK, "client": STRANGER}
            for login, sender in SENDERS
        ]
    return [{"do": "resolve", "to": [address], "from": ""} for address in ADDRESSES]


def case(slapd, name, *, uri=None, table="", maps="ldap:@DIR@/aliases.cf", more="", senders=False):
    place = {"uri": uri or slapd.uri, "base": slapd.base, "more": table}
    aliases = TABLE.format(filter="(mail=%s)", attribute="mailRoutingAddress", **place)
    logins = TABLE.format(filter="(mail=%s)", attribute="uid", **place)
    files = {
        "aliases.cf": aliases,
        "senders.cf": logins,
        "file": "sample@example.com x@gmail.com\n",
    }
    if not senders:
        more += "\nsmtpd_sender_restrictions =\n"
    return Case(name, MAIN.format(maps=maps, more=more), questions(senders), files)


@pytest.mark.parametrize("senders", [False, True], ids=["resolve", "sender"])
def test_daemons_and_simulator_agree_over_ldap(lab, slapd, senders) -> None:
    slapd.reset(load("example"))
    dead = f"ldap://127.0.0.1:{dead_port()}"
    two = "texthash:@DIR@/file, ldap:@DIR@/aliases.cf"
    cases = [
        case(slapd, "plain", senders=senders),
        case(slapd, "size limit", table="size_limit = 1", senders=senders),
        case(slapd, "expansion limit", table="expansion_limit = 1", senders=senders),
        case(slapd, "domain", table="domain = example.org", senders=senders),
        case(slapd, "domain part", table="result_format = %u@elsewhere.example", senders=senders),
        case(slapd, "dead server", uri=dead, senders=senders),
        case(slapd, "dead server, other domain", uri=dead, table="domain = x.org", senders=senders),
        case(slapd, "failover", uri=f"{dead} {slapd.uri}", senders=senders),
        case(slapd, "no such base", table="search_base = dc=nowhere", senders=senders),
        case(slapd, "bad filter", table="query_filter = (mail=%s", senders=senders),
        case(slapd, "file before ldap", maps=two, senders=senders),
        case(slapd, "file before a dead server", uri=dead, maps=two, senders=senders),
        case(slapd, "domains from ldap", more="virtual_alias_domains = $virtual_alias_maps",
             senders=senders),
        case(slapd, "bad value", table="bind = maybe", senders=senders),
    ]  # fmt: skip
    found = compare(lab, cases)
    assert not found, f"{len(found)} differences, first\n{found[0]}"
