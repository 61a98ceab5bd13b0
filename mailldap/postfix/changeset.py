"""Changes to several files that are made all or not at all, with a way back.

Each file is replaced by a rename, so that no reader ever sees half of one. For the set as a
whole, what was there before is copied into a journal first: ``mailldap-backup/NNNN`` in the
configuration directory, mode 0700. A change that fails midway is taken back at once; one that
was cut off (power, kill -9) is taken back before the next change, and a finished one by
:func:`roll_back`. What is planned over the half of a change would be another half: :func:`recover`
comes before planning.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mailldap.errors import ConfigError
from mailldap.postfix.durable import read_or_none, remove_beside, write_durably
from mailldap.postfix.journal import Journal, Saved, digest, remove_unbegun, unfinished


@dataclass(frozen=True, slots=True)
class FileChange:
    """What one file is to become.

    ``before`` is the content that the change was planned against, None for no file. ``mode`` and
    ``group`` of None keep what the file has; a new file needs a mode. ``gid`` is the numeric
    group to give the file to. Symbolic links are followed: the file itself changes.
    """

    path: Path
    content: bytes = field(repr=False)
    before: bytes | None = field(repr=False)
    mode: int | None = None
    gid: int | None = None


def commit(directory: Path, changes: Sequence[FileChange], *, backup: bool = True) -> Path | None:
    """Make all *changes* or none; return the journal's folder, None where nothing was kept.

    Without *backup* the journal lives only until all is done. Raises ConfigError when a file is
    no longer what the change was planned against, or cannot be written; every file is then as it
    was before. A change that was cut off is taken back (see recover), and what was planned over
    its half is refused.
    """
    with _alone(directory):
        if _recover(directory):
            raise ConfigError(
                "a change that was cut off has been taken back; nothing else was changed",
                file=str(directory),
                hint="run the command again",
            )
        for change in changes:
            if _read(change.path) != change.before:
                raise ConfigError(
                    "changed while the mend was being worked out; nothing was written",
                    file=str(change.path),
                    hint="run the command again",
                )
        if not changes:
            return None
        journal = Journal.begin(directory, [_saved(change) for change in changes])
        try:
            for change in changes:
                _replace(change)
        except BaseException as error:
            journal.restore()
            journal.remove()
            if isinstance(error, OSError):
                raise ConfigError(
                    f"cannot be written: {error.strerror}; nothing was changed",
                    file=str(error.filename or change.path),
                ) from error
            raise
        if not backup:
            journal.remove()
            return None
        journal.finish()
        return journal.folder


def recover(directory: Path) -> tuple[Path, ...]:
    """Take back what changes that were cut off have done; return the files, as they were before.

    For those who plan a change: over a half, they would plan the other half. Raises ConfigError.
    """
    if interrupted(directory) is None:
        return ()
    with _alone(directory):
        return _recover(directory)


def roll_back(directory: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Take the newest change back; return the files, as they were before it.

    One that was cut off is the newest. Raises ConfigError where there is none, or where a file
    was changed since (unless *force*).
    """
    with _alone(directory):
        if recovered := _recover(directory):
            return recovered
        journal = Journal.newest(directory)
        if journal is None:
            raise ConfigError(
                "no change is kept here that could be taken back", file=str(directory)
            )
        for saved in journal.files:
            content = _read(saved.path)
            if saved.same_content:
                continue
            if not force and (content is None or digest(content) != saved.after):
                raise ConfigError(
                    f"changed since mailldap wrote it; the older version is in {journal.folder}",
                    file=str(saved.path),
                )
        journal.restore()
        paths = tuple(saved.path for saved in journal.files)
        journal.remove()
        return paths


def interrupted(directory: Path) -> Path | None:
    """Return the journal of a change that was cut off and awaits being taken back, or None."""
    found = unfinished(directory)
    return found[0].folder if found else None


def _replace(change: FileChange) -> None:
    target = change.path.resolve()
    try:
        old = target.stat()
    except FileNotFoundError:
        mode = 0o644 if change.mode is None else change.mode
        write_durably(target, change.content, mode, gid=change.gid)
        return
    mode = old.st_mode & 0o7777 if change.mode is None else change.mode
    gid = old.st_gid if change.gid is None else change.gid
    write_durably(target, change.content, mode, old.st_uid, gid)


def _saved(change: FileChange) -> Saved:
    target = change.path.resolve()
    after = digest(change.content)
    if change.before is None:
        return Saved(target, None, after, 0, 0, 0)
    status = target.stat()
    return Saved(
        target, change.before, after, status.st_mode & 0o7777, status.st_uid, status.st_gid
    )


def _read(path: Path) -> bytes | None:
    try:
        return read_or_none(path)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from error


def _recover(directory: Path) -> tuple[Path, ...]:
    """Return the files of changes that were cut off, as they were before them."""
    found: dict[Path, None] = {}
    for journal in unfinished(directory):
        journal.restore()
        for saved in journal.files:
            remove_beside(saved.path)
        journal.remove()
        found |= dict.fromkeys(saved.path for saved in journal.files)
    remove_unbegun(directory)
    return tuple(found)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the directory's lock: two changes at once would take each other back."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"cannot be opened: {error.strerror}", file=str(directory)) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            raise ConfigError(f"cannot be locked: {error.strerror}", file=str(directory)) from error
        yield
    finally:
        os.close(handle)
