"""``regexp:`` and ``pcre:`` tables: patterns to values with ``$1`` in them.

Source: regexp_table(5), pcre_table(5); Postfix's dict_regexp.c and dict_pcre.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailldap.postfix.expand import MacroError, parse_macros
from mailldap.postfix.lines import decode, encode
from mailldap.postfix.words import SPACE, c_string
from mailldap.tables import perl_regex, posix_regex
from mailldap.tables.base import TableContext
from mailldap.tables.perl_regex import PerlError
from mailldap.tables.posix_regex import Regex, RegexError
from mailldap.tables.rules import Rule, RuleTable, keyword, no_result, rule_lines

_POSIX_OPTIONS = {
    "i": posix_regex.ICASE,
    "m": posix_regex.NEWLINE,
    "x": posix_regex.EXTENDED,
}
_PERL_OPTIONS = {
    "i": perl_regex.CASELESS,
    "m": perl_regex.MULTILINE,
    "s": perl_regex.DOTALL,
    "x": perl_regex.EXTENDED,
    "A": perl_regex.ANCHORED,
    "E": perl_regex.DOLLAR_ENDONLY,
    "U": perl_regex.UNGREEDY,
    "X": 0,
}

#: The parts of a result: literal text, or the number of a group.
Result = tuple[bytes | int, ...]
#: Where a match and its groups begin and end; equal ends are an empty one.
Spans = list[tuple[int, int]]


class _RuleError(Exception):
    """A rule that is skipped; the text is what Postfix says of it, or empty if it has said all."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    options: int
    wanted: bool


def open_regexp(path: str, context: TableContext) -> RuleTable:
    """Return the POSIX table of a file or of rules in place. Raises TableUnavailable."""
    return _Parser("regexp", path, context).table()


def open_pcre(path: str, context: TableContext) -> RuleTable:
    """Return the Perl-compatible table of a file or of rules in place. Raises TableUnavailable."""
    return _Parser("pcre", path, context).table()


class _Parser:
    def __init__(self, kind: str, path: str, context: TableContext) -> None:
        self.kind = kind
        self.path = path
        self.context = context
        self.line = 0
        self.posix = kind == "regexp"

    def table(self) -> RuleTable:
        rules: list[Rule] = []
        nesting = 0
        for line in rule_lines(self.kind, self.path, self.context):
            self.line = line.line
            # One character a byte from here on, as the patterns mean it.
            text = encode(c_string(line.text)).decode("latin-1").rstrip(SPACE)
            try:
                rule = self.rule(text, nesting)
            except _RuleError as error:
                self.warn(str(error))
                continue
            nesting += {"if": 1, "endif": -1}.get(rule.kind, 0)
            rules.append(rule)
        return RuleTable(self.kind, self.path, self.context, rules)

    def warn(self, message: str) -> None:
        plain = decode(message.encode("latin-1"))
        self.context.warn(f"{self.kind} map {self.path}, line {self.line}: {plain}")

    def rule(self, text: str, nesting: int) -> Rule:
        if not (text[0].isascii() and text[0].isalnum()):
            return self.match_rule(text)
        if (rest := keyword(text, "if")) is not None:
            return self.if_rule(rest.lstrip(SPACE))
        if (rest := keyword(text, "endif")) is not None:
            if not nesting:
                raise _RuleError("ignoring ENDIF without matching IF")
            if rest.strip(SPACE):
                self.warn("ignoring extra text after ENDIF")
            return Rule("endif", self.line, no_result)
        raise _RuleError("ignoring unrecognized request")

    def if_rule(self, text: str) -> Rule:
        pattern, rest = self.pattern(text)
        rest = rest.lstrip(SPACE)
        if rest:
            self.warn(f'ignoring extra text after IF statement: "{rest}"')
            self.warn("do not prepend whitespace to statements between IF and ENDIF")
        condition, _ = self.condition(pattern, 0)
        return Rule("if", self.line, condition.apply)

    def match_rule(self, text: str) -> Rule:
        pattern, rest = self.pattern(text)
        second = None
        if self.posix and rest.startswith("!"):
            second, rest = self.pattern(rest)
        rest = rest.lstrip(SPACE)
        if not rest:
            self.warn("no replacement text: using empty string")
        result = self.result(rest)
        highest = max((part for part in result if isinstance(part, int)), default=0)
        if highest and not pattern.wanted:
            raise _RuleError("$number found in negative match replacement text: skipping this rule")
        if highest and not self.context.substitution:
            raise _RuleError("regular expression substitution is not allowed: skipping this rule")
        first, groups = self.condition(pattern, highest)
        if highest > groups:
            raise _RuleError(f'out of range replacement index "{highest}": skipping this rule')
        condition = None if second is None else self.condition(second, 0)[0]
        return Rule("match", self.line, _Replacement(first, condition, result).apply)

    def pattern(self, text: str) -> tuple[_Pattern, str]:
        """Return the pattern at the start of *text* and what follows its options."""
        start = text.lstrip(SPACE + "!")
        wanted = text[: len(text) - len(start)].count("!") % 2 == 0
        if not start:
            raise _RuleError("no regexp: skipping this rule")
        delimiter = start[0]
        end = 1
        while end < len(start):
            if start[end] == "\\":
                if self.posix and end + 1 == len(start):
                    break  # Postfix takes a last backslash for the delimiter
                end += 2
            elif start[end] == delimiter:
                break
            else:
                end += 1
        if end >= len(start):
            fate = "skipping" if self.posix else "ignoring"
            raise _RuleError(f'no closing regexp delimiter "{delimiter}": {fate} this rule')
        options, rest = self.options(start[end + 1 :])
        return _Pattern(start[1:end], options, wanted), rest

    def options(self, text: str) -> tuple[int, str]:
        """Return the options at the start of *text* and what follows them."""
        known = _POSIX_OPTIONS if self.posix else _PERL_OPTIONS
        ends = SPACE + "!" if self.posix else SPACE
        options = (
            posix_regex.EXTENDED | posix_regex.ICASE
            if self.posix
            else perl_regex.CASELESS | perl_regex.DOTALL
        )
        for position, letter in enumerate(text):
            if letter in ends:
                return options, text[position:]
            if letter not in known:
                raise _RuleError(f'unknown regexp option "{letter}": skipping this rule')
            if letter == "X" and not self.posix:
                self.warn('ignoring obsolete regexp option "X"')
            options ^= known[letter]
        return options, ""

    def result(self, text: str) -> Result:
        """Return the parts of a replacement text."""
        parts: list[bytes | int] = []
        bad = False
        try:
            for is_reference, part in parse_macros(text):
                number = self.group_number(part) if is_reference else None
                bad |= is_reference and number is None
                parts.append(part.encode("latin-1") if number is None else number)
        except MacroError as error:
            self.context.warn(decode(str(error).encode("latin-1")))
            bad = True
        if bad:
            raise _RuleError("bad replacement syntax: skipping this rule")
        return tuple(parts)

    def group_number(self, text: str) -> int | None:
        out_of_range = "out-of-range" if self.posix else "out of range"
        if not (text.isascii() and text.isdigit()):
            self.warn(f'non-numeric replacement index "{text}"')
            return None
        number = (int(text[-20:]) + 2**31) % 2**32 - 2**31  # as atoi(3) has it
        if number < 1:
            self.warn(f'{out_of_range} replacement index "{text}"')
            return None
        return number

    def condition(self, pattern: _Pattern, groups: int) -> tuple[_Condition, int]:
        """Return the compiled pattern, and the number of groups in it."""
        text = pattern.text.encode("latin-1")
        try:
            if self.posix:
                options = pattern.options | (0 if groups else posix_regex.NOSUB)
                regex = Regex(text, options, groups)
                return _Condition(regex.match, pattern.wanted, self.warner()), regex.groups
            compiled = perl_regex.compile_pattern(text, pattern.options)
        except (RegexError, PerlError) as error:
            raise _RuleError(str(error)) from error
        return _Condition(compiled.match, pattern.wanted, self.warner()), compiled.groups

    def warner(self) -> Callable[[str], None]:
        """Return a function that logs what goes wrong with this line at a lookup."""
        where = f"{self.kind} map {self.path}, line {self.line}: "
        return lambda message: self.context.warn(where + message)


@dataclass(frozen=True, slots=True)
class _Condition:
    """A pattern that shall match, or shall not; a match that fails is neither."""

    match: Callable[[bytes], Spans | None]
    wanted: bool
    warn: Callable[[str], None]

    def spans(self, key: bytes) -> Spans | None:
        try:
            spans = self.match(key)
        except (RegexError, PerlError) as error:
            self.warn(str(error))
            return None
        if self.wanted:
            return spans
        return [] if spans is None else None

    def apply(self, key: str) -> str | None:
        return None if self.spans(encode(key)) is None else ""


@dataclass(frozen=True, slots=True)
class _Replacement:
    first: _Condition
    second: _Condition | None
    result: Result

    def apply(self, key: str) -> str | None:
        text = encode(key)
        spans = self.first.spans(text)
        if spans is None or (self.second is not None and self.second.spans(text) is None):
            return None
        parts = [
            part if isinstance(part, bytes) else _cut(text, *spans[part]) for part in self.result
        ]
        return decode(b"".join(parts))


def _cut(text: bytes, start: int, end: int) -> bytes:
    return text[start:end] if 0 <= start < end else b""
