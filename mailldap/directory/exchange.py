"""Requests and their answers over a channel: a search with all its entries, a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from mailldap.directory import answers, ber, wire
from mailldap.directory.answers import Message, Result
from mailldap.directory.base import SearchRequest, SearchResult
from mailldap.directory.channel import Channel, Frame
from mailldap.directory.libldap.answers import read_entry, read_result
from mailldap.directory.libldap_text import DECODING_ERROR
from mailldap.directory.wire import Control
from mailldap.ldap.entry import Entry

_T = TypeVar("_T")
_E = TypeVar("_E")
#: What a server says nearly always: success, and nothing more (RFC 4511 §4.1.9).
_DONE = Result(0)
_SUCCESS = bytes.fromhex("0a010004000400")
#: Bytes that leave in one piece, unless a single request has more.
_ENOUGH = 1 << 18


class Answer(NamedTuple):
    """What a search brought, and the controls of its last message."""

    result: SearchResult
    controls: tuple[Control, ...] = ()


def run_search(
    channel: Channel,
    request: SearchRequest,
    deadline: float | None,
    controls: Sequence[Control] = (),
) -> Answer:
    """Return everything that comes back for *request*, refusals included.

    Raises ApiError; after a timeout the request has been abandoned, and the channel goes on.
    """
    return finish_search(channel, channel.send(wire.search(request), deadline, controls), deadline)


def finish_search(channel: Channel, message_id: int, deadline: float | None) -> Answer:
    """Return everything that comes back for the search sent as *message_id*."""
    answer = SearchResult()
    finished: Answer | None = None
    while finished is None:
        buffer, frames = channel.receive_all(deadline)
        try:
            for own, tag, start, stop, end in frames:
                if own != message_id:
                    channel.check_unsolicited(Message(own, tag, buffer, start, stop))
                elif tag == wire.SEARCH_ENTRY:
                    answer.entries.append(_entry(channel, buffer, start, stop, end))
                elif take_in(channel, answer, (own, tag, start, stop, end), buffer):
                    controls = () if channel.libldap else answers.parse_controls(buffer, stop, end)
                    finished = Answer(answer, controls)
                    if channel.libldap:
                        break  # the rest has not been looked at yet
        except ber.DecodingError as error:
            raise channel.broken(DECODING_ERROR, f"malformed answer: {error}") from error
    return finished


def _entry(channel: Channel, buffer: bytes, start: int, stop: int, end: int) -> Entry:
    try:
        return answers.parse_entry(buffer, start, stop)
    except ber.DecodingError:
        if not channel.libldap:
            raise
        return read_entry(buffer, start, end)


def take_in(channel: Channel, answer: SearchResult, frame: Frame, buffer: bytes) -> bool:
    """Enter what is not an entry into *answer*; return whether the search is done.

    Raises ber.DecodingError.
    """
    _id, tag, start, stop, end = frame
    if tag == wire.SEARCH_REFERENCE:
        try:
            answer.references.append(answers.parse_reference(buffer, start, stop))
        except ber.DecodingError:
            if not channel.libldap:
                raise
        return False
    if tag == wire.INTERMEDIATE_RESPONSE:
        return False
    if tag != wire.SEARCH_DONE:
        if not channel.libldap:
            raise ber.DecodingError(f"answer 0x{tag:02x} to a search")
        answer.entries.clear()  # libldap returns any other answer at once, and alone
        answer.references.clear()
    if channel.libldap:
        done = read_result(buffer, start, end)
    else:
        done = answers.parse_result(buffer, start, stop)
    answer.code, answer.text = done.code, done.text
    answer.matched_dn, answer.referral = done.matched_dn, done.referral
    return True


def stream_searches(
    channel: Channel,
    questions: Iterable[tuple[_T, bytes]],
    window: int,
    deadline: Callable[[], float | None],
    parse: Callable[[bytes, int, int], _E],
) -> Iterator[tuple[_T, SearchResult, list[_E]]]:
    """Put encoded searches, *window* of them unanswered; yield each with its answer.

    The answer's entries, which *parse* reads, are beside it. *deadline* is asked at each wait.
    Raises ApiError.
    """
    waiting: dict[int, tuple[_T, SearchResult, list[_E]]] = {}
    following = iter(questions)
    while True:
        while len(waiting) < window and (question := next(following, None)) is not None:
            mark, operation = question
            waiting[channel.send(operation, deadline())] = mark, SearchResult(), []
        if not waiting:
            return
        buffer, frames = channel.receive_all(deadline())
        for message_id, tag, start, stop, end in frames:
            slot = waiting.get(message_id)
            if slot is None:
                channel.check_unsolicited(Message(message_id, tag, buffer, start, stop))
                continue
            try:
                if tag == wire.SEARCH_ENTRY:
                    slot[2].append(parse(buffer, start, stop))
                elif take_in(channel, slot[1], (message_id, tag, start, stop, end), buffer):
                    del waiting[message_id]
                    yield slot
            except ber.DecodingError as error:
                raise channel.broken(DECODING_ERROR, f"malformed answer: {error}") from error


def stream(
    channel: Channel,
    operations: Sequence[bytes],
    deadline: Callable[[], float | None],
    window: int,
    controls: Sequence[Control] = (),
    stop: Callable[[], bool] | None = None,
) -> tuple[list[Result], list[int]]:
    """Send update requests, *window* of them unanswered; return results and message ids in order.

    Nothing is sent after a refusal came in, or once *stop* says so; what is under way then is
    waited for. *deadline* is asked at each wait. Raises ApiError, after which nobody knows.
    """
    suffix = wire.encode_controls(controls)
    ids: list[int] = []
    waiting: dict[int, int] = {}
    results: dict[int, Result] = {}
    ended = False
    while True:
        # Filled up by halves, so that many requests leave in one piece.
        if not ended and len(waiting) <= window // 2 and len(ids) < len(operations):
            ended = stop is not None and stop()
            pieces: list[bytes] = []
            size = 0
            while (
                not ended
                and len(waiting) < window
                and len(ids) < len(operations)
                and size < _ENOUGH
            ):
                message_id = channel.new_id()
                waiting[message_id] = len(ids)
                pieces.append(wire.frame(message_id, operations[len(ids)], suffix))
                size += len(pieces[-1])
                ids.append(message_id)
            channel.send_bytes(b"".join(pieces), deadline())
        if not waiting:
            return [results[index] for index in range(len(results))], ids
        buffer, frames = channel.receive_all(deadline())
        for message_id, tag, start, stop_at, _end in frames:
            place = waiting.pop(message_id, None)
            reply = Message(message_id, tag, buffer, start, stop_at)
            if place is None:
                channel.check_unsolicited(reply)
            elif buffer[start:stop_at] == _SUCCESS:
                results[place] = _DONE
            else:
                results[place] = channel.parse(reply)
                ended = ended or results[place].code != 0
