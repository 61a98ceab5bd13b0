"""Batches of changes, each put to the server while it is at work on the one before.

A server makes one transaction at a time; queueing the next one, which is a third of the work, it
can do meanwhile, on another connection. Its end request is sent when the transaction before has
been made, so that the order stays, and with it the meaning of every answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_

from mailldap.directory.answers import Result
from mailldap.directory.bulk_write import (
    WINDOW,
    attributes_of,
    first_use,
    independent,
    make_batch,
    refused,
)
from mailldap.directory.connections import Connection, Connections
from mailldap.directory.transaction import Transaction, TransactionOutcome, queue
from mailldap.directory.wire_update import update_request
from mailldap.errors import ApiError
from mailldap.ldap.change import Change

#: Changes in bulk that are made in transactions, the others without: OpenLDAP before 2.5.14 never
#: frees them (ITS#9892), which is 3 kB for each new recipient, and does not tell its version.
_TRANSACTED = 100_000

Following = Callable[[], Sequence[Change]]


class Pipeline:
    """Makes batches over *connections*, of which it uses a second one for what comes next."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._attributes_used: set[str] = set()
        self._transacted = 0
        self._next: tuple[Sequence[Change], Transaction] | None = None

    def make(
        self,
        changes: Sequence[Change],
        *,
        transactions: bool,
        following: Following | None,
        stop: Callable[[], bool] | None,
    ) -> list[Result]:
        """Make *changes* until one is refused; return the result of each one tried.

        See BulkWriter.apply_batch; *transactions*: the server has them. Raises CouldNotAsk.
        """
        meanwhile = None if following is None else lambda: self._queue(following())
        outcome = self._commit(changes, meanwhile)
        if outcome is not None:
            if not outcome.result.code:
                return [outcome.result] * len(changes)
            # That connection may have led to another server, behind an address that several
            # share, which has not heard of the batch before: asked is where that one was made.
            meanwhile = None
            self.end()
            self._connections.switch()
        transactions = transactions and self._transacted < _TRANSACTED
        if transactions:
            self._transacted += len(changes)

        def make(connection: Connection) -> list[Result]:
            channel, deadline = connection.channel, self._connections.deadline
            alone = 0
            if transactions:
                connection.keep()
                alone = first_use(changes, self._attributes_used)
            results = make_batch(channel, changes[:alone], deadline, transactions=False)
            for change, result in zip(changes, results, strict=False):
                if not result.code:
                    self._attributes_used |= attributes_of(change)
            if refused(results):
                return results
            return results + make_batch(
                channel,
                changes[alone:],
                deadline,
                transactions=transactions,
                meanwhile=meanwhile,
                stop=stop,
            )

        results = self._connections.ask(make, repeat=False)
        if refused(results):
            self.end()
        elif outcome is not None:
            self._connections.stay_alone()
        return results

    def end(self) -> None:
        """Give up what was queued and has not been asked for."""
        if self._next is not None:
            _, transaction = self._next
            self._next = None
            try:
                transaction.give_up()
            except ApiError:
                self._connections.stay_alone()

    def _commit(
        self, changes: Sequence[Change], meanwhile: Callable[[], None] | None
    ) -> TransactionOutcome | None:
        """Have *changes* made, if they are what was queued."""
        if self._next is None:
            return None
        queued, transaction = self._next
        same = len(queued) == len(changes) and all(map(is_, queued, changes))
        if not same or not transaction.usable:
            self.end()
            return None
        self._next = None
        connection = self._connections.switch()
        return self._connections.ask_of(connection, lambda _: transaction.commit(meanwhile))

    def _queue(self, changes: Sequence[Change]) -> None:
        """Have *changes* queued on the second connection, if they are of the kind for it."""
        if (
            len(changes) < 2
            or self._transacted >= _TRANSACTED
            or first_use(changes, self._attributes_used)
            or not independent(changes)
        ):
            return
        connection = self._connections.second()
        if connection is None:
            return
        connection.keep()
        operations = [update_request(change) for change in changes]
        try:
            queued = queue(
                connection.channel, operations, self._connections.deadline, window=WINDOW
            )
        except ApiError:
            self._connections.stay_alone()
            return
        self._transacted += len(changes)
        if isinstance(queued, Transaction):
            self._next = changes, queued
