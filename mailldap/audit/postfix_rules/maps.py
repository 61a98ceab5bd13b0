"""Lists of tables: words that name none.

Postfix's dict_open.c: a word without ``type:name`` is fatal, an unknown type makes every lookup
fail.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailldap.audit.configuration import PERMISSIONS, Configuration
from mailldap.audit.finding import Finding
from mailldap.audit.source import SourceFile
from mailldap.postfix.parameters import default_of
from mailldap.postfix.words import split_braced
from mailldap.tables.open import MAP_TYPES


def no_table(conf: Configuration) -> Iterator[Finding]:
    """Find words in lists of tables that are no ``type:name``, or have a type that nobody has."""
    if conf.main:
        for setting in conf.main.last.values():
            yield from _words(conf, setting.name, setting.value, conf.main, setting.line)
    for service in conf.services:
        for name, override in service.overrides.items():
            yield from _words(conf, name, override.value, service.file, override.line)


def _words(
    conf: Configuration, parameter: str, value: str, file: SourceFile, line: int
) -> Iterator[Finding]:
    lists_tables = parameter.endswith(("_maps", "_checks")) and default_of(parameter) is not None
    if not lists_tables or parameter in PERMISSIONS:
        return
    for word in split_braced(conf.expand(value)):
        if word.startswith("#"):
            return  # the rule of inline comments tells it
        kind, _, name = word.removeprefix("proxy:").partition(":")
        if not (kind and name):
            typed = f"{conf.value('default_database_type') or 'hash'}:{word}"
            message = (
                f"{word} is no table, which is type:name: every program that opens the list dies"
            )
            mend = f"write {typed}" if word.startswith("/") else "name its type, or remove it"
        elif kind not in MAP_TYPES:
            message = f"Postfix has no tables of type {kind}: every lookup in {word} fails"
            mend = "types are spelled as postconf -m lists them, in lower case"
        else:
            continue
        yield Finding("no-table", "error", file.name, line, parameter, message, mend)
