r"""What smtpd(8) adds to every reply that refuses or defers: smtpd_reject_footer and its maps.

Source: Postfix 3.7, vsmtpd_chat_reply() in smtpd_chat.c, smtpd_expand.c, smtp_reply_footer.c,
unescape(3); postconf(5), smtpd_reject_footer, smtpd_reject_footer_maps, smtpd_expansion_filter.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from mailldap.postfix.expand import MacroError, expand
from mailldap.simulate.opened import Opened
from mailldap.simulate.peer import UNKNOWN, Peer
from mailldap.simulate.reply import Reply, split_status
from mailldap.tables.base import Found

_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)?", re.DOTALL)
_CONTROL = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_CONTROL[b"v"] = b"\v"
_ADDRESS_PARTS = ("", "_name", "_domain")


@dataclass(frozen=True, slots=True)
class Said:
    """What a client has said and smtpd has taken when it sends a reply; None: nothing yet."""

    peer: Peer
    helo: str | None = None
    sender: str | None = None
    recipient: str | None = None


class Footers:
    """Adds the footer of one configuration."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._main = opened.main
        #: The names whose values stand in the last footer.
        self.named: set[str] = set()

    def add(self, reply: Reply, said: Said) -> str:
        r"""Return a reply with its footer; lines are separated by ``\n``.

        A footer that cannot be expanded is left away, as Postfix does.
        """
        self.named.clear()
        line = reply.line
        template = self._template(reply.original or line)
        if not template:
            return line
        try:
            return self._added(line, template, said)
        except MacroError as error:
            self._opened.warn(str(error))
            return line

    def _template(self, line: str) -> str:
        specs = self._main.get("smtpd_reject_footer_maps")
        if specs:
            maps = self._opened.tables("smtpd_reject_footer_maps", specs, fold=False)
            answer = maps.find(line)
            if isinstance(answer, Found):
                return answer.value
        return self._main.get("smtpd_reject_footer")

    def _added(self, line: str, template: str, said: Said) -> str:
        code, dsn = line[:3], split_status(line[4:], "")[0]
        same_line, *more = template.split("\\n")
        texts = [self._expanded(text, said) for text in more]
        if same_line.startswith("\\c"):
            lines = [line + self._expanded(same_line[2:], said)]
        else:
            lines = [line]
            texts.insert(0, self._expanded(same_line, said))
        lines += [f"{code} {dsn} {text}" if dsn else f"{code} {text}" for text in texts]
        lines = [piece for whole in lines for piece in whole.split("\r\n")]
        if self._main.get_bool("soft_bounce"):
            lines = [_softened(one) for one in lines]
        return "\n".join([*(f"{one[:3]}-{one[4:]}" for one in lines[:-1]), lines[-1]])

    def _expanded(self, text: str, said: Said) -> str:
        allowed = set(_unescaped(self._main.get("smtpd_expansion_filter")))

        def lookup(name: str) -> str | None:
            value = _value(name, said, self._main.get("myhostname"))
            if value is None:
                self._opened.warn(f'unknown macro name "{name}" in expansion request')
                return None
            self.named.add(name)
            data = value.encode("utf-8", "surrogateescape")
            safe = bytes(byte if byte in allowed else ord("_") for byte in data)
            return safe.decode("utf-8", "surrogateescape")

        return expand(text, lookup, recurse=False)


def _value(name: str, said: Said, server: str) -> str | None:
    """Return what ``$name`` means in a footer; None for a name that means nothing."""
    for role, address in (("sender", said.sender), ("recipient", said.recipient)):
        if name.startswith(role):
            return _part(address, name.removeprefix(role))
    if name == "localtime":
        return time.strftime("%b %d %H:%M:%S")
    peer = said.peer
    return {
        "server_name": server,
        "client": peer.shown,
        "client_address": peer.shown_address,
        "client_name": peer.name,
        "client_port": UNKNOWN,
        "reverse_client_name": peer.reverse_name,
        "helo_name": said.helo or "",
    }.get(name)


def _part(address: str | None, part: str) -> str | None:
    """Return an address, or its local part or domain; None for another part."""
    if address is None:
        return ""
    if part not in _ADDRESS_PARTS:
        return None
    if not address:
        return "" if part == "_domain" else "<>"
    local, at, domain = address.rpartition("@")
    if part == "_name":
        return local if at else address
    return domain if part == "_domain" and at else "" if part else address


def _softened(line: str) -> str:
    """Return a line of a reply that soft_bounce has made temporary."""
    if not line.startswith("5"):
        return line
    return f"4{line[1:4]}{'4' if line[4:5] == '5' else line[4:5]}{line[5:]}"


def _unescaped(text: str) -> bytes:
    """Return *text* with C's backslash escapes replaced."""

    def replaced(match: re.Match[bytes]) -> bytes:
        what = match[1] or b""
        if what[:1].isdigit() and what[:1] < b"8":
            return bytes([int(what, 8) & 255])
        return _CONTROL.get(what, what)

    return _ESCAPE.sub(replaced, text.encode("utf-8", "surrogateescape"))
