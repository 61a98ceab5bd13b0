"""Tables of rules that are tried in order: cidr, regexp and pcre with their IF and ENDIF.

Source: cidr_table(5), regexp_table(5), pcre_table(5); Postfix's dict_stream.c for rules that are
given in place of a file, ``cidr:{{rule}, {rule}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from mailldap.errors import ConfigError, TableUnavailable
from mailldap.postfix.lines import LogicalLine, decode, logical_lines
from mailldap.postfix.words import next_word, unbrace
from mailldap.tables.base import Answer, Found, NotFound, TableContext, not_opened
from mailldap.tables.table import BaseTable


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``apply`` gives the rule's result for a key that it matches, else None; for IF any text says
    that the block is entered.
    """

    kind: Literal["match", "if", "endif"]
    line: int
    apply: Callable[[str], str | None]


def no_result(_key: str) -> None:
    """Return what ENDIF gives for any key."""


class RuleTable(BaseTable):
    """Rules that have been parsed; the first that matches decides."""

    fixed = False

    def __init__(self, kind: str, path: str, context: TableContext, rules: Sequence[Rule]) -> None:
        super().__init__(kind, path, context)
        self._rules = rules
        self._ends = self._match_blocks()

    def _match_blocks(self) -> dict[int, int]:
        """Return where the block of each IF ends, by positions in the rules."""
        ends: dict[int, int] = {}
        begun: list[int] = []
        for position, rule in enumerate(self._rules):
            if rule.kind == "if":
                begun.append(position)
            elif rule.kind == "endif":
                ends[begun.pop()] = position
        for position in reversed(begun):
            self.context.warn(
                f"{self.kind} map {self.path}, line {self._rules[position].line}: "
                "IF has no matching ENDIF"
            )
        return ends

    def find(self, key: str) -> Answer:
        """Return the result of the first rule that matches."""
        position = 0
        while position < len(self._rules):
            rule = self._rules[position]
            result = rule.apply(key)
            if rule.kind == "match" and result is not None:
                return Found(result)
            if rule.kind == "if" and result is None:
                if position not in self._ends:
                    return NotFound()
                position = self._ends[position]
            position += 1
        return NotFound()


def rule_lines(kind: str, path: str, context: TableContext) -> list[LogicalLine]:
    """Return the logical lines of a rule file, or of ``{{rule}, {rule}}`` in place of a path.

    A directory can be opened: regexp and pcre take what cannot be read of it for the end of the
    file. Raises TableUnavailable where the file cannot be opened or the braces are wrong,
    ConfigError for the directory of a cidr table.
    """
    if path.startswith("{"):
        text = _inline_rules(kind, path)
    else:
        try:
            text = decode(context.read_file(path))
        except IsADirectoryError as error:
            if kind == "cidr":
                raise ConfigError(f"cidr map {path}: read error: {error.strerror}") from error
            text = ""
        except OSError as error:
            raise not_opened(path, error) from error
    return list(logical_lines(text, path, context.warn))


def _inline_rules(kind: str, path: str) -> str:
    rest, error = unbrace(path, strip=False)
    lines = []
    while error is None and (step := next_word(rest)) is not None:
        word, rest = step
        rule, error = unbrace(word, strip=True)
        lines.append(rule + "\n")
    if error is not None:
        raise TableUnavailable(f"{kind} map: {error}")
    return "".join(lines)


def keyword(text: str, name: str) -> str | None:
    """Return what follows the keyword *name* at the start of a rule, or None without it."""
    following = text[len(name) : len(name) + 1]
    if text[: len(name)].lower() != name or (following.isascii() and following.isalnum()):
        return None
    return text[len(name) :]
