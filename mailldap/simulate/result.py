"""What the simulation answers; the JSON output has these names.

``recipients`` of a resolution are what the queue file would hold, in its order. The dsn of a
reply is its enhanced status code (RFC 3463).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mailldap.simulate.decision import PassedOver
from mailldap.simulate.trace import Step
from mailldap.tables.base import Probe

Outcome = Literal["deliver", "reject", "defer"]
#: From best to worst, as exit statuses are: "try again later" is never told as a no.
_SEVERITY: tuple[Outcome, ...] = ("deliver", "reject", "defer")


def worst(outcomes: tuple[Outcome, ...]) -> Outcome:
    """Return the worst of several outcomes; "deliver" for none."""
    return max(outcomes, key=_SEVERITY.index, default="deliver")


@dataclass(frozen=True, slots=True)
class Recipient:
    """One final recipient, ``address`` in external form.

    ``address_class`` is None where the resolver failed before it knew the class.
    """

    address: str
    address_class: str | None
    transport: str
    nexthop: str
    outcome: Outcome = "deliver"
    dsn: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What becomes of mail for one address.

    ``reply`` is smtpd's whole answer where it refuses or defers at RCPT or at the end of DATA.
    ``trace`` are the questions to tables, ``steps`` what was done to addresses between them.
    """

    query: str
    outcome: Outcome
    reason: str | None = None
    dsn: str | None = None
    recipients: tuple[Recipient, ...] = ()
    trace: tuple[Probe, ...] = ()
    warnings: tuple[str, ...] = ()
    reply: str | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageResolution:
    """What becomes of one message for several recipients.

    ``each`` is what every address would meet in a message of its own. ``together`` is the
    message: one recipient that the end of DATA cannot take fails it for all, and duplicates
    are dropped.
    """

    each: tuple[Resolution, ...]
    together: Resolution


@dataclass(frozen=True, slots=True)
class SenderVerdict:
    """Whether a login may send as an address.

    ``allowed`` is None where that could not be asked. ``reply`` is the whole line that smtpd
    sends instead of accepting. ``owners`` and ``table_key``: what smtpd_sender_login_maps says
    of the sender, and under which key. ``passed_over`` lists restrictions that could not be
    judged, ``assumed`` what was taken for granted in a reply or for a table key. Of a sender that
    the login may use but does not own, ``not_reached`` has what permitted it and the login check
    that came after that in the same list.
    """

    login: str
    sender: str
    allowed: bool | None
    reply: str | None = None
    owners: tuple[str, ...] = ()
    table_key: str | None = None
    passed_over: tuple[PassedOver, ...] = ()
    assumed: tuple[str, ...] = ()
    not_reached: tuple[tuple[str, str], ...] = ()
    trace: tuple[Probe, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SenderList:
    """Under which keys of smtpd_sender_login_maps a login is an owner.

    A key is an address, ``@domain`` (whatever address of it has no key of its own), or a local
    part alone (in the domains that are local). ``unlisted`` tells of tables that cannot be read
    this way; ``error`` is set where one could not be asked, and nothing is listed then.
    """

    login: str
    addresses: tuple[str, ...]
    unlisted: tuple[str, ...] = ()
    error: str | None = None
    trace: tuple[Probe, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SenderOwners:
    """Who may send as an address; ``error`` where a table could not be asked."""

    sender: str
    owners: tuple[str, ...]
    table_key: str | None = None
    error: str | None = None
    trace: tuple[Probe, ...] = ()
    warnings: tuple[str, ...] = ()
