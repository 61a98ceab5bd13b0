"""``ldif:PATH``, the embedded directory: an LDIF file that answers as OpenLDAP does.

Readers take no lock: they read the file again when it has changed, and never see it half
written. Writers lock, read the file again, change it and put the new one in its place.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from mailldap.directory.file_lock import locked, replace_file
from mailldap.directory.ldif_tree import LdifTree
from mailldap.directory.memory import EmbeddedDirectory, apply_together
from mailldap.directory.tree import Tree
from mailldap.errors import ConfigError, CouldNotAsk, MailldapError
from mailldap.ldap.change import Change
from mailldap.ldap.schema import Schema

_Stamp = tuple[int, int, int, int]


class LdifDirectory(EmbeddedDirectory):
    """The directory in the LDIF file *path*; *base* is its suffix, found in the file if None.

    Nothing is read before it is needed. Every use raises ConfigError when the file is not there,
    cannot be read, or holds nothing from which to know the base; LdifError with file and line
    where it is no LDIF of entries; LdapRefusal (insufficientAccessRights) when it may not be
    written.
    """

    def __init__(
        self, path: str | Path, *, base: str | None = None, schema: Schema | None = None
    ) -> None:
        super().__init__(f"ldif:{path}", schema)
        self._path = Path(path)
        self._wanted_base = base
        self._loaded: LdifTree | None = None
        self._stamp: _Stamp | None = None
        #: Held by the thread that is inside exclusive(), which _inside tells it.
        self._guard = RLock()
        self._inside = False
        #: Whether something waits to be written.
        self._dirty = False

    def _tree(self) -> Tree:
        return self._current()

    def _current(self) -> LdifTree:
        if self._loaded is None or (not self._inside and self._stamp != self._stat()):
            self._load()
        assert self._loaded is not None
        return self._loaded

    def _stat(self) -> _Stamp:
        try:
            found = self._path.stat()
        except OSError as error:
            raise self._unreadable(error) from error
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError("no regular file", file=str(self._path))
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _load(self) -> None:
        # Between the two looks at it, somebody may replace the file; then it is read again.
        while True:
            stamp = self._stat()
            try:
                data = self._path.read_bytes()
            except OSError as error:
                raise self._unreadable(error) from error
            if stamp == self._stat():
                break
        self._loaded = LdifTree(data, str(self._path), self._schema, self._wanted_base)
        self._stamp = stamp

    def _unreadable(self, error: OSError) -> ConfigError:
        hint = None
        if isinstance(error, FileNotFoundError):
            hint = "mailldap init --example writes a small directory to start with"
        return ConfigError(error.strerror or str(error), file=str(self._path), hint=hint)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep all other writers out; see Exclusive.

        Changes made inside are seen inside at once, and reach the file together when the context
        ends, even by an exception: what apply() did not refuse is done.
        """
        with self._guard:
            if self._inside:
                yield
                return
            self._stat()
            target = self._path.resolve()
            with locked(target):
                if self._stamp is None or self._stamp != self._stat():
                    self._load()
                self._inside = True
                try:
                    yield
                finally:
                    self._inside = False
                    if self._dirty:
                        self._save(target)

    def _save(self, target: Path) -> None:
        self._dirty = False
        tree = self._loaded
        assert tree is not None
        # Whatever goes wrong from here on, what is in memory is not what is in the file.
        self._loaded, before, self._stamp = None, self._stamp, None
        if before != self._stat():
            raise CouldNotAsk(
                f"{self._path}: somebody changed the file without taking its lock",
                hint="try again",
            )
        replace_file(target, tree.render())
        self._loaded, self._stamp = tree, self._stat()

    def apply(self, change: Change) -> None:
        """Make the change and write the file; see Writer.apply."""
        self.apply_together((change,))

    def apply_together(self, changes: Sequence[Change]) -> None:
        """Make all the changes or none; errors as apply."""
        with self.exclusive():
            try:
                apply_together(self._current(), changes)
            except MailldapError:
                raise
            except BaseException:
                # Stopped half-way: the file keeps what it has.
                self._loaded, self._stamp, self._dirty = None, None, False
                raise
            self._dirty = True
