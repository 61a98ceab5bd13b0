"""What several searches bring is given to each of them, however it comes in."""

import random
import socket
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailldap.directory import ber, skeleton
from mailldap.directory.channel import Channel
from mailldap.directory.skeleton import Skeleton
from mailldap.directory.together import Arrived, EntryStream, stream_together
from mailldap.errors import ApiError
from mailldap.ldap.block import Block
from tests.directory.fake_server import entry, message, reference, result

#: Nobody's; the last one is below zero.
STRAYS = (0, 99, 0x87)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(skeleton, "_SAMPLE", 1)
    monkeypatch.setattr(skeleton, "_WORTH", 1)


def person(number):
    return f"uid=u{number},dc=x", {"mail": [b"u%d@x" % number, b"%d@y" % number], "sn": [b"s"]}


def parts(number):
    dn, attributes = person(number)
    return dn.encode(), [(name.encode(), own) for name, own in attributes.items()]


def sent(message_id, number):
    dn, attributes = person(number)
    return message(message_id, entry(dn, **attributes))


def _of(message_id, made):
    """The message with another id of one octet, below zero too."""
    return made.replace(b"\x02\x01\x08", b"\x02\x01" + bytes((message_id,)), 1)


def taught():
    made = Skeleton()
    made.learn([parts(1)])
    return made


def brought(replies, questions, window=16, by=None):
    """What those replies bring to questions 1, 2, 3…, and how many entries came as blocks."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(replies)
        theirs.shutdown(socket.SHUT_WR)
        found = {n: [] for n in range(1, questions + 1)}
        ends = {}
        together = 0
        for come in stream_together(
            Channel(ours, libldap=True),
            [(n, b"\x63\x00") for n in found],
            window,
            lambda: monotonic() + 5,
            by or taught(),
        ):
            if isinstance(come, Arrived):
                together += len(come.entries) * isinstance(come.entries, Block)
                for mark, own in zip(come.marks, come.entries, strict=True):
                    assert mark not in ends
                    found[mark].append(own)
            else:
                assert come.mark not in ends
                ends[come.mark] = (come.result.code, come.result.references)
        return found, ends, together


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(1, 99), max_size=6), st.sampled_from([0, 0, 0, 4]), st.booleans()
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_each_search_has_its_own(searches, strays, chance):
    queues = [
        [
            *(sent(n, number) for number in numbers),
            *([message(n, reference("ldap://a"))] if referred else []),
            message(n, result(0x65, code)),
        ]
        for n, (numbers, code, referred) in enumerate(searches, 1)
    ]
    queues += [
        [_of(stray, own) for own in (sent(8, 5), message(8, result(0x65)))]
        for stray in STRAYS[:strays]
    ]
    replies = b""
    while queues := [queue for queue in queues if queue]:
        replies += chance.choice(queues).pop(0)
    wanted = {n: [parts(number) for number in own] for n, (own, *_) in enumerate(searches, 1)}
    ends = {
        n: (code, [("ldap://a",)] if referred else [])
        for n, (_, code, referred) in enumerate(searches, 1)
    }
    for by in (taught(), Skeleton()):
        found, ended, _ = brought(replies, len(searches), by=by)
        assert found == wanted
        assert ended == ends


def test_entries_are_read_together_across_searches_and_their_ends():
    order = random.Random(3)
    replies = b""
    left = dict.fromkeys(range(1, 9), 20)
    while left:
        n = order.choice(list(left))
        replies += sent(n, left[n]) if left[n] else message(n, result(0x65))
        left[n] -= 1
        if left[n] < 0:
            del left[n]
    found, ends, together = brought(replies, 8)
    assert {len(own) for own in found.values()} == {20}
    assert list(ends.values()) == [(0, [])] * 8
    assert together >= 8 * 20 - 5


def test_no_more_are_put_than_the_window_lets():
    """The next search goes out when one has ended; its answers are there already."""
    replies = b"".join(sent(n, n) + message(n, result(0x65)) for n in range(1, 9))
    found, ends, _ = brought(replies, 8, window=8)
    assert (len(ends), found[8]) == (8, [parts(8)])
    # Those of a search that has not been put are nobody's.
    with pytest.raises(ApiError, match="Can't contact"):
        brought(replies, 8, window=1)


def test_an_answer_that_is_cut_off_ends_the_conversation():
    replies = sent(1, 1) + sent(1, 2) + sent(1, 3)[:-1]
    with pytest.raises(ApiError):
        brought(replies, 1)


def test_the_entries_of_one_search_end_with_it():
    """A search's end may be read with its entries, where more is behind it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(
            b"".join(sent(1, n) for n in range(5)) + message(1, result(0x65)) + sent(99, 5)
        )
        channel = Channel(ours)
        stream = EntryStream(channel, 1, lambda: monotonic() + 5, taught())
        assert [own for some in stream.read() for own in some] == [parts(n) for n in range(5)]
        assert stream.complete
        buffer, at = channel.unread
        assert buffer[at:] == sent(99, 5)


def test_what_is_not_of_the_search_is_passed_over():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(
            sent(1, 1) + sent(99, 5) + sent(1, 2) + ber.tlv(0x30, b"\x02\x01\x02" + result(0x65))
            + sent(1, 3) + message(1, result(0x65))
        )  # fmt: skip
        stream = EntryStream(Channel(ours), 1, lambda: monotonic() + 5, taught())
        assert [own for some in stream.read() for own in some] == [parts(n) for n in (1, 2, 3)]
