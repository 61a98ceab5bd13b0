"""What a provisioning call did, value by value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What became of one value or entry; every one of these is a success."""

    ADDED = "added"
    ALREADY = "already there"
    REMOVED = "removed"
    ABSENT = "was not there"
    MOVED = "moved"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Result:
    """One value of one entry (or the entry itself, when ``attribute`` is None)."""

    dn: str
    state: State
    attribute: str | None = None
    value: str | None = None
    #: Where a moved value was before.
    source: str | None = None

    @property
    def changed(self) -> bool:
        """Whether the directory is different now."""
        return self.state not in {State.ALREADY, State.ABSENT}
