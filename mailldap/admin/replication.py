"""How far servers are with each other's changes.

OpenLDAP keeps the newest change of each provider in contextCSN of the suffix entry, 389 Directory
Server in the replica update vector of the suffix (nsds50ruv, for privileged eyes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mailldap.directory.base import Reader, Scope
from mailldap.errors import LdapRefusal

#: TIME#COUNT#SID#MOD, draft-chu-ldap-csn; TIME has microseconds.
_CSN = re.compile(r"(\d{14}\.\d{6})Z#[0-9a-f]{6}#([0-9a-f]{3})#[0-9a-f]{6}", re.IGNORECASE)
#: ``{replica ID URL} OLDEST NEWEST``; a CSN is TIME(8) COUNT(4) ID(4) SUB(4), hexadecimal.
_RUV = re.compile(r"\{replica (\d+)[^}]*\}(?: [0-9a-f]{20})? ([0-9a-f]{8})([0-9a-f]{12})")
_RUV_FILTER = "(&(nsuniqueid=ffffffff-ffffffff-ffffffff-ffffffff)(objectclass=nstombstone))"


@dataclass(frozen=True, slots=True)
class ChangeStamp:
    """The newest change that a server has of those first made on the server ``origin``.

    ``origin`` is OpenLDAP's server ID or 389's replica ID; ``text`` sorts as changes follow.
    """

    origin: str
    time: datetime
    text: str


def change_stamps(reader: Reader, suffix: str) -> tuple[ChangeStamp, ...]:
    """Return the newest change of each origin, by origin; () where the server shows none.

    Raises CouldNotAsk.
    """
    try:
        entry = reader.get(suffix, ("contextCSN",))
        values = entry.texts("contextCSN") if entry else ()
        if values:
            return tuple(sorted(filter(None, map(_of_csn, values)), key=lambda s: s.origin))
        found = list(reader.search(suffix, Scope.SUB, _RUV_FILTER, ("nsds50ruv",)))
    except LdapRefusal:
        return ()
    values = found[0].texts("nsds50ruv") if found else ()
    return tuple(sorted(filter(None, map(_of_ruv, values)), key=lambda s: s.origin))


def _of_csn(text: str) -> ChangeStamp | None:
    match = _CSN.fullmatch(text)
    if not match:
        return None
    time = datetime.strptime(match[1], "%Y%m%d%H%M%S.%f").replace(tzinfo=UTC)
    return ChangeStamp(match[2], time, text)


def _of_ruv(text: str) -> ChangeStamp | None:
    match = _RUV.match(text)
    if not match:
        return None
    time = datetime.fromtimestamp(int(match[2], 16), tz=UTC)
    return ChangeStamp(match[1], time, match[2] + match[3])


def lags(servers: Mapping[str, Sequence[ChangeStamp]]) -> dict[str, float | None]:
    """Return for each server how many seconds its newest change is older than the newest known.

    0.0 is up to date. The figure is the distance between two changes, not the time that the
    server will need. None where a server shows no stamps, or lacks those of an origin that others
    have.
    """
    newest: dict[str, ChangeStamp] = {}
    for stamps in servers.values():
        for stamp in stamps:
            known = newest.get(stamp.origin)
            if known is None or stamp.text > known.text:
                newest[stamp.origin] = stamp
    return {uri: _lag(stamps, newest) for uri, stamps in servers.items()}


def _lag(stamps: Sequence[ChangeStamp], newest: Mapping[str, ChangeStamp]) -> float | None:
    own = {stamp.origin: stamp for stamp in stamps}
    if not own or own.keys() != newest.keys():
        return None
    return max((stamp.time - own[origin].time).total_seconds() for origin, stamp in newest.items())
