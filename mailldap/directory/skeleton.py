"""Many entries read at once: their skeleton is guessed by a regular expression, then proven.

Most entries of one search have the same attributes. An expression made of their names cuts a
buffer into DNs and values several times as quickly as a walk from element to element; but it
takes bytes for headers by their looks, and a value may look like one. So each header is compared
with the one that its content must have. BER with definite lengths can be read in one way only
(RFC 4511 §5.1), so a guess whose headers are all as they must be is what the walk would have
found. What is not proven is left to the walk: entries with other attributes, with values that are
empty, not printable ASCII or of 128 bytes and more, and lengths not in their shortest form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import NamedTuple

from mailldap.directory import ber
from mailldap.directory.wire import SEARCH_DONE, SEARCH_ENTRY
from mailldap.ldap.block import Block, Column
from mailldap.ldap.entry import Attributes, Parts

#: Length octets in the shortest form, of what is not empty; those of a value.
_LENGTH = rb"(?:[\x01-\x7f]|\x81[\x80-\xff]|\x82[\x01-\xff].)"
_SHORT = rb"[\x01-\x7f]"
_TEXT = rb"[ -~]+"
_NAME = re.compile(rb"[ -~]{1,100}").fullmatch
#: Entries of which a skeleton is made at first; later it grows by one at a time.
_SAMPLE = 64
#: A skeleton with more columns, or made anew more often, is not worth its making (2 ms).
_MOST_COLUMNS, _MOST_MAKINGS = 60, 8
#: A message id, and the end of a search with success and nothing to tell.
_ID = rb"(\x02[\x01-\x04])([\x00-\x7f].{0,3}?)"
_DONE = rb"(e\x07)(\n\x01\x00\x04\x00\x04\x00)"
#: Fewer bytes are not worth a guess.
_WORTH = 2048
#: A guess costs as much as it saves for so many entries; so many may be lost before it is given up.
_COST, _CREDIT = 12, 200


class _Heads(dict[int, bytes]):
    """The header of a content by its length; nothing in front of nothing."""

    def __init__(self, make: Callable[[int], bytes]) -> None:
        super().__init__({0: b""})
        self._make = make

    def __missing__(self, length: int) -> bytes:
        made = self[length] = self._make(length)
        return made


class Reading(NamedTuple):
    """What was read together: of each entry the id of its message; the entries.

    ``ended`` are the ids of searches that came to an end, with success; ``end`` is where the
    messages end.
    """

    ids: Sequence[int]
    block: Block
    ended: Sequence[int]
    end: int


class Skeleton:
    """Reads the entries of searches for the same attributes."""

    def __init__(self) -> None:
        #: The most values that an entry had, by the attribute's name, in the order of the names.
        self._counts: dict[bytes, int] = {}
        self._pattern: re.Pattern[bytes] | None = None
        #: Of each pair of groups (header, content): how the header follows from the length. None
        #: for the length octet of a value.
        self._heads: list[_Heads | None] = []
        self._seen = self._makings = 0
        self._credit = _CREDIT

    @property
    def worth(self) -> int:
        """From how many bytes on :meth:`read` may find something; 0 where it will not."""
        return _WORTH if self._pattern is not None and self._credit > 0 else 0

    def learn(self, entries: Sequence[Parts]) -> None:
        """Take notice of entries that were not read here."""
        if self._credit <= 0 or self._makings == _MOST_MAKINGS:
            return
        grown = [self._fit(attributes) for _, attributes in entries[:_SAMPLE]]
        self._seen += len(grown)
        if self._seen >= _SAMPLE and (self._pattern is None or any(grown)):
            self._makings += 1
            self._make()

    def _fit(self, attributes: Attributes) -> bool:
        """Let the skeleton grow for an entry that has more than all before; return whether so."""
        counts = self._counts
        entry = {name: len(values) for name, values in attributes if values}
        if all(count <= counts.get(name, 0) for name, count in entry.items()):
            return False  # if it does not fit, then for its order or its values
        names = _merged(counts, entry)
        if len({name.lower() for name in names}) < len(names) or not all(map(_NAME, names)):
            return False
        self._counts = {name: max(counts.get(name, 0), entry.get(name, 0)) for name in names}
        return True

    def _make(self) -> None:
        """Make the expression, whose groups are pairs: a header, and the content behind it."""
        if sum(self._counts.values()) > _MOST_COLUMNS:
            self._credit = 0
            return
        names = b"|".join(re.escape(ber.octets(name)[1:] + b"1") for name in self._counts)
        # What looks like the name of an attribute is no value: no value is followed by a SET.
        value = rb"\x04(?!%b)(%b)(%b)" % (names, _SHORT, _TEXT)
        parts = [
            rb"(0%b)(%b(?:(d%b)(" % (_LENGTH, _ID, _LENGTH),
            rb"(\x04%b)(%b)(0%b)(" % (_SHORT, _TEXT, _LENGTH),
        ]
        self._heads = [
            _Heads(_head_of(ber.SEQUENCE)),
            _Heads(_head_of(ber.INTEGER)),
            _Heads(_head_of(SEARCH_ENTRY)),
            _Heads(_head_of(ber.OCTET_STRING)),
            _Heads(_head_of(ber.SEQUENCE)),
        ]
        for name, count in self._counts.items():
            head = rb"0%b%b1%b" % (_LENGTH, re.escape(ber.octets(name)), _LENGTH)
            self._heads.append(_Heads(_head_of_attribute(name, single=count == 1)))
            if count == 1:
                parts.append(rb"(?:(%b\x04%b)(%b)|)" % (head, _SHORT, _TEXT))
            else:
                more = (rb"(?:%b" % value) * (count - 1) + b"|)" * (count - 1)
                parts.append(rb"(?:(%b)(%b%b)|)" % (head, value, more))
                self._heads += [None] * count
        # What no message follows may be cut short; one match takes all of the rest.
        parts.append(rb"))|%b))(?=0%b\x02)|(.).*" % (_DONE, _LENGTH))
        self._heads.append(_Heads(_head_of(SEARCH_DONE)))
        self._pattern = re.compile(b"".join(parts), re.DOTALL)

    def read(self, buffer: bytes, at: int) -> Reading | None:
        """Return the messages at *at*; None where it cannot tell.

        Only messages that carry an entry, or a search's end with success, and nothing else are
        read.
        """
        if self._pattern is None or not 0 < self.worth <= len(buffer) - at:
            return None
        *rows, _rest = self._pattern.findall(buffer, at)
        self._credit -= _COST
        if not rows:
            return None
        columns: list[Column] = list(zip(*rows, strict=True))
        if not self._is_proven(columns[:-1:2], columns[1::2]):
            self._credit -= _CREDIT // 2
            return None
        self._credit = min(self._credit + len(rows), _CREDIT)
        end = at + sum(map(len, columns[0])) + sum(map(len, columns[1]))
        ended = _numbers(compress(columns[3], columns[-3]))

        def of_entries(column: Column) -> Column:
            return list(compress(column, columns[4])) if ended else column

        attributes = []
        place = 10
        for name, count in self._counts.items():
            after = place + (2 if count == 1 else 2 + 2 * count)
            values = columns[place + (1 if count == 1 else 3) : after : 2]
            attributes.append((name, tuple(map(of_entries, values))))
            place = after
        block = Block(of_entries(columns[7]), tuple(attributes))
        return Reading(_numbers(of_entries(columns[3])), block, ended, end)

    def _is_proven(self, headers: Sequence[Column], contents: Sequence[Column]) -> bool:
        """Tell whether each header is the one that its content has."""
        claimed, real = [], []
        try:
            for heads, header, content in zip(self._heads, headers, contents, strict=True):
                lengths = map(len, content)
                if heads is None:
                    claimed.append(b"".join(header))
                    real.append(bytes(lengths))
                elif list(map(heads.__getitem__, lengths)) != list(header):
                    return False
        except ValueError:  # a length that one octet does not hold
            return False
        # A value that is not there has neither an octet nor a length.
        return b"".join(claimed) == b"".join(real).replace(b"\0", b"")


def _numbers(ids: Iterable[bytes]) -> list[int]:
    return [int.from_bytes(content, "big") for content in ids]


def _head_of(tag: int) -> Callable[[int], bytes]:
    """Return what makes the bytes in front of a content."""
    return lambda length: bytes((tag,)) + ber.encode_length(length)


def _head_of_attribute(name: bytes, *, single: bool) -> Callable[[int], bytes]:
    """Return what makes the bytes in front of a SET's content, or of its only value."""
    named = ber.octets(name)

    def head(length: int) -> bytes:
        own = bytes((ber.OCTET_STRING, length)) if single else b""
        values = bytes((ber.SET,)) + ber.encode_length(len(own) + length)
        whole = len(named) + len(values) + len(own) + length
        return bytes((ber.SEQUENCE,)) + ber.encode_length(whole) + named + values + own

    return head


def _merged(one: Iterable[bytes], other: Iterable[bytes]) -> list[bytes]:
    """Return the names of both, those of either in its order where the orders agree."""
    merged, place = list(one), 0
    for name in other:
        if name in merged:
            place = merged.index(name) + 1
        else:
            merged.insert(place, name)
            place += 1
    return merged
