"""LDAP messages over one connected socket: framing, message ids, deadlines.

The socket may be ours or one that ldap3 opened, secured and bound. While a large request waits to
be sent, answers are taken in, so that neither side can block the other. Failures are ApiError with
libldap's numbers.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic

from mailldap.directory import answers, ber, wire
from mailldap.directory.answers import Message, Result
from mailldap.directory.libldap.answers import read_header, read_result
from mailldap.directory.libldap_text import DECODING_ERROR, SERVER_DOWN, TIMEOUT, api_error
from mailldap.directory.wire import Control
from mailldap.errors import ApiError

_CHUNK = 1 << 18

#: Message id, tag of the operation, where its content begins and ends, where the message ends.
Frame = tuple[int, int, int, int, int]
#: Lengths of up to 65,535 as one and two octets tell them, of the forms that an entry has.
_LONG = (0x81, 0x82)
_LONGEST_POLL = (1 << 31) - 1  # milliseconds, what poll(2) takes


#: liblber takes so many bytes before it looks at a length: a shorter message with more behind it is
#: an error to it (ber_get_next).
_FIRST_READ = 8
_OF_SEARCHES = {wire.SEARCH_ENTRY, wire.SEARCH_REFERENCE, wire.INTERMEDIATE_RESPONSE}


class _BadContent(ber.DecodingError):
    """A whole element that is no message; the bytes that follow could be read."""


class Channel:
    """One conversation. Every wait ends at *deadline*, a ``time.monotonic()`` value or None."""

    def __init__(self, sock: socket.socket, *, first_id: int = 1, libldap: bool = False) -> None:
        """*libldap*: answers are taken as libldap takes them, malformed ones too."""
        self._socket = sock
        self._next_id = first_id
        #: Whether answers are taken as libldap takes them.
        self.libldap = libldap
        self._buffer = b""
        self._at = 0
        self._waiting: list[bytes] = []
        #: False once the conversation broke off.
        self.usable = True
        #: Whether the server is at work on something that our going away must not disturb.
        self.busy = False
        sock.settimeout(0)

    def wrap(
        self, wrapper: Callable[[socket.socket], socket.socket], timeout: float | None
    ) -> None:
        """Go on over the socket that *wrapper* puts around ours (StartTLS).

        *wrapper* may wait *timeout* seconds; what it raises goes through. Raises ApiError where
        bytes came in before the wrapping: they were not protected.
        """
        if self._at != len(self._buffer) or self._waiting:
            raise self.broken(DECODING_ERROR, "answers in clear text after StartTLS")
        self._socket.settimeout(timeout)
        self._socket = wrapper(self._socket)
        self._socket.settimeout(0)

    @property
    def stale(self) -> bool:
        """Whether the other side hung up, or spoke unasked, while nothing was under way."""
        if not self.usable or self.busy or self._at != len(self._buffer) or self._waiting:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def fileno(self) -> int:
        """Return the number of the socket."""
        return self._socket.fileno()

    def new_id(self) -> int:
        """Return a message id that this conversation has not used."""
        message_id = self._next_id
        self._next_id = message_id + 1 if message_id < 0x7FFFFFFF else 1
        return message_id

    def send(
        self, operation: bytes, deadline: float | None, controls: Sequence[Control] = ()
    ) -> int:
        """Send one request and return its message id."""
        message_id = self.new_id()
        self.send_bytes(wire.message(message_id, operation, controls), deadline)
        return message_id

    def send_bytes(self, data: bytes, deadline: float | None) -> None:
        """Send whole messages, taking in answers while the other side does not read."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except OSError as error:
                if not _is_wait(error):
                    raise self.broken(SERVER_DOWN, str(error)) from error
                self._wait(deadline, writing=True)
                self._take_in()

    def _take_in(self) -> None:
        try:
            chunk = self._socket.recv(_CHUNK)
        except OSError as error:
            if not _is_wait(error):
                raise self.broken(SERVER_DOWN, str(error)) from error
            return
        if not chunk:
            raise self.broken(SERVER_DOWN, "the server closed the connection")
        self._waiting.append(chunk)

    def receive(self, deadline: float | None) -> Message:
        """Return the next answer, whoever asked for it."""
        try:
            while True:
                buffer, at = self._buffer, self._at
                end = len(buffer)
                length = ber.frame_length(buffer, at, end, patient=self.libldap)
                if length and at + length <= end:
                    self._at = at + length
                    if self.libldap:
                        return self._message(at, length)
                    return answers.parse_message(buffer, at, at + length)
                self._fill(at + length - end, deadline)
        except ber.DecodingError as error:
            raise self._malformed(error) from error

    def _message(self, at: int, length: int) -> Message:
        """Return the message of *length* bytes at *at*, read as libldap reads it."""
        end = at + length
        if self._buffer[at] != ber.SEQUENCE or length < _FIRST_READ <= len(self._buffer) - at:
            raise ber.DecodingError("no LDAP message")
        size = self._buffer[at + 1]
        start = at + 2 + (size & 0x7F if size >= 0x80 else 0)
        message_id, tag, start, stop, _end = _frame(self._buffer, start, end, libldap=True)
        return Message(message_id, tag, self._buffer, start, stop)

    def _malformed(self, error: ber.DecodingError) -> ApiError:
        code = DECODING_ERROR if isinstance(error, _BadContent) else SERVER_DOWN
        return self.broken(code, f"malformed message: {error}")

    @property
    def unread(self) -> tuple[bytes, int]:
        """What has come in: a buffer, and where in it the next answer begins."""
        return self._buffer, self._at

    def skip(self, to: int) -> None:
        """Take the answers before that place of :attr:`unread` for read."""
        self._at = to

    def receive_all(self, deadline: float | None, *, leave: int = 0) -> tuple[bytes, list[Frame]]:
        """Return a buffer and all whole answers in it, at least one; controls are not looked at.

        The others are left unread where *leave* bytes and more are behind the first.

        Written out flat, as answers.parse_entry is: it runs once an answer in the bulk paths.
        """
        frames: list[Frame] = []
        buffer, at = self._buffer, self._at
        try:
            while True:
                buffer, at = self._buffer, self._at
                end = len(buffer)
                missing = 1
                while end - at > 1:
                    length = buffer[at + 1]
                    start = at + 2
                    if length in _LONG and buffer[at] == ber.SEQUENCE and end - at > 4:
                        start += length & 3
                        length = int.from_bytes(buffer[at + 2 : start], "big")
                    elif buffer[at] != ber.SEQUENCE or length >= 0x80:
                        whole = ber.frame_length(buffer, at, end, patient=self.libldap)
                        start += length & 0x7F if length >= 0x80 else 0
                        length = whole - (start - at)
                        if not whole:
                            break
                    stop = start + length
                    if stop > end:
                        missing = stop - end
                        break
                    if buffer[at] != ber.SEQUENCE:
                        raise ber.DecodingError(f"tag 0x{buffer[at]:02x}")  # noqa: TRY301
                    if stop - at < _FIRST_READ <= end - at and self.libldap:
                        raise ber.DecodingError("too short")  # noqa: TRY301
                    frames.append(_frame(buffer, start, stop, libldap=self.libldap))
                    at = stop
                    if leave and end - at >= leave:
                        break
                self._at = at
                if frames:
                    return buffer, frames
                self._fill(missing, deadline)
        except ber.DecodingError as error:
            if frames and self.libldap:
                self._at = at  # what came before counts; the next to read meets the fault
                return buffer, frames
            raise self._malformed(error) from error

    def _fill(self, missing: int, deadline: float | None) -> None:
        """Read until *missing* more bytes are here, at least one."""
        parts = [self._buffer[self._at :], *self._waiting]
        missing -= sum(map(len, self._waiting))
        got_something = bool(self._waiting)
        self._waiting = []
        while missing > 0 or not got_something:
            try:
                chunk = self._socket.recv(_CHUNK)
            except OSError as error:
                if not _is_wait(error):
                    raise self.broken(SERVER_DOWN, str(error)) from error
                self._buffer, self._at = b"".join(parts), 0
                parts = [self._buffer]
                self._wait(deadline, writing=False)
                continue
            if not chunk:
                raise self.broken(SERVER_DOWN, "the server closed the connection")
            parts.append(chunk)
            missing -= len(chunk)
            got_something = True
        self._buffer, self._at = b"".join(parts), 0

    def _wait(self, deadline: float | None, *, writing: bool) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if writing else 0))
        if deadline is None:
            poll.poll()
            return
        left = deadline - monotonic()
        if left <= 0 or not poll.poll(min(left * 1000, _LONGEST_POLL)):
            raise api_error(TIMEOUT)

    def broken(self, code: int, detail: str) -> ApiError:
        """Return the error of a conversation that cannot go on."""
        self.usable = False
        return api_error(code, detail)

    def result(self, message_id: int, deadline: float | None) -> Result:
        """Return the result of an operation that has one answer.

        Answers to requests given up earlier are skipped. A notice of disconnection ends the
        conversation (RFC 4511 §4.4.1).
        """
        return self.parse(self.reply(message_id, deadline))

    def reply(self, message_id: int, deadline: float | None) -> Message:
        """Return the next answer to *message_id*; others are skipped as in :meth:`result`."""
        while True:
            reply = self.receive(deadline)
            if reply.id == message_id and not (self.libldap and reply.tag in _OF_SEARCHES):
                return reply
            self.check_unsolicited(reply)

    def check_unsolicited(self, reply: Message) -> None:
        """Raise ApiError, with its code, for a notice of disconnection; ignore other strays."""
        if reply.id == 0 and reply.tag == wire.EXTENDED_RESPONSE:
            result = self.parse(reply)
            unnamed = result.name is None and not self.libldap
            if unnamed or result.name == wire.NOTICE_OF_DISCONNECTION:
                raise self.broken(result.code or SERVER_DOWN, result.text or "it disconnects")

    def parse(self, reply: Message) -> Result:
        """Return the result in *reply*; a malformed one breaks the conversation."""
        try:
            parse = read_result if self.libldap else answers.parse_result
            return parse(reply.buffer, reply.start, reply.stop)
        except ber.DecodingError as error:
            raise self.broken(DECODING_ERROR, f"malformed answer: {error}") from error

    def call(self, operation: bytes, deadline: float | None) -> Result:
        """Send a request that has one answer, and return its result."""
        return self.result(self.send(operation, deadline), deadline)

    def abandon(self, message_id: int) -> None:
        """Tell the server to forget a request, if it can be told without waiting."""
        try:
            self._socket.send(wire.message(self.new_id(), wire.abandon(message_id)))
        except OSError:
            self.usable = False

    def close(self) -> None:
        """Say goodbye and close the socket; harmless when that has been done."""
        with suppress(OSError):  # it is going away in any case
            if self.usable and not self.busy:
                self._socket.send(wire.message(self.new_id(), wire.UNBIND_REQUEST))
        self.usable = False
        with suppress(OSError):
            self._socket.close()


def _frame(buffer: bytes, at: int, end: int, *, libldap: bool) -> Frame:
    """Return the frame of the message content ``buffer[at:end]``."""
    if at == end:
        raise ber.DecodingError("an empty message")
    try:
        if end - at >= 5 and buffer[at] == ber.INTEGER:
            size = buffer[at + 1]
            first = at + 2 + size
            if 1 <= size <= 4 and first + 2 <= end and buffer[at + 2] < 0x80:
                message_id = int.from_bytes(buffer[at + 2 : first], "big")
                length = buffer[first + 1]
                start = first + 2
                if length in _LONG and first + 4 <= end:
                    start += length & 3
                    length = int.from_bytes(buffer[first + 2 : start], "big")
                elif length >= 0x80 and not libldap:
                    tag, start, stop = ber.read_header(buffer, first, end)
                    return message_id, tag, start, stop, end
                stop = start + length
                if stop <= end and (length < 0x80 or start > first + 2):
                    return message_id, buffer[first], start, stop, end
        if libldap:
            message_id, tag, start, stop = read_header(buffer, at, end)
            return message_id, tag, start, stop, end
    except ber.DecodingError as error:
        raise _BadContent(str(error)) from error
    raise _BadContent("cut short")


def _is_wait(error: OSError) -> bool:
    """Tell whether a non-blocking socket only says "not yet"."""
    return isinstance(error, BlockingIOError) or type(error).__name__ in {
        "SSLWantReadError",
        "SSLWantWriteError",
    }
