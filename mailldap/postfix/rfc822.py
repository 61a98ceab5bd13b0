"""Addresses as Postfix's mail system reads and writes them: RFC 822 with Postfix's manners.

An address has two forms. The *external* form is text in which a local part is quoted where it
needs to be; the *internal* form has those quotes removed and is what programs compare. Text that
may hold several addresses (a lookup result, the argument of RCPT TO) is first cut into tokens and
then, from right to left, grouped into addresses, commas being added where they are missing.
Nothing that is not understood is thrown away.

Source: Postfix 3.7, tok822(3) and quote_822_local(3); address syntax of RFC 822 §6.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

#: What separates atoms; ``|``, ``%`` and ``!`` are operators of Postfix, not of RFC 822.
_OPERATORS = frozenset('|%!()<>@,;:\\".[]')
_SPACE = frozenset(" \t\r\n")
#: Characters that force quotes around a local part.
_NEEDS_QUOTES = frozenset('()<>@,;:\\"[] ')
#: What must have a backslash inside quotes that are put around a local part.
_NEEDS_BACKSLASH = frozenset('"\\\r')


class Kind(Enum):
    """What a token is."""

    OPERATOR = "operator"
    ATOM = "atom"
    QUOTED = "quoted string"
    COMMENT = "comment"
    LITERAL = "domain literal"
    ADDRESS = "address"
    GROUP = "start of named group"


#: Neighbours of these kinds need a blank between them in print.
_WORDS = frozenset({Kind.ATOM, Kind.QUOTED, Kind.COMMENT, Kind.LITERAL, Kind.ADDRESS})


@dataclass(frozen=True, slots=True)
class Token:
    """One token; an ADDRESS has ``parts``.

    ``grouped`` tokens were put into an address by the parser and are printed without blanks
    between them; tokens that were scanned as one address are printed with blanks.
    """

    kind: Kind
    text: str = ""
    parts: tuple[Token, ...] = ()
    grouped: bool = False

    def is_op(self, characters: str) -> bool:
        """Return whether this is one of the single-character operators."""
        return self.kind is Kind.OPERATOR and self.text in characters

    def as_grouped(self, grouped: bool) -> Token:
        """Return the same token with the mark set or cleared."""
        return Token(self.kind, self.text, self.parts, grouped)


def operator(character: str) -> Token:
    """Return an operator token."""
    return Token(Kind.OPERATOR, character)


def is_control(character: str) -> bool:
    """Return whether it is an ASCII control character."""
    return character < " " or character == "\x7f"


# --- scanning ------------------------------------------------------------------------------------


def scan(text: str) -> list[Token]:
    """Return the tokens of *text*, from left to right (tok822_scan)."""
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char in _SPACE:
            continue
        if char == "(":
            comment, at = _comment(text, at)
            tokens.append(Token(Kind.COMMENT, comment))
        elif char == "[":
            value, at = _delimited(text, at, "]")
            tokens.append(Token(Kind.LITERAL, value))
        elif char == '"':
            value, at = _delimited(text, at, '"')
            tokens.append(Token(Kind.QUOTED, value))
        elif char != "\\" and char in _OPERATORS:
            tokens.append(operator(char))
        else:
            value, at = _atom(text, at - 1)
            quoted = any(c == " " or is_control(c) or c in _OPERATORS for c in value)
            tokens.append(Token(Kind.QUOTED if quoted else Kind.ATOM, value))
    return tokens


def _collect(text: str, at: int, stop: frozenset[str]) -> tuple[str, int]:
    """Return the text up to an unescaped character of *stop*, backslashes removed."""
    out: list[str] = []
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
            if at == len(text):
                break
            char = text[at]
        elif char in stop:
            break
        out.append(" " if char in _SPACE else char)
        at += 1
    return "".join(out), at


def _delimited(text: str, at: int, close: str) -> tuple[str, int]:
    value, at = _collect(text, at, frozenset(close))
    return value, min(at + 1, len(text))


def _atom(text: str, at: int) -> tuple[str, int]:
    return _collect(text, at, _OPERATORS | _SPACE)


def _comment(text: str, at: int) -> tuple[str, int]:
    """Return a comment with its parentheses, as written, and where it ends."""
    out = ["("]
    level = 1
    while at < len(text):
        char = text[at]
        out.append(char)
        at += 1
        if char == "(":
            level += 1
        elif char == ")":
            level -= 1
            if level == 0:
                break
        elif char == "\\":
            if at == len(text):
                break
            out.append(text[at])
            at += 1
    return "".join(out), at


# --- parsing -------------------------------------------------------------------------------------


def parse(text: str) -> list[Token]:
    """Return the tokens of *text* with every address grouped (tok822_parse).

    Comments stand beside the addresses that they were in; commas that were missing are there.
    """
    return _Grouping(scan(text)).run()


class _Grouping:
    """One pass from right to left.

    ``todo`` is still to be read (its last item is next), ``middle`` may become an address,
    ``done`` is settled.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.todo = tokens
        self.middle: deque[Token] = deque()
        self.done: deque[Token] = deque()
        self.word_ok = True
        self.group_ok = False
        #: The next token has already been skipped once: it cannot be part of an address.
        self.settled = False

    def run(self) -> list[Token]:
        while self.todo:
            self._step(self.todo.pop())
        self._close()
        return list(self.done)

    def _step(self, token: Token) -> None:
        settled, self.settled = self.settled, False
        if token.kind is Kind.COMMENT:
            self.done.appendleft(token)
        elif token.is_op(";"):
            self._close(add_comma=True)
            self.done.appendleft(token)
            self.word_ok = self.group_ok = True
        elif token.is_op(":") and self.group_ok:
            self._close()
            self.done.appendleft(Token(Kind.GROUP, ":"))
            self._skip_to(",")
        elif token.is_op(">"):
            self._close(add_comma=True)
            self.done.appendleft(token)
            self._angle_address()
        elif token.kind in (Kind.ATOM, Kind.QUOTED, Kind.LITERAL):
            if not self.word_ok:
                self._close(add_comma=True)
            self.word_ok = False
            self.middle.appendleft(token)
        elif token.is_op(","):
            self._close()
            self.done.appendleft(token)
            self.word_ok = True
        else:
            self.word_ok = True
            if settled:
                self.done.appendleft(token)
            else:
                self.middle.appendleft(token)

    def _angle_address(self) -> None:
        """Read what stands before a ``>``: the address, then the phrase before the ``<``."""
        while self.todo and not self.todo[-1].is_op("<"):
            token = self.todo.pop()
            if token.kind is Kind.COMMENT:
                self.done.appendleft(token)
            else:
                self.middle.appendleft(token)
        self._close()
        self._skip_to(">;,:")
        self.word_ok = True

    def _skip_to(self, characters: str) -> None:
        while self.todo and not self.todo[-1].is_op(characters):
            self.done.appendleft(self.todo.pop())
        self.settled = True

    def _close(self, *, add_comma: bool = False) -> None:
        """Make an address of what was gathered, if anything was."""
        if not self.middle:
            return
        parts = tuple(token.as_grouped(True) for token in self.middle)
        self.done.appendleft(Token(Kind.ADDRESS, parts=parts))
        if add_comma:
            self.done.appendleft(operator(","))
        self.middle.clear()


def addresses(text: str) -> list[str]:
    """Return the addresses in *text* in external form, as a lookup result is read.

    Every token is printed by itself, so that an odd address stays as odd as it was written.
    Empty text and ``<>`` are the null address.
    """
    if text in ("", "<>"):
        text = '""'
    return [externalize(t.parts) for t in parse(text) if t.kind is Kind.ADDRESS]


# --- printing ------------------------------------------------------------------------------------


def _blank_after(token: Token, following: Token | None) -> bool:
    if following is None or token.grouped:
        return False
    if token.is_op(",") or token.kind is Kind.GROUP or following.is_op("<"):
        return True
    return token.kind in _WORDS and following.kind in _WORDS


def internalize(tokens: Iterable[Token]) -> str:
    """Return the internal form of a token list (tok822_internalize)."""
    items = list(tokens)
    out: list[str] = []
    for index, token in enumerate(items):
        if token.kind is Kind.ADDRESS:
            out.append(internalize(token.parts))
        elif token.kind is Kind.LITERAL:
            out.append(f"[{token.text}]")
        else:
            out.append(token.text)
        if _blank_after(token, items[index + 1] if index + 1 < len(items) else None):
            out.append(" ")
    return "".join(out)


def externalize(tokens: Iterable[Token]) -> str:
    """Return the external form of tokens, each printed by itself (tok822_externalize)."""
    items = list(tokens)
    out: list[str] = []
    for index, token in enumerate(items):
        if token.kind is Kind.QUOTED:
            out.append(f'"{_escaped(token.text, chr(34) + chr(92) + chr(13) + chr(10))}"')
        elif token.kind is Kind.LITERAL:
            out.append(f"[{_escaped(token.text, chr(92) + chr(13) + chr(10))}]")
        elif token.is_op(","):
            out.append(", ")
            continue
        else:
            out.append(token.text)
        if _blank_after(token, items[index + 1] if index + 1 < len(items) else None):
            out.append(" ")
    return "".join(out)


def _escaped(text: str, special: str) -> str:
    return "".join(f"\\{c}" if c in special else c for c in text)


# --- quoting -------------------------------------------------------------------------------------


def quote(mailbox: str, *, bare_local: bool = False) -> str:
    """Return the external form of a mailbox in internal form (quote_822_local).

    The local part ends at the last ``@``; with *bare_local* all of it is local part. A source
    route in front (``@a,@b:``) is left alone, and so is the domain.
    """
    start = _after_route(mailbox)
    end = -1 if bare_local else mailbox.rfind("@", start)
    if end < 0:
        end = len(mailbox)
    local = mailbox[start:end]
    if _is_dot_string(local):
        return mailbox
    escaped = "".join(f"\\{c}" if c in _NEEDS_BACKSLASH else c for c in local)
    return f'{mailbox[:start]}"{escaped}"{mailbox[end:]}'


def unquote(mailbox: str) -> str:
    """Return the internal form of a mailbox in external form (unquote_822_local)."""
    start = _after_route(mailbox)
    out = [mailbox[:start]]
    in_quotes = False
    bare_at: tuple[int, int] | None = None
    at = start
    while at < len(mailbox):
        char = mailbox[at]
        if char == '"':
            in_quotes = not in_quotes
            at += 1
            continue
        if char == "@" and not in_quotes:
            bare_at = (len(out), at)
        elif char == "\\":
            if at + 1 == len(mailbox):
                break
            at += 1
            char = mailbox[at]
        out.append(char)
        at += 1
    if bare_at is not None:
        kept, source = bare_at
        return "".join(out[:kept]) + mailbox[source:]
    return "".join(out)


def _after_route(mailbox: str) -> int:
    if mailbox.startswith("@"):
        return mailbox.find(":") + 1
    return 0


def _is_dot_string(local: str) -> bool:
    if not local or local.startswith(".") or local.endswith(".") or ".." in local:
        return False
    return not any(c in _NEEDS_QUOTES or is_control(c) for c in local)
