"""``$name`` and ``${…}`` in main.cf values and in the results of pattern tables.

Source: postconf(5), "The general format of the main.cf file"; Postfix's mac_parse() and
mac_expand(), whose words the errors have.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator

from mailldap.postfix.words import BLANKS, number_of

#: What looks a parameter up: its value, or None where it is not defined.
Lookup = Callable[[str], str | None]

_OPENING = {"(": ")", "{": "}"}
_OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">=": operator.ge,
    ">": operator.gt,
}
_OPERATOR_NAMES = '"==" or "!="" or "<"" or "<="" or ">="" or ">"'
_OPERATOR_CHARACTERS = "<>!=?+-*/~&|%"
_MAX_NESTING = 100


class MacroError(Exception):
    """A macro that Postfix cannot expand; the text is the warning that it logs."""


def is_word_character(character: str) -> bool:
    """Return whether a parameter name may contain *character*."""
    return character.isascii() and (character.isalnum() or character == "_")


def parse_macros(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of *text*: (False, literal text) and (True, what stands after the ``$``).

    Raises MacroError at a reference without end or without name; the parts before it have been
    given by then.
    """
    literal: list[str] = []
    position = 0
    while position < len(text):
        if text[position] != "$":
            literal.append(text[position])
            position += 1
            continue
        if text.startswith("$$", position):
            literal.append("$")
            position += 2
            continue
        if literal:
            yield False, "".join(literal)
            literal = []
        name, position = _reference(text, position + 1)
        if not name:
            raise MacroError(f'empty macro name: "{text}"')
        yield True, name
    if literal:
        yield False, "".join(literal)


def _reference(text: str, start: int) -> tuple[str, int]:
    """Return what is referred to at *start*, and where the text goes on."""
    opening = text[start : start + 1]
    if opening not in _OPENING:
        end = start
        while end < len(text) and is_word_character(text[end]):
            end += 1
        return text[start:end], end
    closing = _OPENING[opening]
    level = 1
    end = start = start + 1
    while level:
        if end >= len(text):
            raise MacroError(f'truncated macro reference: "{text}"')
        level += (text[end] == opening) - (text[end] == closing)
        end += 1
    return text[start : end - 1], end


def expand(text: str, lookup: Lookup, *, recurse: bool = True) -> str:
    """Return *text* with every reference replaced; undefined names give nothing.

    *recurse* expands what the references give as well. Raises MacroError.
    """
    return "".join(_parts(text, lookup, recurse, 0))


def _parts(text: str, lookup: Lookup, recurse: bool, level: int) -> Iterator[str]:
    for is_reference, part in parse_macros(text):
        if level > _MAX_NESTING:
            raise MacroError(f'unreasonable macro call nesting: "{part}"')
        if is_reference:
            yield from _evaluate(part, lookup, recurse, level)
        else:
            yield part


def _evaluate(expression: str, lookup: Lookup, recurse: bool, level: int) -> Iterator[str]:
    """Yield what one reference stands for."""
    value: str | None
    if expression.lstrip(BLANKS).startswith("{"):
        value, rest = _relation(expression.lstrip(BLANKS), lookup, recurse, level)
        if rest and rest[0] not in "?:":
            raise MacroError(f'"?" or ":" expected at: "...}}>>>{rest[:20]}"')
    else:
        name, rest = _name(expression)
        value = lookup(name)
    if not rest:
        if value and recurse:
            yield from _parts(value, lookup, recurse, level + 1)
        else:
            yield value or ""
        return
    mark, rest = rest[0], rest[1:]
    if mark == "?":
        if_true, rest = _operand(rest)
        if value:
            yield from _parts(if_true, lookup, recurse, level + 1)
        if not rest:
            return
        if rest[0] != ":":
            raise MacroError(f'":" expected at: "...{if_true}}}>>>{rest[:20]}"')
        rest = rest[1:]
    if_false, rest = _operand(rest)
    if not value:
        yield from _parts(if_false, lookup, recurse, level + 1)
    if rest:
        raise MacroError(f'unexpected input at: "...{if_false}}}>>>{rest[:20]}"')


def _name(expression: str) -> tuple[str, str]:
    """Return a parameter's name, and what follows from ``?`` or ``:`` on."""
    start = len(expression) - len(expression.lstrip(BLANKS))
    for position in range(start, len(expression) + 1):
        following = expression[position:].lstrip(BLANKS)
        if not following or following[0] in "?:":
            return expression[start:position], following
        if not is_word_character(expression[position]):
            raise MacroError(
                "attribute name syntax error at: "
                f'"...{expression[:position]}>>>{expression[position:]}"'
            )
    raise AssertionError(expression)


def _operand(text: str) -> tuple[str, str]:
    """Return the text that a ``?`` or ``:`` chooses, and what follows it."""
    if text.lstrip(BLANKS).startswith("{"):
        return _payload(text.lstrip(BLANKS))
    return text, ""


def _payload(text: str) -> tuple[str, str]:
    """Return what is inside the ``{…}`` at the start of *text*, and what follows its blanks."""
    level = 0
    for position, character in enumerate(text):
        level += (character == "{") - (character == "}")
        if not level:
            return text[1:position], text[position + 1 :].lstrip(BLANKS)
    raise MacroError(f'unbalanced {{}} in attribute expression: "{text}"')


def _relation(text: str, lookup: Lookup, recurse: bool, level: int) -> tuple[str, str]:
    """Return what ``{a} == {b}`` at the start of *text* amounts to, and what follows it."""
    left, rest = _payload(text)
    length = len(rest) - len(rest.lstrip(_OPERATOR_CHARACTERS))
    sign, after = rest[:length], rest[length:]
    if sign not in _OPERATORS:
        raise MacroError(f'{_OPERATOR_NAMES} expected at: "...{left}}}>>>{rest[:20]}"')
    suffix_length = next(
        (i for i, c in enumerate(after) if not (c.isascii() and c.isalnum())), len(after)
    )
    suffix, after = after[:suffix_length], after[suffix_length:]
    if suffix not in {"", "level"}:
        raise MacroError(f'bad operator suffix at: "...{sign}>>>{suffix}"')
    if not after.lstrip(BLANKS).startswith("{"):
        raise MacroError(f'"{{expression}}" expected at: "...{{{left}}} {sign}>>>{after[:20]}"')
    right, rest = _payload(after.lstrip(BLANKS))
    if level > _MAX_NESTING:  # Postfix has no limit here and dies of it
        raise MacroError(f'unreasonable macro call nesting: "{text}"')
    a, b = ("".join(_parts(operand, lookup, recurse, level + 1)) for operand in (left, right))
    if suffix:
        difference = compatibility_level(a) - compatibility_level(b)
    elif a.isascii() and a.isdigit() and b.isascii() and b.isdigit():
        difference = _to_long(a) - _to_long(b)
    else:
        bytes_a, bytes_b = (t.encode("utf-8", "surrogateescape") for t in (a, b))
        difference = (bytes_a > bytes_b) - (bytes_a < bytes_b)
    return ("true" if _OPERATORS[sign](difference, 0) else ""), rest


def _to_long(digits: str) -> int:
    number = number_of(digits)
    if number >= 2**63:
        raise MacroError(f"mac_exp_eval: bad conversion: {digits}")
    return number


def compatibility_level(text: str) -> int:
    """Return a number that orders levels as ``3.6`` or ``2``; raises MacroError.

    Source: postconf(5), compatibility_level.
    """
    parts = text.split(".")
    numbers = []
    for part, limit in zip(parts, (2**43 - 1, 1023, 1023), strict=False):
        digits = part.lstrip(" \t\n\v\f\r").removeprefix("+")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 18 or int(digits) > limit:
            break
        numbers.append(int(digits))
    if len(numbers) != len(parts):
        raise MacroError(f'malformed compatibility level syntax: "{text}"')
    major, minor, patch = (*numbers, 0, 0)[:3]
    return (major << 20) | (minor << 10) | patch
