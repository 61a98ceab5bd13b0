"""Which attributes of an entry a search gives back (RFC 4511 §4.5.1.8), as slapd chooses them."""

from __future__ import annotations

from collections.abc import Sequence

from mailldap.ldap.entry import Entry
from mailldap.ldap.schema import Schema
from mailldap.ldap.schema_types import Description


class Selection:
    """The requested attributes, ready to be applied to entries.

    Nothing requested means all user attributes; ``*`` and ``+`` are all user and all operational
    ones; a type brings its subtypes and all its options; ``@class`` what the class has; what the
    schema does not know is found by its name alone, or not at all (``1.1``).
    """

    def __init__(self, requested: Sequence[str], schema: Schema, *, types_only: bool) -> None:
        self._schema = schema
        self._types_only = types_only
        self._all_user = not requested or "*" in requested
        self._all_operational = "+" in requested
        self._wanted: list[Description] = []
        self._names: set[str] = set()
        self._oids: set[str] = set()
        for name in requested:
            description = schema.describe(name)
            if description is not None:
                self._wanted.append(description)
            elif name.startswith("@"):
                found = schema.object_class(name[1:])
                if found:
                    self._oids |= {*found.must, *found.may}
            else:
                self._names.add(name.lower())
        self._known: dict[str, bool] = {}

    @property
    def wants_operational(self) -> bool:
        """Whether an operational attribute may be among those chosen."""
        return self._all_operational or any(one.type.operational for one in self._wanted)

    def apply(self, entry: Entry) -> Entry:
        """Return *entry* with the chosen attributes, in its own order."""
        known = self._known
        chosen = []
        for name, values in entry.attributes:
            wanted = known.get(name)
            if wanted is None:
                wanted = known[name] = self._is_wanted(name)
            if wanted:
                chosen.append((name, () if self._types_only else values))
        return Entry(entry.dn, tuple(chosen))

    def _is_wanted(self, name: str) -> bool:
        description = self._schema.describe(name)
        if description is None:
            plain = name.partition(";")[0].lower()
            return self._all_user or name.lower() in self._names or plain in self._names
        if self._all_operational if description.type.operational else self._all_user:
            return True
        return description.type.oid in self._oids or any(
            wanted.covers(description) for wanted in self._wanted
        )
