"""The entries of one search or of several, as many of them together as came in together.

What is done to each of many entries takes long in Python; see directory/skeleton.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from mailldap.directory import answers, ber, wire
from mailldap.directory.answers import Message
from mailldap.directory.base import SearchResult
from mailldap.directory.channel import Channel
from mailldap.directory.exchange import take_in
from mailldap.directory.libldap_text import DECODING_ERROR
from mailldap.directory.skeleton import Reading, Skeleton
from mailldap.directory.wire import Control
from mailldap.ldap.block import Together

_T = TypeVar("_T")


class EntryStream:
    """The entries of one search as they come in, then what its last message tells."""

    def __init__(
        self,
        channel: Channel,
        message_id: int,
        deadline: Callable[[], float | None],
        skeleton: Skeleton,
    ) -> None:
        """*deadline* is asked at each wait for the search sent as *message_id*.

        *skeleton* is what the pages of one search share.
        """
        self._channel = channel
        self._id = message_id
        self._deadline = deadline
        self._skeleton = skeleton
        #: References as they come; code and text when the entries have ended.
        self.result = SearchResult()
        self.controls: tuple[Control, ...] = ()
        #: False until the last message is in.
        self.complete = False

    def read(self) -> Iterator[Together]:
        """Yield the entries, as many together as came in together and can be read together.

        Raises ApiError.
        """
        own, channel, skeleton = self._id, self._channel, self._skeleton
        while not self.complete:
            read = skeleton.read(*channel.unread)
            if read is not None and {own}.issuperset((*read.ids, *read.ended)):
                channel.skip(read.end)
                yield read.block
                if read.ended:
                    self.complete = True
                    return
            # What comes now is of another kind, or not all here; behind it may be a block again.
            buffer, frames = channel.receive_all(self._deadline(), leave=skeleton.worth)
            found = []
            try:
                for message_id, tag, start, stop, end in frames:
                    if message_id == own and tag == wire.SEARCH_ENTRY:
                        found.append(answers.parse_parts(buffer, start, stop))
                    elif message_id != own:
                        channel.check_unsolicited(Message(message_id, tag, buffer, start, stop))
                    elif take_in(channel, self.result, (own, tag, start, stop, end), buffer):
                        self.complete = True
                        self.controls = answers.parse_controls(buffer, stop, end)
            except ber.DecodingError as error:
                raise channel.broken(DECODING_ERROR, f"malformed answer: {error}") from error
            if found:
                skeleton.learn(found)
                yield found


class Arrived(NamedTuple, Generic[_T]):
    """Entries that came in together, in their order, and of which search each is."""

    marks: Sequence[_T]
    entries: Together


class Ended(NamedTuple, Generic[_T]):
    """The end of a search: references, code and text; its entries came before."""

    mark: _T
    result: SearchResult


def stream_together(
    channel: Channel,
    questions: Iterable[tuple[_T, bytes]],
    window: int,
    deadline: Callable[[], float | None],
    skeleton: Skeleton,
) -> Iterator[Arrived[_T] | Ended[_T]]:
    """Put encoded searches for the same attributes, *window* of them unanswered.

    Yields what comes in: entries, many together, and the ends of searches, each behind its
    entries. *deadline* is asked at each wait. Raises ApiError.
    """
    waiting: dict[int, Ended[_T]] = {}
    following = iter(questions)
    while True:
        while len(waiting) < window and (question := next(following, None)) is not None:
            mark, operation = question
            waiting[channel.send(operation, deadline())] = Ended(mark, SearchResult())
        if not waiting:
            return
        read = skeleton.read(*channel.unread)
        if read is not None:
            channel.skip(read.end)
            yield from _sorted_out(read, waiting)
            continue
        buffer, frames = channel.receive_all(deadline(), leave=skeleton.worth)
        marks, found = [], []
        for message_id, tag, start, stop, end in frames:
            of = waiting.get(message_id)
            if of is None:
                channel.check_unsolicited(Message(message_id, tag, buffer, start, stop))
                continue
            try:
                if tag == wire.SEARCH_ENTRY:
                    marks.append(of.mark)
                    found.append(answers.parse_parts(buffer, start, stop))
                elif take_in(channel, of.result, (message_id, tag, start, stop, end), buffer):
                    del waiting[message_id]
                    if found:
                        skeleton.learn(found)
                        yield Arrived(marks, found)
                        marks, found = [], []
                    yield of
            except ber.DecodingError as error:
                raise channel.broken(DECODING_ERROR, f"malformed answer: {error}") from error
        if found:
            skeleton.learn(found)
            yield Arrived(marks, found)


def _sorted_out(read: Reading, waiting: dict[int, Ended[_T]]) -> Iterator[Arrived[_T] | Ended[_T]]:
    """Yield what was read together but for answers that nobody waits for."""
    entries: Together = read.block
    ids = read.ids
    if not waiting.keys() >= set(ids):
        entries = [entry for own, entry in zip(ids, entries, strict=True) if own in waiting]
        ids = [own for own in ids if own in waiting]
    if ids:
        yield Arrived([waiting[own].mark for own in ids], entries)
    for own in read.ended:
        if own in waiting:
            yield waiting.pop(own)
