"""Many changes on one connection: as one transaction, or with several under way.

Only transactions spare the server a write to the disk for each change (RFC 5805); where there are
none, a window of requests spares the waiting.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence

from mailldap.directory import wire
from mailldap.directory.channel import Channel
from mailldap.directory.exchange import (
    TransactionOutcome,
    run_transaction,
    txn_control,
    txn_culprit,
)
from mailldap.directory.wire import Control, Result
from mailldap.ldap.change import Change, Rename

#: OpenLDAP closes a connection that has more than 100 requests pending (slapd.conf(5),
#: conn_max_pending).
WINDOW = 90
#: A DN that is written in one way only, apart from case.
_PLAIN = re.compile(r"[A-Za-z0-9@._=-]+(?:,[A-Za-z0-9@._=-]+)*")


def independent(changes: Sequence[Change]) -> bool:
    """Return whether *changes* may be made in any order.

    A server works on several requests of one connection at a time. Safe are changes of entries
    none of which is another's parent; a DN that could be spelled in two ways is not judged.
    """
    names = set()
    for change in changes:
        dn = change.dn.lower()
        if isinstance(change, Rename) or dn in names or not _PLAIN.fullmatch(dn):
            return False
        names.add(dn)
    return all(dn.partition(",")[2] not in names for dn in names)


def stream(
    channel: Channel, changes: Sequence[Change], deadline: Callable[[], float]
) -> tuple[int, Result | None]:
    """Make *changes* with several under way; return how many until the first refusal, and it.

    Changes that depend on each other are made one by one.
    """
    operations = [wire.change(change) for change in changes]
    ids: list[int] = []
    window = WINDOW if independent(changes) else 1
    refused = _stream(channel, operations, deadline, (), ids, window)
    return (len(changes), None) if refused is None else refused


def make_batch(
    channel: Channel,
    changes: Sequence[Change],
    deadline: Callable[[], float],
    *,
    transactions: bool,
) -> tuple[int, Result | None]:
    """Make *changes* up to the first refusal; return how many were made, and the refusal.

    With *transactions* those before the refused one are then made in a transaction of their own.
    """
    if not transactions:
        return stream(channel, changes, deadline)
    operations = [wire.change(change) for change in changes]
    outcome = run_transaction(channel, operations, deadline())
    if not outcome.result.code:
        return len(changes), None
    if outcome.failed is None:  # the server does not tell which one it was
        return stream(channel, changes, deadline)
    if outcome.failed:
        made, earlier = make_batch(channel, changes[: outcome.failed], deadline, transactions=True)
        if earlier is not None:
            return made, earlier
    return outcome.failed, outcome.result


def _stream(
    channel: Channel,
    operations: Sequence[bytes],
    deadline: Callable[[], float],
    controls: Sequence[Control],
    ids: list[int],
    window: int = WINDOW,
) -> tuple[int, Result] | None:
    """Send *operations*, a window of them unanswered; return the first refusal by index.

    Nothing is sent after a refusal came in; what is under way then is waited for.
    """
    waiting: deque[int] = deque()
    refused: dict[int, Result] = {}
    answered: set[int] = set()
    place: dict[int, int] = {}

    def answer() -> None:
        reply = channel.receive(deadline())
        index = place.get(reply.id)
        if index is None or index in answered:
            channel.check_unsolicited(reply)
            return
        result = channel.parse(reply)
        answered.add(index)
        waiting.remove(index)
        if result.code:
            refused[index] = result

    for index, operation in enumerate(operations):
        while len(waiting) >= window:
            answer()
        if refused:
            break
        ids.append(channel.send(operation, deadline(), controls))
        place[ids[-1]] = index
        waiting.append(index)
    while waiting:
        answer()
    if not refused:
        return None
    first = min(refused)
    return first, refused[first]
