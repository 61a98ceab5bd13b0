"""Tables without a file: inline, static, fail, unix, nis, and what stands for a missing one.

Source: postconf(5) and DATABASE_README, "Postfix lookup table types"; Postfix's dict_inline.c,
dict_static.c, dict_fail.c, dict_unix.c, dict_nis.c, dict_surrogate.c.
"""

from __future__ import annotations

from mailldap.errors import ConfigError, TableUnavailable
from mailldap.postfix.words import (
    balanced,
    fold,
    is_utf8,
    split_braced,
    split_quoted_assignment,
    unbrace,
)
from mailldap.tables.base import Answer, Failed, Found, NotFound, TableContext
from mailldap.tables.table import BaseTable
from mailldap.tables.text import TextTable


class StaticTable(BaseTable):
    """The same value for every key."""

    def __init__(self, path: str, context: TableContext) -> None:
        super().__init__("static", path, context)
        self._value = path
        if path.startswith("{"):
            self._value, error = unbrace(path, strip=True)
            if error:
                raise TableUnavailable(f"bad static:name syntax: {error}")

    def find(self, key: str) -> Answer:  # noqa: ARG002  all keys are equal here
        """Return the value."""
        return Found(self._value)


class FailTable(BaseTable):
    """A failure for every key."""

    fixed = False

    def __init__(self, path: str, context: TableContext) -> None:
        super().__init__("fail", path, context)

    def find(self, key: str) -> Answer:  # noqa: ARG002  all keys are equal here
        """Return a failure."""
        return Failed(f"{self.name}: every lookup fails")


class UnavailableTable(BaseTable):
    """What a daemon has in place of a table that cannot be opened."""

    fixed = False

    def __init__(self, spec: str, reason: str, context: TableContext) -> None:
        kind, _, path = spec.partition(":")
        super().__init__(kind, path, context)
        self._reason = reason

    def find(self, key: str) -> Answer:  # noqa: ARG002  all keys are equal here
        """Return a failure, with a warning."""
        message = f"{self.name} is unavailable. {self._reason}"
        self.context.warn(message)
        return Failed(message)


def open_inline(path: str, context: TableContext) -> TextTable:
    """Return the table of ``{key = value, {key = value with spaces}, …}``; later keys win."""
    length = balanced(path)
    if context.utf8 and not is_utf8(path):
        raise TableUnavailable(f'bad UTF-8 syntax: "inline:{path}"; {_NEED_INLINE}')
    if not length or length != len(path) or length == 2:
        raise TableUnavailable(f'bad syntax: "inline:{path}"; {_NEED_INLINE}')
    entries: dict[str, str] = {}
    for word in split_braced(path[1:-1]):
        item, error = unbrace(word, strip=True) if word.startswith("{") else (word, None)
        pair: tuple[str, str] | str = error or split_quoted_assignment(item)
        if isinstance(pair, str):
            raise TableUnavailable(f'{pair}: "inline:{path}"; {_NEED_INLINE}')
        key, value = pair
        entries[fold(key, utf8=context.utf8) if context.fold else key] = value
    if not entries:
        raise TableUnavailable(f'empty table: "inline:{path}"; {_NEED_INLINE}')
    return TextTable("inline", path, context, entries)


_NEED_INLINE = 'need "inline:{name=value...}"'


class UnixTable(BaseTable):
    """Users and groups of the machine that we run on."""

    folds = True

    def __init__(self, path: str, context: TableContext) -> None:
        super().__init__("unix", path, context)
        if path not in {"passwd.byname", "group.byname"}:
            raise TableUnavailable(f"unknown table: unix:{path}")

    def find(self, key: str) -> Answer:
        """Return the line of passwd(5) or group(5)."""
        line = _passwd(key) if self.path == "passwd.byname" else _group(key)
        return NotFound() if line is None else Found(line)


def _passwd(name: str) -> str | None:
    import pwd  # not on every system

    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return None
    return ":".join(str(field) for field in user)


def _group(name: str) -> str | None:
    import grp  # not on every system

    try:
        group = grp.getgrnam(name)
    except KeyError:
        return None
    members = ",".join(group.gr_mem)
    return f"{group.gr_name}:{group.gr_passwd}:{group.gr_gid}:{members}"


def open_nis(path: str, context: TableContext) -> TextTable:
    """Return the table of a machine without NIS, as nearly all are: Postfix finds nothing in it.

    Raises ConfigError where the machine has a NIS domain, which would have to be asked.
    """
    try:
        domain = context.read_file("/proc/sys/kernel/domainname").strip()
    except OSError:
        domain = b""
    if domain not in {b"", b"(none)"}:
        raise ConfigError(
            f"nis:{path} cannot be asked from here: it answers from a NIS server",
            hint="ask the Postfix that uses it, with postmap -q",
        )
    if "nis" not in context.shared:
        context.shared["nis"] = True
        context.warn("dict_nis_init: NIS domain name not set - NIS lookups disabled")
    return TextTable("nis", path, context, {})
