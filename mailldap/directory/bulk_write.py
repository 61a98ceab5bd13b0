"""Many changes on one connection: as one transaction, or with several under way.

Only transactions spare the server a write to the disk for each change (RFC 5805); where there are
none, a window of requests spares the waiting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mailldap.directory.answers import Result
from mailldap.directory.channel import Channel
from mailldap.directory.exchange import stream
from mailldap.directory.transaction import run_transaction
from mailldap.directory.wire_update import update_request
from mailldap.ldap.change import Add, Change, Modify, Rename

#: OpenLDAP closes a connection that has more than 100 requests pending (slapd.conf(5),
#: conn_max_pending).
WINDOW = 90
#: "No better error code": the server could not, for a reason of its own (RFC 4511 §A.2).
OTHER = 80
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


def first_use(changes: Sequence[Change], used: set[str]) -> int:
    """Return how many of *changes* to make before no attribute in them is new to *used*.

    slapd's mdb numbers an attribute when an entry first has it. In a transaction that is then
    aborted it keeps the number and loses what it stands for, and entries written later cannot be
    read again. So an attribute is used outside of transactions first.
    """
    count = 0
    seen = set(used)
    for index, change in enumerate(changes):
        new = attributes_of(change) - seen
        if new:
            seen |= new
            count = index + 1
    return count


def attributes_of(change: Change) -> set[str]:
    """Return the attributes that *change* writes, in lower case."""
    match change:
        case Add(entry):
            return {name.lower() for name, _ in entry}
        case Modify(_, mods):
            return {mod.attribute.lower() for mod in mods}
    return set()


def refused(results: Sequence[Result]) -> bool:
    """Return whether one of *results* is no success."""
    return any(result.code for result in results)


def make_batch(
    channel: Channel,
    changes: Sequence[Change],
    deadline: Callable[[], float],
    *,
    transactions: bool,
    meanwhile: Callable[[], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[Result]:
    """Make *changes* until one is refused; return the result of each one tried, in order.

    With *transactions* those before the refused one are then made in a transaction of their own.
    Changes that depend on each other are made one by one. *meanwhile* is called, and must not
    raise, while the server works on a transaction; *stop* is asked between other changes, and
    ends them. Raises ApiError.
    """
    operations = [update_request(change) for change in changes]
    apart = independent(changes)
    window = WINDOW if apart else 1
    if transactions and apart and len(changes) > 1:
        outcome = run_transaction(channel, operations, deadline, window=window, meanwhile=meanwhile)
        if not outcome.result.code:
            return [outcome.result] * len(changes)
        # OpenLDAP cannot delete the last entry below another one in a transaction: mdb_delete in
        # delete.c takes "no more children" for an error. Alone it can.
        if outcome.failed is not None and outcome.result.code != OTHER:
            if not outcome.failed:
                return [outcome.result]
            before = make_batch(channel, changes[: outcome.failed], deadline, transactions=True)
            return before if refused(before) else [*before, outcome.result]
        # The server does not tell which one it was, or why: one after the other shows it.
    return stream(channel, operations, deadline, window, stop=stop)[0]
