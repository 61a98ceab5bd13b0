"""Entries of one skeleton, kept as columns: what is done to all of them is done to a column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailldap.ldap.entry import Parts

#: What all entries have in one place: a DN or a value each, empty where one has none there.
Column = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Block:
    """Entries with the same attributes in the same order, some of which an entry may lack.

    Every DN, name and value is printable ASCII; no DN, and no value that an entry has, is empty.
    An attribute is its name and, for its first, second… value, a column each; an entry with fewer
    values has nothing in the last ones. There is an attribute; no two names differ in case only.
    """

    dns: Column
    attributes: tuple[tuple[bytes, tuple[Column, ...]], ...]

    def __len__(self) -> int:
        return len(self.dns)

    def __iter__(self) -> Iterator[Parts]:
        """Yield the entries one by one, in their order."""
        names = [name for name, _ in self.attributes]
        rows = zip(*[zip(*columns, strict=True) for _, columns in self.attributes], strict=True)
        for dn, row in zip(self.dns, rows, strict=True):
            values = [list(filter(None, own)) for own in row]
            yield dn, [(name, own) for name, own in zip(names, values, strict=True) if own]


#: Entries that came in together, in their order.
Together = Block | list[Parts]
