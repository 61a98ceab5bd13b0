"""SMTP replies as smtpd(8) words them.

Source: Postfix 3.7, smtpd_check_reject() in smtpd_check.c, dsn_split(3), smtpd_dsn_fix(3),
printable(3); RFC 3463.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mailldap.postfix.words import SPACE

_DSN = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?=[ \t\n\v\f\r]|\Z)")
#: Last digits of an address status: what they become when a sender or a recipient is refused.
_SENDER_STATUS = {
    "1": "1.7",
    "2": "1.8",
    "3": "1.7",
    "4": "1.7",
    "6": "1.7",
    "7": "1.7",
    "8": "1.8",
}
_RECIPIENT_STATUS = {**{d: f"1.{d}" for d in "123456"}, "7": "1.3", "8": "1.2"}

SENDER = "Sender address"
RECIPIENT = "Recipient address"
CLIENT = "Client host"
REVERSE_CLIENT = "Unverified Client host"
HELO = "Helo command"
SASL_LOGIN = "SASL login name"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, the enhanced status code apart."""

    code: int
    dsn: str
    text: str
    #: The line before soft_bounce, for replies in which smtpd looks for a footer before that.
    original: str | None = None

    @property
    def line(self) -> str:
        """The whole line."""
        return f"{self.code} {self.dsn} {self.text}"

    @property
    def temporary(self) -> bool:
        """Whether the client is told to try again."""
        return self.code < 500


@dataclass(frozen=True, slots=True)
class Wording:
    """What every rejection goes through: soft_bounce and smtputf8_enable."""

    soft_bounce: bool = False
    utf8: bool = True

    def reject(self, code: int, dsn: str, text: str) -> Reply:
        """Return the reply that Postfix makes of a status and a text."""
        if not 400 <= code <= 599 or split_status(dsn, "")[1]:
            code, dsn, text = 450, "4.7.1", "Service unavailable"
        # Postfix means to cut here, but 3.7's vstring_truncate() leaves the text as it is.
        text = printable(text, utf8=self.utf8)
        if self.soft_bounce and code >= 500:
            code -= 100
        return Reply(code, f"{code // 100}{dsn[1:]}", text)

    def protocol(self, line: str) -> Reply:
        """Return the reply to a command that smtpd does not even judge."""
        code, dsn, text = line.split(" ", 2)
        return replace(self.reject(int(code), dsn, text), original=line)


def split_status(text: str, default: str) -> tuple[str, str]:
    """Return the enhanced status code at the start of *text* (or *default*), and the rest."""
    text = text.lstrip(SPACE)
    match = _DSN.match(text)
    if match is None:
        return default, text
    return match.group(), text[match.end() :].lstrip(SPACE)


def fit_status(dsn: str, reply_class: str) -> str:
    """Return *dsn* with an address status changed to fit what is refused."""
    if not dsn[1:].startswith(".1."):
        return dsn
    table = {SENDER: _SENDER_STATUS, RECIPIENT: _RECIPIENT_STATUS}.get(reply_class)
    detail = "0.0" if table is None else table.get(dsn[4:], "1.0")
    return f"4.{detail}"


def printable(text: str, *, utf8: bool, replacement: str = " ") -> str:
    """Return *text* with what cannot be printed replaced, byte for byte."""
    if text.isascii() and text.isprintable():
        return text
    data = bytearray(text.encode("utf-8", "surrogateescape"))
    at = 0
    while at < len(data):
        byte = data[at]
        if utf8 and 194 <= byte <= 254 and data[at + 1 : at + 2] and 128 <= data[at + 1] < 192:
            while data[at + 1 : at + 2] and 128 <= data[at + 1] < 192:
                at += 1
        elif not 32 <= byte < 127:
            data[at] = ord(replacement)
        at += 1
    return data.decode("utf-8", "surrogateescape")
