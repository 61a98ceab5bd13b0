"""An entry as a directory gave it: bytes, spelling and order untouched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

#: An entry as the bytes of which it consists: names and values; the DN in front of them.
Attributes = list[tuple[bytes, list[bytes]]]
Parts = tuple[bytes, Attributes]


@dataclass(frozen=True, slots=True)
class Entry:
    """A DN and its attributes.

    ``attributes`` keeps names as spelled and values as bytes, both in the order in which the
    wire or the file gave them: Postfix joins values in that order (ldap_table(5)). Two entries
    are equal when all of that is.
    """

    dn: str
    attributes: tuple[tuple[str, tuple[bytes, ...]], ...]

    @classmethod
    def of(cls, dn: str, attributes: Mapping[str, Iterable[bytes | str]]) -> Entry:
        """Return an entry from a mapping; text values are encoded as UTF-8."""
        return cls(
            dn,
            tuple(
                (name, tuple(v.encode() if isinstance(v, str) else v for v in values))
                for name, values in attributes.items()
            ),
        )

    def values(self, name: str) -> tuple[bytes, ...]:
        """Return the values of the attribute description *name*, compared without case."""
        wanted = name.lower()
        found: tuple[bytes, ...] = ()
        for own, values in self.attributes:
            if own.lower() == wanted:
                found += values
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values of *name* as text; bytes that are not UTF-8 become surrogates."""
        return tuple(v.decode("utf-8", "surrogateescape") for v in self.values(name))

    def __iter__(self) -> Iterator[tuple[str, tuple[bytes, ...]]]:
        return iter(self.attributes)

    def __contains__(self, name: str) -> bool:
        return bool(self.values(name))


def is_secret(name: str) -> bool:
    """Tell whether an attribute description is that of userPassword, whatever its options."""
    return name.partition(";")[0].lower() in {"userpassword", "2.5.4.35"}


def without_secrets(entry: Entry) -> Entry:
    """Return *entry* as it may be shown: without what is secret."""
    return Entry(entry.dn, tuple(pair for pair in entry if not is_secret(pair[0])))
