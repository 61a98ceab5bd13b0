"""How smtpd(8) comes to a decision while it goes through restriction lists.

A rejection may be turned into a warning, into an earlier temporary failure, or be put off until
something else permits. Source: Postfix 3.7, smtpd_check_reject() and defer_if() in
smtpd_check.c; postconf(5), warn_if_reject, defer_if_permit, defer_if_reject.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

from mailldap.simulate.peer import Peer
from mailldap.simulate.reply import Reply, Wording


class Status(Enum):
    """What a restriction decides; a rejection is the exception Refused."""

    DUNNO = 0
    OK = 1


class Subject(NamedTuple):
    """What a list is about.

    Replies use the name and the class; ``command`` is what a bare ``type:name`` means.
    """

    name: str
    reply_class: str
    command: str | None


class Refused(Exception):
    """smtpd answers with ``reply`` instead of accepting."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.line)
        self.reply = reply


class HungUp(Exception):
    """smtpd drops the connection without a word (HANGUP, which access(5) does not promise)."""


#: What nobody has told, or what cannot be asked here.
Need = Literal[
    "DNS",
    "a policy server",
    "an address probe",
    "the client",
    "the HELO name",
    "the recipient",
    "whether the session is encrypted",
]


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A restriction that was not judged, and what it would need."""

    restriction: str
    needs: Need


@dataclass(slots=True)
class Session:
    """Who talks to smtpd and what it has said so far; None where it has not, or nobody knows.

    ``helo`` is the name in HELO, "" before that; ``sender`` and ``recipient`` are in internal form.
    ``encrypted``: TLS is used. ``command`` is what smtpd answers to. ``any_recipient``: there is
    a recipient, which we take, but nobody has said which. ``passed_over`` collects what could
    not be judged, ``assumed`` what was taken for granted instead, ``not_reached`` what permitted
    and each login check that came after it in its list.
    """

    peer: Peer
    helo: str | None = None
    login: str | None = None
    sender: str | None = None
    recipient: str | None = None
    encrypted: bool | None = None
    command: str = "CONNECT"
    any_recipient: bool = False
    passed_over: list[PassedOver] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    not_reached: list[tuple[str, str]] = field(default_factory=list)

    def pass_over(self, restriction: str, needs: Need) -> Status:
        """Note that a restriction was not judged."""
        one = PassedOver(restriction, needs)
        if one not in self.passed_over:
            self.passed_over.append(one)
        return Status.DUNNO

    def assume(self, what: str) -> None:
        """Note what was taken for granted."""
        if what not in self.assumed:
            self.assumed.append(what)

    def name_of_client(self) -> str:
        """Return the client's host name; notes that it was guessed."""
        if self.peer.guessed:
            self.assume("the client has no host name")
        return self.peer.name


class Decision:
    """The state of one conversation's decisions."""

    def __init__(self, wording: Wording, warn: Callable[[str], None]) -> None:
        self._wording = wording
        self._warn = warn
        #: An access table has said DISCARD: everything that follows is taken.
        self.discard = False
        self._depth = 0
        self._warn_at = 0
        self._if_permit: Reply | None = None
        self._if_reject: Reply | None = None

    # --- lists within lists ------------------------------------------------------------------

    def begin_stage(self) -> None:
        """Forget what only counts within one stage of the conversation."""
        self._depth = self._warn_at = 0
        self._if_reject = None

    def enter(self) -> int:
        """Begin a list; returns what :meth:`leave` wants."""
        self._depth += 1
        return self._depth - 1

    def leave(self, depth: int) -> None:
        """End a list."""
        self._depth = depth
        self.after_restriction()

    def after_restriction(self) -> None:
        """End the reach of a warn_if_reject before the restriction that was just judged."""
        if self._warn_at >= self._depth:
            self._warn_at = 0

    @property
    def depth(self) -> int:
        """How many lists are in one another now."""
        return self._depth

    @property
    def only_warns(self) -> bool:
        """Whether a rejection would only be logged."""
        return self._warn_at > 0

    def warn_if_reject(self) -> None:
        """Only warn about what the next restriction rejects."""
        self._warn_at = self._warn_at or self._depth

    # --- deciding ----------------------------------------------------------------------------

    def reject(self, code: int, dsn: str, text: str) -> Status:
        """Refuse (raises Refused), or warn only, or fail for the reason of an earlier failure."""
        reply = self._wording.reject(code, dsn, text)
        if self.only_warns:
            self._warn(f"reject_warning: {reply.line}")
            return Status.DUNNO
        if self._if_reject is not None and 500 <= code <= 599:
            reply = self._if_reject
        raise Refused(reply)

    def defer_if_permit(self, code: int, dsn: str, text: str) -> Status:
        """Turn a later permission into a temporary failure."""
        if self.only_warns:
            return self.reject(code, dsn, text)
        if self._if_permit is None:
            self._if_permit = self._wording.reject(code, dsn, text)
        return Status.DUNNO

    def defer_if_reject(self, code: int, dsn: str, text: str) -> Status:
        """Turn a later rejection into a temporary failure."""
        if self._if_reject is None:
            self._if_reject = self._wording.reject(code, dsn, text)
        return Status.DUNNO

    @property
    def settled(self) -> bool:
        """Whether both ways out have become a temporary failure."""
        return self._if_permit is not None and self._if_reject is not None

    def permit(self) -> None:
        """Permit; raises Refused where defer_if_permit has been asked for."""
        if self._if_permit is not None:
            raise Refused(self._if_permit)

    def forget_permit(self) -> None:
        """Start anew with defer_if_permit, as DATA does."""
        self._if_permit = None
