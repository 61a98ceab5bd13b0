"""A Postfix configuration as the rules see it: files read once, nothing asked of any server."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mailldap.audit.legacy import LDAP_PARAMETERS, LegacyTable
from mailldap.audit.postfix_rules.known import is_known, references_in
from mailldap.audit.services import Service, services_of
from mailldap.audit.source import SourceFile
from mailldap.errors import ConfigError
from mailldap.postfix.host import Host
from mailldap.postfix.main_cf import MainCf, Setting

#: Where Postfix is configured to look, on every distribution that we know.
USUAL_DIRECTORY = "/etc/postfix"
_TABLE = re.compile(
    r"(proxy:)?\b(?:(ldap|hash|texthash|lmdb|cdb|btree|dbm|regexp|pcre|cidr):(/[^\s,{}/][^\s,{}]*)"
    r"|ldap:([A-Za-z0-9_][^\s,:/{}]*))"
)
#: Parameters that say which tables may be used, and use none.
PERMISSIONS = {"proxy_read_maps", "proxy_write_maps"}
#: Parameters that tell an LDAP table from other files of ``name = value`` lines.
_LDAP_SIGNS = {"search_base", "query_filter", "result_attribute", "server_host"}


@dataclass(frozen=True, slots=True)
class TableUse:
    """One ``type:path`` in main.cf or master.cf."""

    kind: str
    path: str
    proxied: bool
    parameter: str
    file: SourceFile
    line: int

    @property
    def reference(self) -> str:
        """The table without ``proxy:``, as messages name it."""
        return f"{self.kind}:{self.path}"

    @property
    def legacy(self) -> bool:
        """Whether the path is no file but what an LDAP table's parameters in main.cf begin with."""
        return not self.path.startswith("/")


def _may_be(path: Path) -> bool:
    """Return whether a file is there; in a folder where one may not look it may be."""
    try:
        return path.exists()
    except PermissionError:
        return True


@dataclass
class Configuration:
    """The files of one configuration directory, and those that they name.

    ``root`` is where the machine's other files are looked for: programs, certificates.
    ``overlay``, ``modes`` and ``groups`` hold what files are planned to have.
    """

    directory: Path
    root: Path = Path("/")
    overlay: Mapping[Path, bytes] = field(default_factory=dict)
    modes: Mapping[Path, int] = field(default_factory=dict)
    groups: Mapping[Path, int] = field(default_factory=dict)
    host: Host | None = None
    #: The directory as the caller wrote it, for messages.
    shown: Path | None = None
    #: Files that could not be read, and why: they are others' passwords, mostly.
    unread: dict[Path, str] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path, root: Path = Path("/")) -> Configuration:
        """Return the configuration in *directory*.

        Raises ConfigError where there is neither a main.cf, nor a master.cf, nor any table.
        """
        found = cls(directory.absolute(), root, shown=directory)
        if not (found.main or found.master or found.ldap_tables):
            raise ConfigError(
                "there is no main.cf, no master.cf and no LDAP table here",
                file=str(directory),
                hint="name a Postfix configuration directory, such as /etc/postfix",
            )
        return found

    def with_contents(
        self,
        overlay: Mapping[Path, bytes],
        modes: Mapping[Path, int],
        groups: Mapping[Path, int],
    ) -> Configuration:
        """Return the same configuration as it would be with those contents, modes and groups."""
        return Configuration(
            self.directory, self.root, overlay, modes, groups, self.host, self.shown
        )

    def name_of(self, path: Path) -> str:
        """Return a path as messages show it."""
        if self.shown is not None and path.is_relative_to(self.directory):
            return str(self.shown / path.relative_to(self.directory))
        return str(path)

    def locate(self, name: str) -> Path:
        """Return where the file that Postfix calls *name* lies here.

        A configuration that is examined away from its place has its tables beside it.
        """
        if name.startswith(f"{USUAL_DIRECTORY}/"):
            beside = self.directory / name.removeprefix(f"{USUAL_DIRECTORY}/")
            if _may_be(beside) or beside in self.overlay:
                return beside
        if Path(name).is_relative_to(self.directory):
            return Path(name)
        return self.root / name.lstrip("/")

    def exists(self, name: str) -> bool:
        """Return whether the file that Postfix calls *name* is there, or may be."""
        return _may_be(self.locate(name))

    def executable(self, name: str) -> bool:
        """Return whether *name* is a program here, or may be."""
        path = self.locate(name)
        try:
            return path.is_file() and os.access(path, os.X_OK)
        except PermissionError:
            return True

    def judged(self, name: str) -> bool:
        """Return whether a file can be expected here: a copy does not bring the machine along."""
        at_home = self.directory == self.root / USUAL_DIRECTORY.lstrip("/")
        return at_home or Path(name).is_relative_to(self.directory)

    def read(self, path: Path) -> SourceFile | None:
        """Return a file, or None where there is none or it cannot be read (see unread).

        Raises ConfigError for main.cf and master.cf that cannot, without which nothing can be
        said.
        """
        try:
            status = path.stat()
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                # A FIFO would be waited for without end; /dev/null holds nothing to check.
                return None
            content = path.read_bytes() if path not in self.overlay else self.overlay[path]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if path.name not in {"main.cf", "master.cf"}:
                self.unread[path] = error.strerror or ""
                return None
            raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from error
        mode = self.modes.get(path, status.st_mode & 0o7777)
        gid = self.groups.get(path, status.st_gid)
        return SourceFile(path, self.name_of(path), content, mode, status.st_uid, gid)

    @cached_property
    def main(self) -> SourceFile | None:
        """main.cf, or None."""
        return self.read(self.directory / "main.cf")

    @cached_property
    def master(self) -> SourceFile | None:
        """master.cf, or None."""
        return self.read(self.directory / "master.cf")

    @cached_property
    def cf(self) -> MainCf:
        """main.cf's settings, without the lines that are none."""
        settings = self.main.settings if self.main else ()
        name = self.main.name if self.main else self.name_of(self.directory / "main.cf")
        return MainCf(settings, name=name, directory=str(self.directory), host=self.host)

    @property
    def services(self) -> tuple[Service, ...]:
        """The entries of master.cf."""
        return self._entries[0]

    @property
    def refused_services(self) -> tuple[ConfigError, ...]:
        """What master(8) says about the entries of master.cf that it refuses."""
        return self._entries[1]

    @cached_property
    def _entries(self) -> tuple[tuple[Service, ...], tuple[ConfigError, ...]]:
        return services_of(self.master) if self.master else ((), ())

    def value(self, name: str) -> str:
        """Return a parameter's expanded value; what Postfix cannot expand counts as empty."""
        try:
            return self.cf.lookup(name) or ""
        except ConfigError:
            return ""

    def words(self, name: str) -> list[str]:
        """Return the words of a list parameter."""
        return self.value(name).replace(",", " ").split()

    def truth(self, name: str) -> bool:
        """Return whether a yes/no parameter says yes, or would without the comment behind it."""
        return self.value(name).partition("#")[0].strip().lower() == "yes"

    def setting(self, name: str) -> Setting | None:
        """Return main.cf's setting of *name* that counts, or None."""
        return self.main.last.get(name) if self.main else None

    def line(self, *names: str) -> int | None:
        """Return the line of the first of *names* that main.cf sets, or None."""
        return next((s.line for name in names if (s := self.setting(name))), None)

    @property
    def main_name(self) -> str:
        """The path of main.cf for messages, whether it is there or not."""
        return self.cf.name

    def expand(self, text: str) -> str:
        """Return *text* with ``$name`` expanded, as it is where Postfix could not."""
        try:
            return self.cf.expand(text)
        except ConfigError:
            return text

    @cached_property
    def tables(self) -> tuple[TableUse, ...]:
        """Every table in a file that main.cf or master.cf names, in their order."""
        found = []
        if self.main:
            for setting in self.main.last.values():
                if setting.name in PERMISSIONS:
                    continue
                found += self._tables_in(setting.name, setting.value, self.main, setting.line)
        for service in self.services:
            for name, override in service.overrides.items():
                found += self._tables_in(name, override.value, service.file, override.line)
        return tuple(found)

    def _tables_in(self, name: str, value: str, file: SourceFile, line: int) -> list[TableUse]:
        return [
            TableUse(match[2] or "ldap", match[3] or match[4], bool(match[1]), name, file, line)
            for match in _TABLE.finditer(self.expand(value))
            if match[3] or self._has_parameters(match[4])
        ]

    def _has_parameters(self, prefix: str) -> bool:
        names = self.main.last if self.main else ()
        return any(f"{prefix}_{name}" in names for name in LDAP_PARAMETERS)

    def tables_of(self, parameter: str) -> list[TableUse]:
        """Return the tables that main.cf's *parameter* names."""
        return self._tables_in(
            parameter,
            self.value(parameter),
            self.main or SourceFile(self.directory / "main.cf", self.main_name, b""),
            self.line(parameter) or 0,
        )

    @cached_property
    def ldap_tables(self) -> tuple[SourceFile, ...]:
        """Every LDAP table: those in files, then those whose parameters are main.cf's."""
        names = [use.path for use in self.tables if use.legacy]
        return (*self.ldap_files, *map(self._legacy, dict.fromkeys(names)))

    def _legacy(self, prefix: str) -> LegacyTable:
        main = self.main
        assert main is not None
        used = references_in(self)
        return LegacyTable(
            main.path, main.name, main.content, main.mode, main.uid, main.gid,
            prefix, self.expand, lambda name: name in used or is_known(name),
        )  # fmt: skip

    def table_of(self, use: TableUse) -> SourceFile | None:
        """Return an LDAP table that is named, or None where its file is not there."""
        return self._legacy(use.path) if use.legacy else self.read(self.locate(use.path))

    @cached_property
    def ldap_files(self) -> tuple[SourceFile, ...]:
        """Every LDAP table's file: those named, then others of this directory that are one."""
        uses = [use for use in self.tables if use.kind == "ldap" and not use.legacy]
        paths = [self.locate(use.path) for use in uses]
        for path in sorted(self.directory.glob("*.cf")):
            if path.name not in {"main.cf", "master.cf", "dynamicmaps.cf"} and path not in paths:
                file = self.read(path)
                if file and _LDAP_SIGNS & {s.name for s in file.settings}:
                    paths.append(path)
        files = [self.read(path) for path in dict.fromkeys(paths)]
        return tuple(file for file in files if file)

    def uses_of(self, file: SourceFile) -> list[TableUse]:
        """Return where a table's file is named."""
        if isinstance(file, LegacyTable):
            return [use for use in self.tables if use.legacy and use.path == file.prefix]
        return [use for use in self.tables if self.locate(use.path) == file.path]
