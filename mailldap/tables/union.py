"""Tables made of tables: unionmap, pipemap.

Source: DATABASE_README, "Postfix lookup table types"; Postfix's dict_union.c and dict_pipe.c. The
first table decides whether keys are fixed strings or matched by patterns.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailldap.errors import TableUnavailable
from mailldap.postfix.words import balanced, split_braced
from mailldap.tables.base import Answer, Failed, Found, NotFound, Table, TableContext
from mailldap.tables.match_list import Opener
from mailldap.tables.table import BaseTable


class _Compound(BaseTable):
    def __init__(self, kind: str, path: str, context: TableContext, opener: Opener) -> None:
        super().__init__(kind, path, context)
        self.tables: Sequence[Table] = _open_all(kind, path, context, opener)
        self.fixed = self.tables[0].fixed

    def close(self) -> None:
        """Close all of them."""
        for table in self.tables:
            table.close()


class UnionTable(_Compound):
    """What all tables have for a key, joined with commas."""

    def __init__(self, path: str, context: TableContext, opener: Opener) -> None:
        super().__init__("unionmap", path, context, opener)

    def find(self, key: str) -> Answer:
        """Return all values; one failing table fails the lookup."""
        result = ""
        for table in self.tables:
            answer = table.get(key)
            if isinstance(answer, Failed):
                return answer
            if isinstance(answer, Found):
                result += f",{answer.value}" if result else answer.value
        return Found(result) if result else NotFound()


class PipeTable(_Compound):
    """Each table looks up what the one before has found."""

    def __init__(self, path: str, context: TableContext, opener: Opener) -> None:
        super().__init__("pipemap", path, context, opener)

    def find(self, key: str) -> Answer:
        """Return what the last table has."""
        answer: Answer = Found(key)
        for table in self.tables:
            if not isinstance(answer, Found):
                break
            answer = table.get(answer.value)
        return answer


def _open_all(kind: str, path: str, context: TableContext, opener: Opener) -> list[Table]:
    """Return the tables that the ``type:name`` words between the braces mean, in order."""
    complaint = f'bad syntax: "{kind}:{path}"; need "{kind}:{{type:name...}}"'
    length = balanced(path)
    words = split_braced(path[1:-1]) if length and length == len(path) else []
    if not words:
        raise TableUnavailable(complaint)
    tables: list[Table] = []
    for word in words:
        if ":" not in word:
            raise TableUnavailable(complaint)
        tables.append(opener(word, context))
    return tables
