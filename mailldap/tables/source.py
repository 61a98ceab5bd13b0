"""Where a table's parameters come from: a file of its own, or main.cf under a prefix.

Source: ldap_table(5), "BACKWARDS COMPATIBILITY"; Postfix's cfg_parser.c and mail_conf(3). Every
fault that Postfix calls fatal is a ConfigError in its words.
"""

from __future__ import annotations

from typing import Protocol

from mailldap.errors import ConfigError
from mailldap.postfix.lines import decode
from mailldap.postfix.main_cf import parse_settings
from mailldap.postfix.words import to_bool, to_int
from mailldap.tables.base import TableContext, not_opened


class Source(Protocol):
    """Looks up one parameter, and words faults."""

    def value(self, name: str) -> str | None:
        """Return the value, or None where the parameter is not set."""
        ...

    def full_name(self, name: str) -> str:
        """Return the parameter's name as the administrator wrote it."""
        ...

    def fault(self, name: str, message: str, hint: str | None = None) -> ConfigError:
        """Return the error for a parameter, with file and line."""
        ...


class FileSource:
    """Parameters of a file; ``$`` means nothing there."""

    def __init__(self, path: str, context: TableContext) -> None:
        try:
            text = decode(context.read_file(path))
        except IsADirectoryError as error:
            raise ConfigError(f"read {path}: {error.strerror}") from error
        except OSError as error:
            raise not_opened(path, error) from error
        self._path = path
        self._settings = {s.name: s for s in parse_settings(text, path, context.warn)}

    def value(self, name: str) -> str | None:
        """Return the value as written."""
        setting = self._settings.get(name)
        return None if setting is None else setting.value

    def full_name(self, name: str) -> str:
        """Return *name*."""
        return name

    def fault(self, name: str, message: str, hint: str | None = None) -> ConfigError:
        """Return the error with the line on which the parameter is set."""
        setting = self._settings.get(name)
        line = None if setting is None else setting.line
        return ConfigError(message, file=self._path, line=line, hint=hint)


class MainSource:
    """Parameters of main.cf, each with the table's name and ``_`` in front."""

    def __init__(self, prefix: str, context: TableContext) -> None:
        self._prefix = prefix
        self._context = context

    def value(self, name: str) -> str | None:
        """Return the expanded value."""
        return self._context.parameter(self.full_name(name))

    def full_name(self, name: str) -> str:
        """Return *name* behind the prefix."""
        return f"{self._prefix}_{name}"

    def fault(self, name: str, message: str, hint: str | None = None) -> ConfigError:
        """Return the error with main.cf's line on which the parameter is set."""
        return ConfigError(
            message,
            file=f"{self._context.config_directory}/main.cf",
            line=self._context.line_of(self.full_name(name)),
            hint=hint,
        )


def open_source(name: str, context: TableContext) -> Source:
    """Return the source of the table *name*: a file where it begins with ``/`` or ``.``."""
    if name[0] in "/.":
        return FileSource(name, context)
    return MainSource(name, context)


def get_str(source: Source, name: str, default: str, *, required: bool = False) -> str:
    """Return a string parameter. Raises ConfigError where *required* and empty."""
    value = source.value(name)
    if value is None:
        value = default
    if required and not value:
        raise source.fault(
            name,
            f"bad string length 0 < 1: {source.full_name(name)} =",
            hint="give it a value or leave the line out",
        )
    return value


def get_int(source: Source, name: str, default: int, minimum: int = 0, maximum: int = 0) -> int:
    """Return an integer parameter. Raises ConfigError where it is none or out of range.

    A bound of 0 is none.
    """
    value = source.value(name)
    full_name = source.full_name(name)
    number: int | None = default
    if value is not None:
        number = to_int(value)
        if number is None:
            raise source.fault(
                name,
                f"bad numerical configuration: {full_name} = {value}",
                hint="write a whole number, without unit and without comment",
            )
    assert number is not None
    if minimum and number < minimum:
        raise source.fault(name, f"invalid {full_name} parameter value {number} < {minimum}")
    if maximum and number > maximum:
        raise source.fault(name, f"invalid {full_name} parameter value {number} > {maximum}")
    return number


def get_bool(source: Source, name: str, *, default: bool) -> bool:
    """Return a yes/no parameter. Raises ConfigError for anything else."""
    value = source.value(name)
    if value is None:
        return default
    answer = to_bool(value)
    if answer is None:
        raise source.fault(
            name,
            f"bad boolean configuration: {source.full_name(name)} = {value}",
            hint="write yes or no",
        )
    return answer
