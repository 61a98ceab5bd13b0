"""What `resolve` said of every mail of the scenario is what became of it."""

import pytest

ENTRIES = """dn: uid=loop.one,ou=People,dc=example,dc=com
objectClass: account
objectClass: mailRecipient
uid: loop.one
mail: loop.one@example.com
mailRoutingAddress: loop.two@example.com

dn: uid=loop.two,ou=People,dc=example,dc=com
objectClass: account
objectClass: mailRecipient
uid: loop.two
mail: loop.two@example.com
mailRoutingAddress: loop.one@example.com

dn: uid=self,ou=People,dc=example,dc=com
objectClass: account
objectClass: mailRecipient
uid: self
mail: self@example.com
mailRoutingAddress: self@example.com
mailRoutingAddress: jane.doe@mail1.internal

dn: uid=everybody,ou=People,dc=example,dc=com
objectClass: account
objectClass: mailRecipient
uid: everybody
mail: everybody@example.com
mailRoutingAddress: sales@example.com
mailRoutingAddress: postmaster@example.com
mailRoutingAddress: jd@example.com

dn: uid=dangling,ou=People,dc=example,dc=com
objectClass: account
objectClass: mailRecipient
uid: dangling
mail: dangling@example.com
mailRoutingAddress: was.here@example.com

dn: uid=bare,ou=People,dc=example,dc=com
objectClass: account
objectClass: mailRecipient
uid: bare
mail: bare@example.com
mailRoutingAddress: jane.doe

dn: uid=shared,ou=People,dc=example,dc=com
objectClass: account
objectClass: mailRecipient
uid: shared
mail: shared@example.com
mailAlternateAddress: other.name@example.com
mailRoutingAddress: "jane doe"@mail1.internal
mailRoutingAddress: jane.doe@MAIL1.internal

dn: uid=homeless,ou=People,dc=example,dc=com
objectClass: account
objectClass: mailRecipient
uid: homeless
mail: homeless@example.com
"""
ADDRESSES = [
    "SAMPLE@EXAMPLE.COM",
    "Sample.User@Example.com",
    "sample+extension@example.com",
    "postmaster@example.com",
    "sales@example.com",
    "everybody@example.com",
    "other.name@example.com",
    "loop.one@example.com",
    "self@example.com",
    "dangling@example.com",
    "homeless@example.com",
    "shared@example.com",
    "user1@example.com",
    "*@example.com",
    ")(uid=*@example.com",
    '"jane doe"@example.com',
    "someone@sub.example.com",
    "someone@localhost",
    "bare@example.com",
    "postmaster",
    "sample%example.com@mx.example.com",
    "x" * 70 + "@example.com",
]


@pytest.fixture
def more_entries(stack):
    admin = ["-x", "-H", "ldapi:///", "-D", "cn=admin,dc=example,dc=com", "-w", "secret"]
    stack.run("ldap1", "ldapadd", *admin, input=ENTRIES.encode())
    yield
    names = [line.removeprefix("dn: ") for line in ENTRIES.splitlines() if line.startswith("dn: ")]
    stack.run("ldap1", "ldapdelete", *admin, *names)


def test_scenario_6_addresses_of_all_kinds(post, more_entries):
    sent = post.send(*ADDRESSES)
    outcomes = {posting.said["outcome"] for posting in sent}
    assert {"deliver", "reject", "defer"} <= outcomes
    wrong = [difference for posting in sent if (difference := post.compare(posting))]
    assert not wrong, "\n".join(wrong)


def test_scenario_6_every_mail_of_these_tests(post):
    assert post.postings, "no mail has been sent"
    wrong = [difference for posting in post.postings if (difference := post.compare(posting))]
    assert not wrong, "\n".join(wrong)
