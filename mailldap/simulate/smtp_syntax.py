"""How smtpd(8) reads the argument of MAIL FROM and RCPT TO.

Source: Postfix 3.7, smtpd_token.c and extract_addr() in smtpd.c; RFC 5321 §4.1.1.2, §4.1.1.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailldap.postfix.rfc822 import Kind, internalize, parse
from mailldap.postfix.words import SPACE, is_utf8, lower_ascii


@dataclass(frozen=True, slots=True)
class Argument:
    """An address that smtpd can read.

    ``address`` is in internal form; ``original`` is what was written between the brackets;
    ``options`` follow it. ``probe``: it is the sender of Postfix's own address probes, which is
    taken without questions.
    """

    address: str
    original: str
    options: tuple[str, ...] = ()
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """smtpd's whole reply to a command that it cannot read."""

    reply: str


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    closed: bool = True


def read_command(
    verb: str, argument: str, *, line_limit: int, utf8: bool, strict: bool
) -> Argument | Refusal:
    """Return the address of ``MAIL FROM:<argument>`` or ``RCPT TO:<argument>``.

    *verb* is "MAIL" or "RCPT"; the limits are line_length_limit, smtputf8_enable and
    strict_rfc821_envelopes. What follows a line break in *argument* is not part of the command.
    Whether the domain can exist is not looked at here.
    """
    preposition = "FROM:" if verb == "MAIL" else "TO:"
    line = f"{verb} {preposition}<{argument}>".partition("\0")[0]
    line, newline, _ = line.partition("\n")
    if newline:
        line = line.removesuffix("\r")
    line = line.encode("utf-8", "surrogateescape")[:line_limit].decode("utf-8", "surrogateescape")
    if utf8 and not is_utf8(line):
        return Refusal("500 5.5.2 Error: bad UTF-8 syntax")
    words = _words(line)
    bad = Refusal(
        "501 5.1.7 Bad sender address syntax"
        if verb == "MAIL"
        else "501 5.1.3 Bad recipient address syntax"
    )
    word = words[2]
    if not word.closed:
        return bad
    address = _extract(word.text, strict=strict)
    if address is None or (verb == "RCPT" and not address):
        return bad
    original = word.text
    if original.startswith("<") and original.endswith(">"):
        original = original[1:-1]
    return Argument(address, original, tuple(word.text for word in words[3:]))


def option_complaint(verb: str, options: tuple[str, ...]) -> str | None:
    """Return smtpd's reply to what follows an address, or None where nothing follows.

    The last option always ends with the bracket that closes the command, which no value of
    NOTIFY may have (RFC 3461 §4.1).
    """
    if not options:
        return None
    if verb == "RCPT" and lower_ascii(options[0]).startswith("notify="):
        return "501 5.5.4 Error: Bad NOTIFY parameter syntax"
    return f"555 5.5.4 Unsupported option: {options[0]}"


def _extract(word: str, *, strict: bool) -> str | None:
    """Return the one address in *word*, in internal form; "" for none, None for several."""
    text = word
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if text.startswith("@") and ":" in text:
        text = text.partition(":")[2]
    tokens = parse(text)
    found = [token for token in tokens if token.kind is Kind.ADDRESS]
    others = [t for t in tokens if t.kind is not Kind.ADDRESS and not t.is_op("<>")]
    if len(found) > 1 or (strict and (others or not word.startswith("<"))):
        return None
    address = internalize(found[-1].parts) if found else ""
    if strict and address.startswith("@"):
        return None
    return address


def _words(line: str) -> list[_Word]:
    """Return the words of an SMTP command; ``<…>`` and ``"…"`` protect white space."""
    words = []
    at = 0
    while (step := _next(line, at)) is not None:
        word, at = step
        words.append(word)
    return words


def _next(line: str, at: int) -> tuple[_Word, int] | None:
    out = ""
    closed = True
    while at < len(line):
        char = line[at]
        at += 1
        if char in SPACE:
            if out:
                break
        elif char in '<"':
            inside, at, ended = _quoted(line, at, ">" if char == "<" else char)
            out += char + inside
            closed = closed and ended
        elif char == ":":
            out += char
            if lower_ascii(out) in {"to:", "from:"}:
                break
        else:
            out += char
            if char == "\\" and at < len(line):
                out += line[at]
                at += 1
    return (_Word(out, closed), at) if out else None


def _quoted(line: str, at: int, last: str) -> tuple[str, int, bool]:
    """Return the text up to its closing character, where it ends, and whether it was closed."""
    wanted = [last]
    start = at
    while at < len(line):
        char = line[at]
        at += 1
        if char == "\\":
            if at == len(line):
                break
            at += 1
        elif char == wanted[-1]:
            wanted.pop()
            if not wanted:
                return line[start:at], at, True
        elif char == '"' or (char == "<" and wanted[-1] == ">"):
            wanted.append('"' if char == '"' else ">")
    return line[start:at], at, False
