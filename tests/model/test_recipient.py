"""mailRecipient entries: typed to read, untouched to carry, complete when made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.errors import DNError, RecipientError
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry
from mailldap.model.address import CatchAll, Mailbox
from mailldap.model.recipient import ATTRIBUTES, MailRecipient, Malformed, new_entry

PEOPLE = "ou=People,dc=example,dc=com"

FOREIGN = Entry(
    f"uid=js,{PEOPLE}",
    (
        ("objectclass", (b"posixAccount", b"MAILRECIPIENT", b"person", b"x-own")),
        ("jpegPhoto", (b"\xff\xd8\x00",)),
        ("cn;lang-de", ("Jörg".encode(),)),
        ("cn", (b"J S",)),
        ("SN", (b"S",)),
        ("Mail", (b"B@x.org", b'"a"@x.org', b"*@x.org", b"no address", b"\xff@x.org")),
        ("mailAlternateAddress", (b"@y.org",)),
        ("mailRoutingAddress", (b"js@mail1.internal", "jörg@mail1.internal".encode())),
        ("mailForwardingAddress", (b"js@away.example",)),
        ("mailHost", (b"mail1.internal",)),
        ("mailAccessDomain", (b"example.com",)),
        ("mailAutoReplyMode", (b"vacation",)),
        ("mailAutoReplyText", ("Schöne Grüße".encode(),)),
        ("mailDeliveryOption", (b"mailbox", b"forward")),
        ("mailMessageStore", (b"primary",)),
        ("mailProgramDeliveryInfo", (b"/usr/bin/vacation",)),
        ("mailQuota", (b"1048576", b"-1", b"1G")),
        ("multiLineDescription", (b"a$b",)),
        ("userid", (b"js",)),
        ("userPassword", (b"{SSHA}secret",)),
    ),
)


def test_every_attribute_is_typed() -> None:
    recipient = MailRecipient.from_entry(FOREIGN)
    assert recipient.dn == FOREIGN.dn
    assert recipient.object_class == ("posixAccount", "MAILRECIPIENT", "person", "x-own")
    assert recipient.cn == ("J S",)
    assert recipient.uid == ("js",)
    assert recipient.mail[:3] == (Mailbox("B", "x.org"), Mailbox("a", "x.org"), CatchAll("x.org"))
    assert [type(address) for address in recipient.mail[3:]] == [Malformed, Malformed]
    assert recipient.mail[4].key == "\udcff@x.org"
    assert recipient.mail_alternate_address == (CatchAll("y.org"),)
    assert recipient.mail_routing_address == (
        Mailbox("js", "mail1.internal"),
        Mailbox("jörg", "mail1.internal"),
    )
    assert recipient.mail_forwarding_address == (Mailbox("js", "away.example"),)
    assert recipient.mail_host == ("mail1.internal",)
    assert recipient.mail_access_domain == ("example.com",)
    assert recipient.mail_auto_reply_mode == ("vacation",)
    assert recipient.mail_auto_reply_text == ("Schöne Grüße",)
    assert recipient.mail_delivery_option == ("mailbox", "forward")
    assert recipient.mail_message_store == ("primary",)
    assert recipient.mail_program_delivery_info == ("/usr/bin/vacation",)
    assert recipient.mail_quota == (1048576, -1, "1G")
    assert recipient.multi_line_description == ("a$b",)
    assert recipient.user_password == (b"{SSHA}secret",)
    assert recipient.to_entry() is FOREIGN


def test_each_attribute_of_the_class_has_a_property() -> None:
    for name in ATTRIBUTES:
        python = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
        assert isinstance(getattr(MailRecipient(FOREIGN), python), tuple), python


def test_a_password_is_never_shown() -> None:
    recipient = MailRecipient(FOREIGN)
    for text in (repr(recipient), str(recipient), f"{recipient}", repr([recipient])):
        assert "secret" not in text
        assert "js" in text


def test_a_change_touches_nothing_else() -> None:
    changed = MailRecipient(FOREIGN).with_values("mail", ["new@x.org"]).to_entry()
    assert changed == Entry(
        FOREIGN.dn,
        tuple((n, (b"new@x.org",) if n == "Mail" else v) for n, v in FOREIGN.attributes),
    )
    added = MailRecipient(FOREIGN).with_values("description", ["new", b"\xff"]).to_entry()
    assert added.attributes == (*FOREIGN.attributes, ("description", (b"new", b"\xff")))
    removed = MailRecipient(FOREIGN).with_values("uid", []).to_entry()
    assert removed.attributes == tuple(a for a in FOREIGN.attributes if a[0] != "userid")


NAMES = st.sampled_from([*ATTRIBUTES, "objectClass", "x-own", "description", "userid", "MAIL"])
ENTRIES = st.builds(
    Entry,
    st.just("uid=a,dc=x"),
    st.lists(
        st.tuples(
            NAMES,
            st.lists(st.binary(max_size=12) | st.text().map(str.encode), max_size=3).map(tuple),
        ),
        max_size=6,
    ).map(tuple),
)


@given(ENTRIES)
def test_reading_refuses_nothing_and_loses_nothing(entry: Entry) -> None:
    recipient = MailRecipient.from_entry(entry)
    assert recipient.to_entry() == entry
    assert all(problem for problem in recipient.problems())
    for name in dir(MailRecipient):
        if not name.startswith("_"):
            getattr(recipient, name)
    assert repr(recipient)


def test_all_problems_are_told_together() -> None:
    entry = Entry.of(
        f"uid=js,{PEOPLE}",
        {
            "objectClass": ["inetOrgPerson"],
            "cn": [""],
            "mail": ["a@x.org", "A@X.org", "jörg@x.org", "nonsense"],
            "mailRoutingAddress": ["@x.org"],
            "mailHost": ["a host"],
            "mailQuota": ["much"],
            "mailMessageStore": ["ö"],
        },
    )
    problems = MailRecipient(entry).problems()
    for words in (
        "objectClass mailRecipient is missing",
        "inetOrgPerson asks for the attribute sn",
        "mail: A@X.org is there twice",
        "mail: 'jörg@x.org' is not ASCII, and the attribute mail holds ASCII only",
        "mail: 'nonsense' has no @domain (write it in full, as nonsense@example.com)",
        "mailRoutingAddress: '@x.org' has no local part",
        "mailHost: 'a host' is not a host name",
        "mailQuota: 'much' is not a number of bytes",
        "mailMessageStore: 'ö' is not ASCII",
        "cn: an empty value",
    ):
        assert any(words in problem for problem in problems), words
    assert len(problems) == 10
    with pytest.raises(RecipientError) as caught:
        MailRecipient(entry).check()
    assert caught.value.problems == problems


def test_a_new_recipient_is_an_account() -> None:
    entry = new_entry(
        "jane.doe",
        PEOPLE,
        addresses=["jane.doe@example.com", "*@example.net"],
        routing=[Mailbox("jane.doe", "mail1.internal")],
    )
    assert entry == Entry.of(
        f"uid=jane.doe,{PEOPLE}",
        {
            "objectClass": ["top", "account", "mailRecipient"],
            "uid": ["jane.doe"],
            "mail": ["jane.doe@example.com", "@example.net"],
            "mailRoutingAddress": ["jane.doe@mail1.internal"],
        },
    )
    assert MailRecipient(entry).problems() == ()


def test_with_a_name_it_is_a_person() -> None:
    entry = new_entry("js", DN.parse(PEOPLE), name=" John  Q. Smith ")
    assert entry == Entry.of(
        f"uid=js,{PEOPLE}",
        {
            "objectClass": ["top", "inetOrgPerson", "mailRecipient"],
            "uid": ["js"],
            "cn": ["John Q. Smith"],
            "givenName": ["John Q."],
            "sn": ["Smith"],
        },
    )


@pytest.mark.parametrize(
    ("structural", "name", "attributes"),
    [
        ("inetOrgPerson", "Sting", {"cn": "Sting", "sn": "Sting"}),
        ("person", "John Smith", {"cn": "John Smith", "sn": "Smith"}),
        ("applicationProcess", "Mailer", {"cn": "Mailer"}),
        ("applicationProcess", None, {}),
    ],
)
def test_other_structural_classes(structural, name, attributes) -> None:
    entry = new_entry("js", PEOPLE, name=name, structural_class=structural)
    assert entry.texts("objectClass") == ("top", structural, "mailRecipient")
    told = {
        key: values[0].decode()
        for key, values in entry.attributes
        if key not in ("objectClass", "uid")
    }
    assert told == attributes


def test_a_person_needs_a_name() -> None:
    with pytest.raises(RecipientError, match="inetOrgPerson is a person: give a name"):
        new_entry("js", PEOPLE, structural_class="inetOrgPerson")


def test_faults_of_a_new_recipient_come_together() -> None:
    with pytest.raises(RecipientError) as caught:
        new_entry("js", PEOPLE, addresses=["a@x.org", "A@x.org", "b@"], routing=["c"])
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("uid", ["", " ", " js", "j\ns", "j\0s", "j\x1b[31m", "\udcff"])
def test_uids_that_are_refused(uid: str) -> None:
    with pytest.raises(RecipientError, match="the uid"):
        new_entry(uid, PEOPLE)


@given(st.text(min_size=1, max_size=30))
def test_a_uid_names_one_rdn_or_is_refused(uid: str) -> None:
    try:
        entry = new_entry(uid, PEOPLE)
    except RecipientError:
        return
    dn = DN.parse(entry.dn)
    assert len(dn) == 4
    assert dn.rdns[0].avas[0].text == uid
    assert dn.parent is not None
    assert dn.parent.normalized == DN.parse(PEOPLE).normalized


def test_the_parent_must_be_a_dn() -> None:
    with pytest.raises(DNError):
        new_entry("js", "nonsense")
