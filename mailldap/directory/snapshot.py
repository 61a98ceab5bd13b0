"""All entries that a kind of search could find, fetched by one search and kept by their values.

Where many searches assert values of one attribute, and the entries that have it are not many more
than the searches, one stream of all of them is cheaper than asking for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from typing import Generic, TypeVar

from mailldap.directory.base import SearchRequest
from mailldap.directory.bulk_search import Asserted, is_simple
from mailldap.directory.session import LibldapSession
from mailldap.errors import CouldNotAsk
from mailldap.ldap.block import Block, Together
from mailldap.ldap.filter import And, Filter, Present

_T = TypeVar("_T")

#: What is made of each entry, an object of its own; None where a snapshot cannot tell.
Make = Callable[[Together], Sequence[_T | None]]


class Snapshot(Generic[_T]):
    """What was made of each entry, by the values of the attributes that searches assert."""

    def __init__(self, of: Sequence[Asserted]) -> None:
        self._of = of
        self._found: list[dict[bytes | None, _T | None]] = [{} for _ in of]
        #: How many entries came in; one that has two of the attributes came twice.
        self.entries = 0
        #: Why there is no snapshot, empty where there is one; and whether a larger limit may help.
        self.fault = ""
        self.too_large = False

    def get(self, value: bytes) -> _T | None:
        """Return what was made of the one entry that a search for *value* finds.

        None where a search has to tell: for values of no entry, of several, or of several
        attributes, of which the server may let us search some only.
        """
        found: _T | None = None
        simple = is_simple(value)
        for one, index in zip(self._of, self._found, strict=True):
            key = value.lower() if simple and one.ignores_case else one.key_of(value)
            if key is not None and key in index:
                if found is not None:
                    return None
                found = index[key]
                if found is None:
                    return None
        return found

    def get_each(self, values: Sequence[bytes]) -> Sequence[_T | None]:
        """Return :meth:`get` of each."""
        if len(self._of) == 1 and self._of[0].ignores_case and is_simple(b"".join(values)):
            return list(map(self._found[0].get, map(bytes.lower, values)))
        return list(map(self.get, values))

    def fill(
        self,
        session: LibldapSession,
        request: SearchRequest,
        constants: Sequence[Filter],
        limit: int,
        make: Make[_T],
    ) -> bool:
        """Fetch the entries, at most *limit*; return whether all are here.

        *constants* are the filters that all searches share. Each attribute is searched by itself,
        so that an entry has to show each attribute by which it may be found.
        """
        try:
            for place, one in enumerate(self._of):
                asked = request._replace(
                    filter=And((*constants, Present(one.attribute))),
                    attributes=(*request.attributes, one.attribute) if request.attributes else (),
                    size_limit=max(limit - self.entries, 1),
                )
                if not self._fill(session, asked, place, make):
                    return False
        except CouldNotAsk as error:
            self.fault = error.message
        return not self.fault

    def _fill(
        self, session: LibldapSession, request: SearchRequest, place: int, make: Make[_T]
    ) -> bool:
        one, index = self._of[place], self._found[place]
        known: dict[bytes, bool] = {}
        before = self.entries
        with session.entries(session.encode(request, timed=False)) as stream:
            for entries in stream.read():
                self.entries += len(entries)
                made = make(entries)
                if isinstance(entries, Block) and _enter_block(index, one, entries, made):
                    continue
                for (_, attributes), own_made in zip(entries, made, strict=True):
                    shown = False
                    for name, values in attributes:
                        own = known.get(name)
                        if own is None:
                            own = known[name] = one.is_named(name.decode("utf-8", "replace"))
                        if own:
                            shown = True
                            keys = one.keys_of(values)
                            _enter(index, keys, [own_made] * len(keys))
                    if not shown:
                        self.fault = f"not every entry shows {one.attribute}"
                        return False
        result = stream.result
        if result.references:
            self.fault = "there are other servers to ask"
        elif result.code:
            self.too_large = self.entries - before >= request.size_limit
            self.fault = (
                f"there are more than {self.entries} entries"
                if self.too_large
                else f"the server gives no more than {self.entries} entries (result {result.code})"
            )
        return not self.fault


def _enter_block(
    index: dict[bytes | None, _T | None], one: Asserted, block: Block, made: Sequence[_T | None]
) -> bool:
    """Enter the values of a block; return whether that is done: each entry shows the attribute."""
    named = [columns for name, columns in block.attributes if one.is_named(name.decode())]
    if len(named) != 1 or b"" in named[0][0]:
        return False
    for column in named[0]:
        if b"" not in column:
            _enter(index, one.keys_of(column), made)
            continue
        some = [(value, own) for value, own in zip(column, made, strict=True) if value]
        keys = one.keys_of([value for value, _ in some])
        _enter(index, keys, [own for _, own in some])
    return True


def _enter(
    index: dict[bytes | None, _T | None], keys: Sequence[bytes | None], made: Sequence[_T | None]
) -> None:
    """Enter keys, beside them what was made of their entries; one of two entries stands for none.

    A key that no value can have finds nothing, so that it may be entered.
    """
    before = list(map(index.setdefault, keys, made))
    if not all(map(is_, before, made)):
        for key, own, other in zip(keys, made, before, strict=True):
            if other is not own:
                index[key] = None
