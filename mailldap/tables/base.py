"""What a lookup table is: a key in, and one of three answers out.

All text of the Postfix side is ``str`` decoded from UTF-8 with ``surrogateescape``, so that any
bytes survive; lengths that Postfix limits are counted in bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from mailldap.directory.base import SessionOpener
from mailldap.errors import TableUnavailable


@dataclass(frozen=True, slots=True)
class Found:
    """The table has a value for the key."""

    value: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """The table was asked and has nothing for the key."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The table could not be asked: Postfix's DICT_ERR_RETRY or DICT_ERR_CONFIG."""

    message: str
    kind: Literal["retry", "config"] = "retry"


Answer = Found | NotFound | Failed


@dataclass(frozen=True, slots=True)
class Probe:
    """One question put to one table, for traces; the JSON trace has these fields.

    But for ``notes``, which are for people: what there is to know about the answer.
    """

    table: str
    key: str
    base: str | None = None
    filter: str | None = None
    entries: tuple[str, ...] = ()
    result: str | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()


class Table(Protocol):
    """A lookup table that has been opened."""

    @property
    def name(self) -> str:
        """``type:name`` as Postfix prints it."""
        ...

    @property
    def fixed(self) -> bool:
        """Whether keys are compared; false for patterns, which see whole addresses only."""
        ...

    def get(self, key: str) -> Answer:
        """Return the answer for *key*; folding and UTF-8 rules are those of the context."""
        ...

    def close(self) -> None:
        """Give up connections; harmless when closed already."""
        ...


def _silent(_text: str) -> None:
    """Drop a warning."""


def _nowhere(_name: str) -> int | None:
    """Return no line."""
    return None


def _read_file(path: str) -> bytes:
    """Return a file of this machine."""
    return Path(path).read_bytes()


@dataclass(slots=True)
class TableContext:
    """What tables need from outside, so that they read no environment and open no server alone.

    ``parameter`` answers main.cf parameters expanded (or None where unset and without default):
    legacy LDAP tables (``ldap:NAME``) and smtputf8_enable come from there. ``fold`` is what
    ``postmap -f`` switches off. ``warn`` gets each warning that Postfix would log, without
    its program prefix. ``probe`` gets each question put to a table.
    """

    open_session: SessionOpener
    parameter: Callable[[str], str | None]
    config_directory: str = "/etc/postfix"
    fold: bool = True
    utf8: bool = True
    debian: bool = True
    warn: Callable[[str], None] = _silent
    probe: Callable[[Probe], None] | None = None
    #: Table files are read through this (OSError as open(2) gives it), so that a configuration
    #: that exists nowhere yet can be tried.
    read_file: Callable[[str], bytes] = _read_file
    #: The line of main.cf on which a parameter is set, for messages.
    line_of: Callable[[str], int | None] = _nowhere
    #: Whether tables behave as in a daemon: one that cannot be opened fails at every lookup.
    daemon: bool = False
    #: Whether patterns may put parts of the key into their results; transport_maps must not.
    substitution: bool = True
    #: Connections that tables of one context share.
    shared: dict[str, object] = field(default_factory=dict)


def not_opened(path: str, error: OSError, what: str = "open") -> TableUnavailable:
    """Return the error about a table's file that cannot be read, in Postfix's words."""
    hint = (
        None
        if path.startswith("/")
        else "without / in front a name begins at the current directory, whatever -c says; "
        "a daemon's is its queue directory"
    )
    return TableUnavailable(f"{what} {path}: {error.strerror}", hint=hint)
