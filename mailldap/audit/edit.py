"""Edits of a file's text that leave every other byte as it is: comments, order, line endings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailldap.audit.postfix_rules.comments import Comment
from mailldap.audit.source import SourceFile, Span
from mailldap.postfix.lines import LogicalLine

#: What stands between two items on one physical line.
_SEPARATOR = re.compile(r"[ \t]*,?[ \t]*")


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace one part of the text."""

    span: Span
    text: str


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Return *text* with all edits made; they must not overlap."""
    for edit in sorted(edits, key=lambda e: (e.span.start, e.span.end), reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def own_line(file: SourceFile, comment: Comment) -> list[Edit]:
    """Return the edits that move a comment behind a value to a line before that value."""
    start = file.starts[comment.line - 1]
    physical = file.physical(comment.line)
    carriage = "\r" if physical.endswith("\r") else ""
    end = start + len(physical) - len(carriage)
    words = file.text[comment.start : end].rstrip()
    before = file.text[start : comment.start]
    kept = start + len(before.rstrip())
    return [
        Edit(Span(start, start), f"{words}{carriage}\n"),
        Edit(Span(kept, end), ""),
    ]


def commented_out(file: SourceFile, line: LogicalLine) -> list[Edit]:
    """Return the edits that turn every physical line of a logical one into a comment."""
    return [
        Edit(Span(file.starts[number - 1], file.starts[number - 1]), "# ")
        for number in line.numbers
    ]


def moved_before(
    file: SourceFile, line: LogicalLine, target: tuple[int, int], mover: tuple[int, int]
) -> list[Edit]:
    """Return the edits that move one item of a list before another, earlier one.

    Both are ranges of characters of *line*. An item that has its physical line to itself moves
    with it, so that comments stay with what they are about.
    """
    here = file.span(line, *target)
    there = file.span(line, *mover)
    item = file.text[there.start : there.end]
    return [_insertion(file, here, item), _removal(file, there)]


def _insertion(file: SourceFile, here: Span, item: str) -> Edit:
    begin = file.text.rfind("\n", 0, here.start) + 1
    indent = file.text[begin : here.start]
    after = _SEPARATOR.match(file.text, here.end)
    comma = "," if after and "," in after[0] else ""
    if begin and indent and not indent.strip():
        return Edit(Span(begin, begin), f"{indent}{item}{comma}{file.newline}")
    # Within -o name=value there may be no blank.
    tight = after is not None and after[0] == "," and not file.text[after.end() :][:1].isspace()
    blank = "" if tight else " "
    return Edit(Span(here.start, here.start), f"{item}{comma}{blank}")


def _removal(file: SourceFile, there: Span) -> Edit:
    text = file.text
    begin = text.rfind("\n", 0, there.start) + 1
    after = _SEPARATOR.match(text, there.end)
    end = after.end() if after else there.end
    last = end == len(text) or text[end] in "\r\n}"
    if begin and not text[begin : there.start].strip() and last:
        newline = text.find("\n", end)
        return Edit(Span(begin, len(text) if newline < 0 else newline + 1), "")
    if last:
        start = there.start - (len(text[: there.start]) - len(text[: there.start].rstrip(", \t")))
        return Edit(Span(start, there.end), "")
    return Edit(Span(there.start, end), "")


def line_after(file: SourceFile, line: LogicalLine, text: str) -> Edit:
    """Return the edit that adds a line behind a logical line."""
    end = file.starts[line.last]
    newline = file.newline
    if not file.text[:end].endswith("\n"):
        return Edit(Span(end, end), f"{newline}{text}")
    return Edit(Span(end, end), f"{text}{newline}")
