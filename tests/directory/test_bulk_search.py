"""OR batches: encoded as any filter, divided as each search's own filter would."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailldap.directory import wire
from mailldap.directory.answers import parse_entry
from mailldap.directory.base import Scope, SearchRequest
from mailldap.directory.bulk_search import OrSearch, asserted, shows_all
from mailldap.directory.memory import MemoryDirectory
from mailldap.ldap.block import Block
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import And, Equality, Or, Present
from mailldap.ldap.matching import evaluate
from mailldap.ldap.schema import default_schema
from tests.directory.fake_server import FakeServer, entry, message, result


class Subschema:
    """A session that shows these attribute types and nothing else."""

    def __init__(self, *types):
        self.directory = MemoryDirectory(base="dc=x")
        self.types = types

    def run(self, request):
        answer = self.directory.run(request)
        answer.code = 0
        name = request.attributes[0]
        values = {"subschemaSubentry": ("cn=s",), "attributeTypes": self.types}[name]
        answer.entries = [Entry.of("cn=s", {name: values})] if self.types else []
        return answer

    def close(self):
        pass


MAIL = (
    "( 0.9.2342.19200300.100.1.3 NAME ( 'mail' 'rfc822Mailbox' ) "
    "EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} )"
)
OTHER = (
    "( 1.2.3 NAME 'mailAlternateAddress' EQUALITY caseIgnoreMatch "
    "SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
)
BOTH = ("mail", "mailAlternateAddress")


def of(*attributes, types=(MAIL, OTHER)):
    return asserted(Subschema(*types), attributes)


class TestWhatTheServerShows:
    def test_names_and_rules_come_from_its_schema(self):
        (mail,) = of("RFC822mailbox")
        assert {"mail", "rfc822mailbox", "0.9.2342.19200300.100.1.3"} <= mail.names
        assert mail.key_of(b" A  b@X ") == b"a b@x"
        assert mail.key_of("é".encode()) is None

    @pytest.mark.parametrize(
        "types",
        [
            (),
            (OTHER,),
            ("( 1.2 NAME 'mail' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )",),
            ("( 1.2 NAME 'mail' )",),
            ("( 1.2 NAME 'mail' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )",),
            ("( 1.2 NAME 'mail' EQUALITY ownMatch SYNTAX 1.2.3 )",),
            (MAIL, "( 1.4 NAME 'privateMail' SUP mail )"),
            (MAIL, "( 1.4 NAME 'privateMail' SUP rfc822mailbox )"),
            ("nonsense about mail",),
        ],
        ids=str,
    )
    def test_what_we_cannot_do_as_the_server_does_is_left_alone(self, types):
        assert of("mail", types=types) is None

    def test_an_equality_rule_may_be_inherited(self):
        name = (
            "( 2.5.4.41 NAME 'name' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
        )
        (title,) = of("title", types=(name, "( 2.5.4.12 NAME 'title' SUP name )"))
        assert title.key_of("É x".encode()) == title.key_of("é  X".encode())

    def test_values_that_match_and_are_not_shown_are_noticed(self):
        shown = Entry.of("uid=a,dc=x", {"objectClass": ["account"], "mail": ["a@x"]})
        request = SearchRequest("dc=x", Scope.SUB, And(()))
        directory = MemoryDirectory([shown], base="dc=x")
        assert shows_all(directory, request, (), of(*BOTH))

        class Hiding:
            def run(self, wanted):
                answer = directory.run(wanted)
                answer.entries = [Entry(e.dn, ()) for e in answer.entries]
                return answer

        assert not shows_all(Hiding(), request, (), of("mail"))


def parts_of(entry):
    """The entry as it is read in bulk."""
    return entry.dn.encode(), [(name.encode(), list(values)) for name, values in entry]


words = st.sampled_from(
    [
        "a@x",
        "A@X",
        "b@x",
        " b@x",
        "a  b@x",
        "A b@X",
        "c@x ",
        "é@x",
        "É@X",
        "ﬁ@x",
        "fi@x",
        "@x",
        "d\0@x",
    ]
)
addresses = st.sampled_from(["a@x", "A@X", "b@x", " b@x", "a  b@x", "A b@X", "c@x", "d@x", " "])
entries = st.lists(
    st.tuples(st.lists(words, max_size=3, unique=True), st.lists(words, max_size=2, unique=True)),
    max_size=5,
)


def asked(keys):
    return [(key, key.encode()) for key in keys]


def divided(batch, sent):
    """The entries of each search, and what must be searched alone; None for a spoilt batch."""
    for own in sent:
        _, attributes = parts_of(own)
        batch.enter(attributes, attributes)
    return None if batch.unexplained else (batch.found, batch.alone)


@given(st.lists(words, min_size=1, max_size=6), st.booleans())
def test_a_batch_is_encoded_as_the_filter_that_it_is(keys, with_constants):
    constants = (Equality("objectClass", b"mailRecipient"),) if with_constants else ()
    search = OrSearch(of(*BOTH), constants)
    whole = Or(tuple(Equality(name, key.encode()) for key in keys for name in BOTH))
    wanted = And((*constants, whole)) if constants else whole
    assert search.batch(asked(keys)).filter == wire.encode_filter(wanted)
    long = [b"x" * 300, b"y" * 127]
    whole = Or(tuple(Equality(name, value) for value in long for name in BOTH))
    assert search.filter(long) == wire.encode_filter(
        And((*constants, whole)) if constants else whole
    )


@given(st.lists(words, min_size=1, max_size=6, unique=True), entries)
def test_each_search_gets_the_entries_that_its_own_filter_matches(keys, content):
    schema = default_schema()
    found = [
        Entry.of(f"uid={n},dc=x", {"MAIL": mail, "mailAlternateAddress;lang-x": other})
        for n, (mail, other) in enumerate(content)
    ]
    filters = [Or(tuple(Equality(name, key.encode()) for name in BOTH)) for key in keys]
    # What the server would send: whatever one of the filters matches.
    sent = [e for e in found if any(evaluate(f, e, schema) for f in filters)]
    parts, alone = divided(OrSearch(of(*BOTH), ()).batch(asked(keys)), sent)
    for number, own in enumerate(filters):
        assert parts[number] == [parts_of(e)[1] for e in sent if evaluate(own, e, schema)]
    for number in alone:
        assert len(parts[number]) > 0


WITHOUT_RULES = tuple(text.replace("EQUALITY", "X-NOT") for text in (MAIL, OTHER))


@given(st.lists(words.filter(str.isascii), min_size=1, max_size=6, unique=True), entries)
def test_without_a_rule_what_is_not_certain_is_searched_alone(keys, content):
    schema = default_schema()  # in which the rules ignore case and spaces
    found = [
        Entry.of(f"uid={n},dc=x", {"mail": mail, "mailAlternateAddress": other})
        for n, (mail, other) in enumerate(content)
    ]
    filters = [Or(tuple(Equality(name, key.encode()) for name in BOTH)) for key in keys]
    sent = [e for e in found if any(evaluate(f, e, schema) for f in filters)]
    unsure = of(*BOTH, types=WITHOUT_RULES)
    assert not any(one.certain for one in unsure)
    found_out = divided(OrSearch(unsure, ()).batch(asked(keys)), sent)
    if found_out is None:
        return
    parts, alone = found_out
    for number, own in enumerate(filters):
        right = [parts_of(e)[1] for e in sent if evaluate(own, e, schema)]
        if number not in alone and parts[number]:
            assert parts[number] == right


@settings(deadline=None)
@given(
    st.lists(addresses, min_size=2, max_size=8, unique=True),
    st.lists(st.tuples(st.booleans(), st.lists(addresses, max_size=3)), min_size=1, max_size=8),
    st.sampled_from(["mail", "MAIL", "mail;lang-x", "uid"]),
    st.sampled_from([("mail",), BOTH]),
)
def test_a_block_is_divided_as_its_entries_one_by_one(keys, content, name, names):
    """Entries of two batches, mixed; some explained, some by more than one key, some by none."""
    block = Block(
        [b"uid=%d" % n for n in range(len(content))],
        (
            (b"mailRoutingAddress", ([b"r"] * len(content),)),
            (
                name.encode(),
                tuple(
                    [own[at].encode() if at < len(own) else b"" for _, own in content]
                    for at in range(3)
                ),
            ),
        ),
    )
    made = [f"made {n}" for n in range(len(content))]
    outcomes = []
    for entries in (block, list(block)):
        search = OrSearch(of(*names), ())
        batches = search.batch(asked(keys[::2])), search.batch(asked(keys[1::2]))
        search.enter([batches[first] for first, _ in content], entries, made)
        outcomes.append([(batch.found, batch.alone, batch.unexplained) for batch in batches])
    assert outcomes[0] == outcomes[1]


def test_the_same_bytes_are_the_same_value_whatever_the_rule():
    (mail,) = of("mail", types=WITHOUT_RULES)
    shown = [Entry.of(f"uid={n}", {"mail": [n]}) for n in ("a@x", "B@x")]

    def batch():
        return OrSearch((mail,), ()).batch(asked(["a@x", "b@x", "c@x"]))

    assert divided(batch(), shown) == ([[parts_of(shown[0])[1]], [], []], {1})
    assert divided(batch(), [*shown, Entry.of("uid=d", {"mail": ["d@x"]})]) is None


def test_an_entry_that_no_search_explains_spoils_the_batch():
    batch = OrSearch(of("mail"), ()).batch(asked(["a@x", "b@x"]))
    shown = Entry.of("uid=a", {"mail": ["a@x"]})
    assert divided(batch, [shown]) == ([[parts_of(shown)[1]], []], set())
    assert divided(batch, [Entry.of("uid=b", {"uid": ["b"]})]) is None


def test_an_entry_found_by_different_attributes_is_asked_for_again():
    def batch():
        return OrSearch(of(*BOTH), ()).batch(asked(["a@x", "b@x", "c@x"]))

    by_each = Entry.of("uid=a", {"mail": ["a@x"], "mailAlternateAddress": ["b@x"]})
    by_one = Entry.of("uid=c", {"mail": ["c@x", "a@x"]})
    assert divided(batch(), [by_each])[1] == {0, 1}
    assert divided(batch(), [by_one])[1] == set()


def test_present_is_no_equality():
    assert wire.encode_filter(Present("a")) == b"\x87\x01a"


def test_searches_under_way_are_told_apart():
    from mailldap.directory.base import SessionParameters
    from mailldap.directory.session import open_session

    def out_of_order(connection):
        waiting = []
        while request := connection.read():
            if request[1] != 0x63:
                continue
            waiting.append(request)
            if len(waiting) == 3:
                for message_id, _, content in reversed(waiting):
                    own = entry(content[2 : 2 + content[1]].decode())
                    connection.send(message(message_id, own), message(message_id, result(0x65)))
                waiting.clear()

    with FakeServer(out_of_order) as server:
        session = open_session(SessionParameters((server.uri,), bind="none"))
        questions = (
            (n, session.encode(SearchRequest(f"dc={n}", Scope.SUB, Present("a")))) for n in range(9)
        )
        answers = [(n, e.dn) for n, _, (e,) in session.stream(questions, 3, parse_entry)]
    assert sorted(answers) == [(n, f"dc={n}") for n in range(9)]
    assert [n for n, _ in answers] != list(range(9))
