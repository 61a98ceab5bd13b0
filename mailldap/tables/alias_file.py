"""The text that postalias(1) makes a database from.

Source: aliases(5); Postfix 3.7, postalias.c.
"""

from __future__ import annotations

from mailldap.postfix.rfc822 import externalize, internalize, scan
from mailldap.postfix.words import fold
from mailldap.tables.base import TableContext
from mailldap.tables.text import table_lines


def read_aliases(text: str, path: str, context: TableContext) -> dict[str, str]:
    """Return names, folded as postalias(1) does, and values in external form.

    The first of several equal names counts. ``context.warn`` is told of lines that are ignored.
    """
    entries: dict[str, str] = {}
    for number, content in table_lines(text, path, context):
        where = f"{path}, line {number}"
        tokens = scan(content)
        if not tokens:
            continue
        colon = next((at for at, token in enumerate(tokens) if token.is_op(":")), 0)
        name, value = tokens[:colon], tokens[colon + 1 :]
        if not name or not value or any(token.is_op(",") for token in name):
            context.warn(f"{where}: need name:value pair")
            continue
        if any(token.is_op("@%") for token in name):
            context.warn(f"{where}: name must be local")
            continue
        key = fold(internalize(name), utf8=context.utf8)
        if key in entries:
            context.warn(f'{where}: duplicate entry: "{internalize(name)}"')
        entries.setdefault(key, externalize(value))
    entries.setdefault("@", "@")  # sendmail's sign that the database is complete
    return entries
