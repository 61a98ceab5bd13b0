"""Update requests that a server makes as one: all of them, or none (RFC 5805)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep

from mailldap.directory import answers, ber, wire
from mailldap.directory.answers import Result
from mailldap.directory.channel import Channel
from mailldap.directory.exchange import stream
from mailldap.directory.libldap_text import DECODING_ERROR
from mailldap.directory.wire import Control


@dataclass(frozen=True, slots=True)
class TransactionOutcome:
    """How a transaction ended: the deciding result, and which operation it is about, if told."""

    result: Result
    failed: int | None = None


class Transaction:
    """Updates that the server holds, and makes when told to. :func:`queue` returns one."""

    def __init__(
        self, channel: Channel, identifier: bytes, deadline: Callable[[], float | None]
    ) -> None:
        self._channel = channel
        self._identifier = identifier
        self._deadline = deadline
        #: Message ids of the updates.
        self.ids: list[int] = []
        channel.busy = True

    @property
    def usable(self) -> bool:
        """Whether the connection that it was queued on lives, as far as is known."""
        return self._channel.usable

    def commit(self, meanwhile: Callable[[], None] | None = None) -> TransactionOutcome:
        """Have the updates made; the answer to the end request decides.

        *meanwhile* is called, and must not raise, while the server makes them. Raises ApiError,
        after which nobody knows.
        """
        channel = self._channel
        message_id = channel.send(wire.txn_end(self._identifier), self._deadline())
        if meanwhile is not None:
            meanwhile()
        ended = channel.result(message_id, self._deadline())
        channel.busy = False
        culprit = self._culprit(ended) if ended.code else None
        return TransactionOutcome(ended, self.ids.index(culprit) if culprit in self.ids else None)

    def give_up(self) -> None:
        """Have none of the updates made. Raises ApiError."""
        self._channel.call(wire.txn_end(self._identifier, commit=False), self._deadline())
        self._channel.busy = False

    def _culprit(self, ended: Result) -> int | None:
        """Return the message id of the update that broke it, where the server tells."""
        if not ended.value:
            return None
        try:
            return answers.parse_txn_end(ended.value)
        except ber.DecodingError as error:
            raise self._channel.broken(DECODING_ERROR, f"malformed answer: {error}") from error


def queue(
    channel: Channel,
    operations: Sequence[bytes],
    deadline: Callable[[], float | None],
    *,
    window: int = 1,
) -> Transaction | TransactionOutcome:
    """Return the update requests as a transaction to be ended, or why the server takes it not.

    With a *window* of 1 they are made in this order: servers work on several requests of one
    connection at a time. ``failed`` is an index into *operations*. Raises ApiError.
    """
    started = channel.call(wire.extended(wire.TXN_START), deadline())
    if started.code:
        return TransactionOutcome(started)
    transaction = Transaction(channel, started.value or b"", deadline)
    control = Control(wire.TXN_SPECIFICATION, critical=True, value=started.value or b"")
    results, transaction.ids = stream(channel, operations, deadline, window, (control,))
    _let_settle(channel, deadline())
    for index, result in enumerate(results):
        if result.code:
            transaction.give_up()
            return TransactionOutcome(result, index)
    return transaction


def run_transaction(
    channel: Channel,
    operations: Sequence[bytes],
    deadline: Callable[[], float | None],
    *,
    window: int = 1,
    meanwhile: Callable[[], None] | None = None,
) -> TransactionOutcome:
    """Queue the update requests and have them made.

    See :func:`queue` and :meth:`Transaction.commit`. Raises ApiError, after which nobody knows.
    """
    queued = queue(channel, operations, deadline, window=window)
    return queued.commit(meanwhile) if isinstance(queued, Transaction) else queued


def _let_settle(channel: Channel, deadline: float | None, seconds: float = 0.02) -> None:
    """Wait until the server has surely finished with what it has answered already.

    OpenLDAP answers an update of a transaction, and only then finishes with it (txn_preop in
    txn.c of 2.5 and 2.6); an end request that comes in between frees what is still in use, and
    slapd dies. Nothing in the protocol tells when it is safe: *seconds*, or ten times what a
    small request takes now, was never too short in thousands of transactions on a busy machine,
    where no wait killed one slapd in fifty.
    """
    slowest = 0.0
    for _ in range(3):
        asked = monotonic()
        channel.call(wire.extended(wire.WHO_AM_I), deadline)
        slowest = max(slowest, monotonic() - asked)
    sleep(max(seconds, 10 * slowest))
