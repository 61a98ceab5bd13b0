"""What generating yields: files with their modes, and what to do beside writing them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["aliases", "senders", "relay", "cyrus", "main", "all"]
KINDS: tuple[Kind, ...] = ("aliases", "senders", "relay", "cyrus", "main", "all")

#: The group that proxymap(8) runs in; postconf(5), mail_owner.
MAIL_GROUP = "postfix"


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """One file of the Postfix configuration directory.

    ``mode`` is in force from the first byte. ``group`` is the group that must be able to read
    the file (when it exists and the writer may give files away). ``index`` is the map type whose
    database postmap(1) makes from the file, or None. A ``secret`` file belongs nowhere but into
    a directory. ``beside`` is the name to take where somebody else's file has the first.
    """

    name: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    secret: bool = False
    group: str | None = None
    index: str | None = None
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Secrets:
    """Passwords that the caller got from a prompt or the environment; None: from the settings."""

    bind_password: str | None = field(default=None, repr=False)
    relay_password: str | None = field(default=None, repr=False)
