"""Recipients, aliases and routing: what is done, what is refused, what is so already."""

import pytest

from mailldap.errors import (
    AddressError,
    AddressTaken,
    AlreadyExists,
    Ambiguous,
    BadData,
    Negative,
    NoSuchRecipient,
    UsageError,
    ValueExists,
)
from mailldap.ldap.change import Add, Mod, Modify, ModOp
from mailldap.ldap.entry import Entry
from mailldap.provision.aliases import add_aliases, move_alias, remove_aliases
from mailldap.provision.journal import DryRun
from mailldap.provision.recipients import (
    add_recipient,
    find_recipient,
    recipients,
    remove_recipient,
    rename_recipient,
    set_recipient,
)
from mailldap.provision.result import State
from mailldap.provision.routing import add_routing, remove_routing, set_routing

PEOPLE = "ou=People,dc=example,dc=com"
JOHN = "uid=john.smith,ou=People,dc=example,dc=com"
JANE = "uid=jane.doe,ou=People,dc=example,dc=com"


@pytest.fixture
def people(writer):
    add_recipient(
        writer,
        "john.smith",
        addresses=["sample.user@example.com", "js@example.com"],
        routing=["john.smith@mail1.internal"],
        name="John Smith",
    )
    add_recipient(
        writer, "jane.doe", addresses=["jd@example.com"], routing=["jane.doe@mail1.internal"]
    )
    return writer


def mail(writer, dn: str) -> tuple[str, ...]:
    entry = writer.get(dn)
    assert entry is not None
    return entry.texts("mail")


def test_a_recipient_is_made_once(people) -> None:
    again = add_recipient(
        people, "jane.doe", addresses=["JD@Example.com"], routing=["jane.doe@mail1.internal"]
    )
    assert again.state is State.ALREADY
    with pytest.raises(AlreadyExists, match="other@"):
        add_recipient(people, "jane.doe", addresses=["other@example.com"], routing=["x@y.internal"])
    assert mail(people, JANE) == ("jd@example.com",)
    entry = people.get(JOHN)
    assert entry.texts("cn") == ("John Smith",)
    assert entry.texts("sn") == ("Smith",)
    assert b"inetOrgPerson" in entry.values("objectClass")
    assert b"account" in people.get(JANE).values("objectClass")


def test_a_uid_belongs_to_one_entry_wherever_it_stands(people) -> None:
    with pytest.raises(AlreadyExists, match="uid"):
        add_recipient(people, "jane.doe", addresses=["x@example.com"], routing=["x@y.z"], people="")


def test_a_taken_address_is_refused_and_its_owner_named(people) -> None:
    with pytest.raises(AddressTaken) as caught:
        add_aliases(people, "jane.doe", ["new@example.com", "JS@EXAMPLE.COM"])
    assert caught.value.owners == (JOHN,)
    assert caught.value.exit_status == 1
    assert mail(people, JANE) == ("jd@example.com",), "the first address must not stay behind"
    with pytest.raises(AddressTaken):
        add_recipient(people, "third", addresses=["jd@example.com"], routing=["t@mail1.internal"])
    assert people.get("uid=third,ou=People,dc=example,dc=com") is None


def test_ownership_spans_both_address_attributes(people) -> None:
    set_by_hand = Entry.of(
        "uid=old,ou=People,dc=example,dc=com",
        {
            "objectClass": ["account", "mailRecipient"],
            "uid": ["old"],
            "mailAlternateAddress": ["Legacy@example.com"],
        },
    )
    people.apply(Add(set_by_hand))
    with pytest.raises(AddressTaken, match="uid=old"):
        add_aliases(people, "jane.doe", ["legacy@example.com"])
    assert [r.state for r in add_aliases(people, "old", ["legacy@EXAMPLE.com"])] == [State.ALREADY]
    assert remove_aliases(people, "old", ["LEGACY@example.com"])[0].state is State.REMOVED
    assert people.get(set_by_hand.dn).values("mailAlternateAddress") == ()


def test_sharing_is_possible_where_a_site_wants_it(people) -> None:
    add_aliases(people, "jane.doe", ["js@example.com"], allow_shared=True)
    assert "js@example.com" in mail(people, JANE)
    assert "js@example.com" in mail(people, JOHN)
    with pytest.raises(AddressTaken):
        move_alias(people, "js@example.com", add_third(people))


def add_third(people) -> str:
    add_recipient(people, "third", addresses=["third@example.com"], routing=["t@mail1.internal"])
    return "third"


def test_what_is_so_already_is_a_quiet_success(people) -> None:
    states = [r.state for r in add_aliases(people, JANE, ["jd@example.com", "j2@example.com"])]
    assert states == [State.ALREADY, State.ADDED]
    states = [r.state for r in remove_aliases(people, "jane.doe", ["none@example.com", "*@*"])]
    assert states == [State.ABSENT, State.ABSENT]


def test_a_recipient_answers_to_uid_address_and_dn(people) -> None:
    for name in ("john.smith", "JOHN.SMITH", "Js@Example.com", JOHN, JOHN.replace(",", " , ")):
        assert find_recipient(people, name).dn == JOHN
    for name in (
        "",
        "*",
        "john*",
        "nobody@example.com",
        "uid=nobody,dc=example,dc=com",
        "a=b=,",
        "\x00",
    ):
        with pytest.raises(NoSuchRecipient):
            find_recipient(people, name)
    with pytest.raises(NoSuchRecipient):
        find_recipient(people, "ou=People,dc=example,dc=com")


def test_a_name_for_two_entries_is_no_name(people) -> None:
    add_aliases(people, "jane.doe", ["js@example.com"], allow_shared=True)
    with pytest.raises(Ambiguous, match="2 recipients"):
        find_recipient(people, "js@example.com")


def test_moving_keeps_exactly_one_owner(people) -> None:
    result = move_alias(people, "JS@example.com", "jane.doe")
    assert (result.state, result.source, result.dn) == (State.MOVED, JOHN, JANE)
    assert "js@example.com" not in mail(people, JOHN)
    assert move_alias(people, "js@example.com", "jane.doe").state is State.ALREADY
    with pytest.raises(Negative, match="nobody"):
        move_alias(people, "free@example.com", "jane.doe")
    with pytest.raises(NoSuchRecipient):
        move_alias(people, "js@example.com", "nobody")


def test_catch_all_is_an_address_of_its_own(people) -> None:
    add_aliases(people, "jane.doe", ["*@example.com"])
    assert "@example.com" in mail(people, JANE)
    with pytest.raises(AddressTaken):
        add_aliases(people, "john.smith", ["@Example.COM"])


@pytest.mark.parametrize(
    "address", ["", "a b@example.com", "a@", "ä@example.com", "a@b@c", "a\n@b.c"]
)
def test_what_is_written_must_be_an_address(people, address: str) -> None:
    before = mail(people, JANE)
    with pytest.raises(AddressError):
        add_aliases(people, "jane.doe", ["ok@example.com", address])
    if address.isascii():  # mailRoutingAddress is a DirectoryString: it holds SMTPUTF8 addresses
        with pytest.raises(AddressError):
            set_routing(people, "jane.doe", [address])
    assert mail(people, JANE) == before


@pytest.mark.parametrize("uid", ["", " ", "a\x00b", "a\nb"])
def test_a_uid_must_be_storable(people, uid: str) -> None:
    with pytest.raises(BadData):
        add_recipient(people, uid, addresses=["n@example.com"], routing=["n@mail1.internal"])


@pytest.mark.parametrize("uid", ["a,b", "a+b=c", "*", "(uid=*)", "#x", "a\\2c", "[red]x[/red]"])
def test_a_hostile_uid_names_itself_and_nothing_else(people, uid: str) -> None:
    add_recipient(people, uid, addresses=["n@example.com"], routing=["n@mail1.internal"])
    assert find_recipient(people, uid).texts("uid") == (uid,)
    assert len(list(recipients(people))) == 3
    remove_recipient(people, uid)
    assert len(list(recipients(people))) == 2


def test_routing_is_changed_value_by_value(people) -> None:
    assert add_routing(people, "jane.doe", ["b@mail2.internal"])[0].state is State.ADDED
    assert add_routing(people, "jane.doe", ["B@mail2.internal"])[0].state is State.ALREADY
    results = {
        r.value: r.state for r in set_routing(people, "jane.doe", ["b@mail2.internal", "c@x.y"])
    }
    assert results == {
        "jane.doe@mail1.internal": State.REMOVED,
        "b@mail2.internal": State.ALREADY,
        "c@x.y": State.ADDED,
    }
    assert remove_routing(people, "jane.doe", ["nothing"])[0].state is State.ABSENT
    assert people.get(JANE).texts("mailRoutingAddress") == ("b@mail2.internal", "c@x.y")


def test_other_attributes_are_set_and_foreign_ones_kept(people) -> None:
    set_recipient(people, "john.smith", {"mailQuota": ["1000"], "description": ["kept"]})
    results = set_recipient(people, "john.smith", {"mailQuota": [], "mailHost": ["mail1.internal"]})
    assert [r.state for r in results] == [State.CHANGED, State.CHANGED]
    entry = people.get(JOHN)
    assert entry.texts("mailQuota") == ()
    assert entry.texts("description") == ("kept",)
    assert set_recipient(people, "john.smith", {"mailQuota": []})[0].state is State.ALREADY
    for name in ("mail", "UID", "mailRoutingAddress", "objectClass"):
        with pytest.raises(UsageError):
            set_recipient(people, "john.smith", {name: ["x"]})


def test_renaming_changes_uid_and_dn_together(people) -> None:
    result = rename_recipient(people, "jane.doe", "jane, roe")
    assert result.source == JANE
    assert find_recipient(people, "jane, roe").texts("mail") == ("jd@example.com",)
    assert people.get(JANE) is None
    with pytest.raises(AlreadyExists):
        rename_recipient(people, "jane, roe", "john.smith")
    assert rename_recipient(people, "john.smith", "John.Smith").state is State.ALREADY


def test_a_dry_run_writes_nothing_and_shows_what_it_would(people) -> None:
    dry = DryRun(people)
    add_aliases(dry, "jane.doe", ["dry@example.com"])
    move_alias(dry, "js@example.com", "jane.doe")
    set_routing(dry, "jane.doe", ["new@mail2.internal"])
    assert all(isinstance(change, Modify) for change in dry.changes)
    assert len(dry.changes) == 4
    assert mail(people, JANE) == ("jd@example.com",)
    assert "js@example.com" in mail(people, JOHN)


def test_a_uid_that_another_recipient_has_is_no_new_name(people) -> None:
    people.apply(
        Add(
            Entry.of(
                "cn=Office,dc=example,dc=com",
                {
                    "objectClass": ["device", "uidObject", "mailRecipient"],
                    "cn": ["Office"],
                    "uid": ["office"],
                    "mail": ["office@example.com"],
                },
            )
        )
    )
    for who, new in ("jane.doe", "Office"), ("office", "jane.doe"), ("jane.doe", "john.smith"):
        for writer in people, DryRun(people):
            with pytest.raises(AlreadyExists, match="the uid"):
                rename_recipient(writer, who, new)
    assert find_recipient(people, "office").dn == "cn=Office,dc=example,dc=com"


def test_a_dry_run_sees_that_a_new_name_is_taken(people) -> None:
    people.apply(Add(Entry.of(f"uid=x,{PEOPLE}", {"objectClass": ["account"], "uid": ["x"]})))
    for writer in people, DryRun(people):
        with pytest.raises(AlreadyExists, match="is there already"):
            rename_recipient(writer, "jane.doe", "x")


def test_a_second_uid_becomes_the_name(people) -> None:
    people.apply(Modify(JANE, (Mod(ModOp.ADD, "uid", (b"jane",)),)))
    assert rename_recipient(people, "jane.doe", "jane").dn == f"uid=jane,{PEOPLE}"
    assert find_recipient(people, "jane").texts("uid") == ("jane",)


@pytest.mark.parametrize(
    "name", ["rfc822Mailbox", "0.9.2342.19200300.100.1.3", "mail;lang-en", "userid", "2.5.4.0"]
)
def test_no_other_name_of_an_attribute_leads_around_its_verb(people, name: str) -> None:
    with pytest.raises(UsageError, match="is not set here"):
        set_recipient(people, "john.smith", {name: ["jd@example.com"]})


def test_an_attribute_is_set_under_each_of_its_names(people) -> None:
    (result,) = set_recipient(people, "john.smith", {"commonName": ["J"], "CN": ["K"]})
    assert (result.attribute, result.value) == ("cn", "J, K")
    assert people.get(JOHN).texts("cn") == ("J", "K")


def test_equal_values_are_refused_and_nobody_else_blamed(people) -> None:
    with pytest.raises(ValueExists, match="more than once"):
        set_recipient(people, "john.smith", {"cn": ["John", "JOHN"]})


def test_sharp_s_is_not_ss(people) -> None:
    set_routing(people, "john.smith", ["straße@mail1.internal"])
    (absent,) = remove_routing(people, "john.smith", ["strasse@mail1.internal"])
    (added,) = add_routing(people, "john.smith", ["strasse@mail1.internal"])
    (there,) = add_routing(people, "john.smith", ["STRAßE@mail1.internal"])
    assert (absent.state, added.state, there.state) == (State.ABSENT, State.ADDED, State.ALREADY)


def test_a_catch_all_names_its_recipient_in_both_spellings(people) -> None:
    add_aliases(people, "jane.doe", ["@example.net"])
    for name in "@example.net", "*@example.net", "*@EXAMPLE.net":
        assert find_recipient(people, name).dn == JANE


def test_what_no_address_would_be_stored_as_can_be_removed(people) -> None:
    odd = ("*@example.net", '"jane"@example.com')
    people.apply(Modify(JANE, (Mod(ModOp.ADD, "mail", tuple(v.encode() for v in odd)),)))
    assert [r.state for r in remove_aliases(people, "jane.doe", odd)] == [State.REMOVED] * 2
    assert mail(people, JANE) == ("jd@example.com",)


def test_a_dry_run_removes_a_value_once(people) -> None:
    dry = DryRun(people)
    states = [
        r.state for r in remove_aliases(dry, "jane.doe", ["jd@example.com", "JD@example.com"])
    ]
    again = ["jane.doe@mail1.internal", "Jane.Doe@mail1.internal"]
    states += [r.state for r in remove_routing(dry, "jane.doe", again)]
    assert states == [State.REMOVED, State.ABSENT] * 2
    for change in dry.changes:
        people.apply(change)


def test_routing_is_added_wholly_or_not_at_all(people) -> None:
    dry = DryRun(people)
    add_routing(dry, "jane.doe", ["a@mail1.internal", "A@mail1.internal", "b@mail1.internal"])
    values = (b"a@mail1.internal", b"b@mail1.internal")
    assert dry.changes == [Modify(JANE, (Mod(ModOp.ADD, "mailRoutingAddress", values),))]
