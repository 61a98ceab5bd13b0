"""Many entries at once as LDIF, from the bytes of which they came: what format_entry writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat

from mailldap.errors import BadData
from mailldap.ldap.block import Block, Together
from mailldap.ldap.entry import Entry, Parts
from mailldap.ldap.ldif.writer import WIDTH, attribute_name, format_entry

#: What stands in lines that need no base64, and between them.
_PLAIN = bytes(range(0x20, 0x7F)) + b"\n"
#: Where values begin or end as no plain one may; values that hold the like are looked at again.
_ODD = (b":  ", b": :", b": <", b" \n")


class PageFormat:
    """Formats entries of one directory, whose attributes have few names."""

    def __init__(self, hidden: Callable[[str], bool] = lambda _name: False) -> None:
        """Attributes whose description is *hidden* are left out."""
        self._hidden = hidden
        #: What stands in front of a value, by the attribute's name; nothing for a hidden one.
        self._heads: dict[bytes, bytes] = {}

    def format(self, entries: Together) -> Iterator[str]:
        """Yield the content records of *entries* in few pieces.

        Raises BadData as format_entry, behind the entries before the one at fault.
        """
        text = self._block(entries) if isinstance(entries, Block) else self._plain(entries)
        if text is not None:
            yield text
            return
        for entry in entries:
            text = self._plain((entry,))
            yield format_entry(self._entry(entry)) if text is None else text

    def _block(self, block: Block) -> str | None:
        """Return what :meth:`_plain` does of the same entries."""
        lines: list[Iterable[bytes]] = [repeat(b"dn: "), block.dns]
        widest = len(b"dn: ") + max(map(len, block.dns))
        for name, columns in block.attributes:
            head = self._heads.get(name)
            if head is None:
                try:
                    head = self._learn(name)
                except BadData:
                    return None
            for column in columns if head else ():
                widest = max(widest, len(head) + max(map(len, column)))
                start = b"\n" + head
                # An entry has no line for a value that it has not.
                some = b"" in column
                lines += [[start if own else b"" for own in column] if some else repeat(start)]
                lines.append(column)
        lines.append(repeat(b"\n\n"))
        text = b"".join(chain.from_iterable(zip(*lines, strict=False)))
        if widest > WIDTH or any(odd in text for odd in _ODD):
            return None
        return text.decode("ascii")

    def _plain(self, entries: Sequence[Parts]) -> str | None:
        """Return the text of entries without any value to fold or encode, None for others.

        The whole text is looked at, not each value, which takes a tenth of the time.
        """
        heads = self._heads
        lines: list[bytes] = []
        for dn, attributes in entries:
            lines.append(b"dn: " + dn)
            for name, values in attributes:
                head = heads.get(name)
                if head is None:
                    try:
                        head = self._learn(name)
                    except BadData:
                        return None
                if head:
                    lines += [head + value for value in values]
            lines.append(b"")
        lines.append(b"")
        text = b"\n".join(lines)
        if (
            max(map(len, lines)) > WIDTH
            or text.count(b"\n") != len(lines) - 1
            or text.translate(None, _PLAIN)
            or any(odd in text for odd in _ODD)
        ):
            return None
        return text.decode("ascii")

    def _learn(self, name: bytes) -> bytes:
        text = _text(name)
        head = b"" if self._hidden(text) else attribute_name(text).encode() + b": "
        if len(self._heads) < 1000:
            self._heads[name] = head
        return head

    def _entry(self, parts: Parts) -> Entry:
        dn, attributes = parts
        pairs = [(_text(name), tuple(values)) for name, values in attributes]
        return Entry(_text(dn), tuple(pair for pair in pairs if not self._hidden(pair[0])))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
