"""Many keys put to tables at once: the answers of one by one, several times as quick.

Keys are taken in chunks, and go to each table in turn as far as those before it had nothing. How
an LDAP table is asked for many is :mod:`mailldap.tables.ldap_bulk`'s; other tables answer on this
machine, where asking one by one costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import length_hint

from mailldap.tables.base import Answer, NotFound, Table
from mailldap.tables.ldap_bulk import LdapAsker, Say
from mailldap.tables.ldap_table import LdapTable
from mailldap.tables.open import Lookup

#: Keys that are read and answered together.
CHUNK = 20_000

#: Answers keys, of which about so many are to come, these included.
Asker = Callable[[Sequence[str], int], list[Answer]]


def lookup_many(
    lookup: Lookup, keys: Iterable[str], *, chunk: int = CHUNK, say: Say | None = None
) -> Iterator[tuple[str, Answer]]:
    """Yield each key with what :meth:`Lookup.get` answers for it, in the order of *keys*.

    See :func:`lookup_chunks`.
    """
    for some, answers in lookup_chunks(lookup, keys, chunk=chunk, say=say):
        yield from zip(some, answers, strict=True)


def lookup_chunks(
    lookup: Lookup, keys: Iterable[str], *, chunk: int = CHUNK, say: Say | None = None
) -> Iterator[tuple[Sequence[str], Sequence[Answer]]]:
    """Yield *chunk* keys at a time, and what :meth:`Lookup.get` answers for each.

    *say* is told, in words, how LDAP tables are asked. Memory is that of one *chunk* of keys and
    their answers, and of a snapshot where the keys are worth one: how many there are is taken from
    ``operator.length_hint(keys)``; without that, as many are expected as have come. Raises
    ConfigError as open_table.
    """
    asked: dict[int, Asker] = {}
    expected, seen = length_hint(keys), 0
    following = iter(keys)
    while batch := list(islice(following, chunk)):
        to_come = max(expected - seen if expected else seen, len(batch))
        seen += len(batch)
        answers: list[Answer] = [NotFound()] * len(batch)
        open_ = list(range(len(batch)))
        position = 0
        while open_ and (table := lookup.table(position)) is not None:
            if position not in asked:
                asked[position] = _asker(table, say)
            share = to_come * len(open_) // len(batch)
            asking = asked[position]([batch[index] for index in open_], share)
            missed = []
            for index, answer in zip(open_, asking, strict=True):
                if isinstance(answer, NotFound):
                    missed.append(index)
                else:
                    answers[index] = lookup.checked(table, batch[index], answer)
            open_ = missed
            position += 1
        yield batch, answers


def _asker(table: Table, say: Say | None) -> Asker:
    if isinstance(table, LdapTable):
        return LdapAsker(table, say).answers
    return lambda keys, _to_come: [table.get(key) for key in keys]
