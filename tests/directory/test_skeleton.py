"""Entries read together are what the walk from element to element finds, whatever comes in."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailldap.directory import answers, ber, skeleton
from mailldap.directory.channel import Channel
from mailldap.directory.skeleton import Skeleton
from tests.directory.fake_server import number

ID = 7
NAMES = (b"objectClass", b"uid", b"mail", b"mailRoutingAddress", b"cn;lang-de", b"0")
#: What headers consist of, and values that look like them.
BITS = (
    b"0", b"1", b"00", b"0\x04", b"\x04", b"\x04\x04mail1", b"\x04\x04mail1\x06\x04\x04abcd",
    b"0b\x04\x04mail1Z\x04", b"0b", b"d", b"\x02\x01\x07d", b"0\x0c\x02\x01\x07", b"\x81\x80",
    b"\x82\x01\x04", b"mail1", b"mail", b"a", b"abcd", b"0 ", b" ", b"\n", b"\0", b"\xc3\xa9",
    b"~", b"u" * 130, b"0b\x04\x120", b"\x04\x010", b"uid1",
)  # fmt: skip
PLAIN = st.from_regex(rb"[ -~]{1,12}", fullmatch=True)
VALUES = PLAIN | st.lists(st.sampled_from(BITS), max_size=4).map(b"".join)
ATTRIBUTES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.lists(VALUES, max_size=4)), max_size=5, unique_by=lambda a: a[0]
)  # fmt: skip
ORDERED = ATTRIBUTES.map(lambda found: sorted(found, key=lambda pair: NAMES.index(pair[0])))
ENTRY = st.tuples(VALUES, ORDERED | ATTRIBUTES)
IDS = st.sampled_from((ID, 300, 0x7FFFFFFF))
#: What comes in: entries, and where there is none, the end of a search.
MESSAGES = st.lists(st.tuples(IDS, ENTRY | st.none()), min_size=1, max_size=8)


def encoded(dn, attributes, *, message_id=ID, controls=b""):
    pairs = [
        ber.tlv(0x30, ber.octets(name) + ber.tlv(0x31, b"".join(map(ber.octets, values))))
        for name, values in attributes
    ]
    entry = ber.tlv(0x64, ber.octets(dn) + ber.tlv(0x30, b"".join(pairs)))
    return ber.tlv(0x30, number(message_id) + entry + controls)


def ended(message_id=ID, *, code=0, text=b"", controls=b""):
    result = bytes((0x0A, 1, code)) + ber.octets(b"") + ber.octets(text)
    return ber.tlv(0x30, number(message_id) + ber.tlv(0x65, result) + controls)


def sent(message_id, entry):
    return encoded(*entry, message_id=message_id) if entry else ended(message_id)


def walked(buffer):
    """What the walk finds in whole messages: entries with their ids, and the ids of ends."""
    channel = Channel(_Bytes(buffer), libldap=True)
    found, ends = [], []
    while channel.unread != (b"", 0) or not found + ends:
        data, frames = channel.receive_all(None)
        for message_id, tag, start, stop, end in frames:
            if tag == 0x65:
                assert answers.parse_result(data, start, stop) == answers.Result(0)
                ends.append(message_id)
            else:
                assert (tag, stop) == (0x64, end)
                found.append((message_id, answers.parse_parts(data, start, stop)))
        if channel.unread[1] == len(buffer):
            break
    return found, ends


class _Bytes:
    """A socket of which those bytes come."""

    def __init__(self, data):
        self.data = data

    def gettimeout(self):
        return None

    def settimeout(self, _timeout):
        pass

    def recv(self, _size):
        data, self.data = self.data, b""
        return data


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(skeleton, "_SAMPLE", 1)
    monkeypatch.setattr(skeleton, "_WORTH", 1)


def taught(*entries):
    made = Skeleton()
    for entry in entries:
        made.learn([entry])
    return made


FULL = (b"uid=a", [(name, [b"a", b"b", b"c"][: 1 + 2 * (name != b"uid")]) for name in NAMES])


def agrees(made, buffer, at=0):
    """Read once; what is read is what the walk finds in the same bytes."""
    read = made.read(buffer, at)
    if read is None:
        return at
    assert at < read.end <= len(buffer)
    assert len(read.block) == len(read.ids)
    assert (list(zip(read.ids, read.block, strict=True)), read.ended) == walked(
        buffer[at : read.end]
    )
    return read.end


@settings(deadline=None)
@given(MESSAGES, st.sampled_from([b"", b"0", b"0\x0c\x02\x01\x07e", b"0b", b"\x04\x01a", b"0\x81"]))
@example([(ID, (b"uid=a", [(b"mail", [b"a0b", b"mail1Z"])]))], b"")
def test_what_is_read_together_is_what_the_walk_finds(messages, rest):
    made = taught(FULL)
    buffer = b"".join(sent(*own) for own in messages) + rest
    at = 0
    while at < len(buffer):
        end = agrees(made, buffer, at)
        at = (
            end
            if end > at
            else at + max(ber.frame_length(buffer, at, len(buffer), patient=True), 1)
        )
        made._credit = 200  # it is tried again, whatever it met


@settings(deadline=None)
@given(MESSAGES, st.randoms(use_true_random=False))
def test_bytes_that_were_changed_mislead_nobody(messages, chance):
    made = taught(FULL, *(entry for _, entry in messages if entry and chance.random() < 0.5))
    parts = [sent(*own) for own in [*messages, (ID, FULL), (ID, None), (ID, FULL)]]
    for _ in range(4):
        agrees(made, spoiled(b"".join(parts), chance) + encoded(*FULL))
        made._credit = 200


def spoiled(data, chance):
    """The bytes, one to three of them changed, moved, taken or put in: lengths first of all."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[at] = (data[at] + chance.choice((1, -1, 2, 0x80))) % 256
        elif kind == 1:
            data[at:at] = chance.choice(BITS)
        elif kind == 2:
            del data[at : at + chance.randint(1, 3)]
        elif kind == 3:  # one longer, another shorter by as much: sums stay as they were
            other = chance.randrange(len(data))
            data[at], data[other] = (data[at] + 1) % 256, (data[other] - 1) % 256
        else:
            other = chance.randrange(len(data))
            data[at], data[other] = data[other], data[at]
    return bytes(data)


def plain(count, **more):
    return [
        (
            b"uid=u%d,dc=x" % n,
            [(b"mail", [b"u%d.%d@x" % (n, i) for i in range(1 + n % 3)]), (b"uid", [b"u%d" % n])],
        )
        for n in range(count)
    ]


def test_usual_entries_are_read_together():
    entries = plain(300)
    buffer = b"".join(encoded(*entry) for entry in entries)
    made = taught(*entries[:3])
    read = made.read(buffer, 0)
    assert list(read.block) == entries[:-1]  # behind the last one nothing tells that it is whole
    assert read.end == len(buffer) - len(encoded(*entries[-1]))
    assert made.worth


def test_the_messages_of_several_searches_are_told_apart():
    entries = plain(6)
    messages = [
        (1, entries[0]), (300, entries[1]), (1, entries[2]), (1, None), (300, entries[3]),
        (5, None), (300, entries[4]), (300, None), (2, entries[5]),
    ]  # fmt: skip
    read = taught(*entries).read(b"".join(sent(*own) for own in messages), 0)
    assert list(read.block) == entries[:-1]
    assert read.ids == [1, 300, 1, 300, 300]
    assert read.ended == [1, 5, 300]


def test_ends_may_come_alone():
    read = taught(*plain(3)).read(ended(1) + ended(2) + ended(3), 0)
    assert (list(read.block), read.ended) == ([], [1, 2])


USUAL = [(b"mail", [b"a@x"]), (b"uid", [b"a"])]


@pytest.mark.parametrize(
    "odd",
    [
        encoded(b"uid=a", USUAL, controls=ber.tlv(0xA0, b"")),
        encoded(b"uid=a", USUAL[::-1]),
        encoded(b"uid=a", [(b"mail", [b"a\xff@x"]), (b"uid", [b"a"])]),
        encoded(b"uid=a", [(b"mail", []), (b"uid", [b"a"])]),
        encoded(b"uid=a", [(b"mail", [b"a@x"]), (b"Mail", [b"b@x"])]),
        encoded(b"", USUAL),
        encoded(b"uid=a", [(b"mail", [b"x" * 128])]),
        encoded(b"uid=a", [(b"mail", [b"1", b"2", b"3", b"4"])]),
        encoded(b"uid=a", USUAL).replace(b"\x64", b"\x73", 1),
        ended(code=4),
        ended(text=b"well"),
        ended(controls=ber.tlv(0xA0, b"")),
        ended().replace(b"\x65", b"\x78", 1),
    ],
)
def test_what_is_not_usual_is_left_to_the_walk(odd):
    entries = plain(20)
    front = b"".join(encoded(*entry) for entry in entries)
    made = taught(*entries[:3])
    read = made.read(front + odd + front, 0)
    assert list(read.block) == entries
    assert not read.ended
    assert read.end == len(front)
    assert made.read(odd + front, 0) is None


@pytest.mark.parametrize(
    "lie",
    [
        encoded(b"uid=a", USUAL).replace(b"\x02\x01\x07", b"\x02\x02\x07", 1),
        ended().replace(b"\x02\x01\x07", b"\x02\x02\x07", 1),
        ended().replace(b"\x0c", b"\x0d", 1),
        b"\x30\x81" + encoded(b"uid=a", USUAL)[1:],
        encoded(b"uid=a", USUAL).replace(b"\x03a@x", b"\x02a@x"),
        encoded(b"uid=a", USUAL).replace(b"\x03a@x", b"\x04a@x"),
        encoded(b"uid=a", USUAL).replace(b"mail1", b"mail1\x81"),
    ],
)
def test_what_is_not_proven_is_left_to_the_walk(lie):
    entries = plain(20)
    front = b"".join(encoded(*entry) for entry in entries)
    made = taught(*entries[:3])
    read = made.read(front + lie + front, 0)
    assert read is None or list(read.block) in (entries, entries[:-1])
    assert made.read(lie + front, 0) is None


def test_what_is_never_usual_is_given_up():
    made = taught(*plain(3))
    odd = encoded(b"uid=a", [(b"sn", [b"a"])])
    tries = 0
    while made.worth:
        tries += 1
        made.read(odd + odd, 0)
    assert tries < 20
    lie = encoded(b"uid=a", [(b"mail", [b"a@x"])]).replace(b"\x03a@x", b"\x02a@x")
    made = taught(*plain(3))
    while made.worth:
        tries += 1
        made.read(lie + lie, 0)
    assert tries < 25


def test_a_skeleton_grows_so_many_times():
    made = taught(*plain(3))
    seen = []
    for n in range(12):
        entry = (b"uid=a", [(b"mail", [b"a@x"]), (b"uid", [b"a"]), (b"x%d" % n, [b"a"])])
        made.learn([entry])
        seen.append(made.read(encoded(*entry) * 2, 0) is not None)
    assert seen == [True] * 5 + [False] * 7


def test_too_large_a_skeleton_is_none():
    made = taught((b"uid=a", [(b"member", [b"m%d" % n for n in range(100)])]))
    assert not made.worth


def test_names_that_differ_in_case_are_none():
    made = taught(*plain(3), (b"uid=a", [(b"MAIL", [b"a"])]))
    assert made.read(encoded(b"uid=a", [(b"MAIL", [b"a"])]) * 2, 0) is None


def test_ids_of_all_sizes():
    for message_id in (2, 127, 128, 300, 1 << 20, 0x7FFFFFFF):
        entry = plain(1)[0]
        made = taught(entry)
        for own in (message_id, message_id - 1):
            read = made.read(encoded(*entry, message_id=own) * 3, 0)
            assert list(read.block) == [entry] * 2
            assert read.ids == [own] * 2


def test_a_hostile_entry_costs_little():
    chance = random.Random(1)
    made = taught(FULL)
    for _ in range(50):
        value = b"".join(
            chance.choice((b"0", b"\x04", b"0b\x04", b"\x04\x01")) for _ in range(3000)
        )
        assert made.read(encoded(b"a", [(b"mail", [value])]) + encoded(*FULL), 0) is None
        made._credit = 200
