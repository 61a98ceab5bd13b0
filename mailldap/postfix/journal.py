"""The journal of a change to several files: what each was before, and whether all is done."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mailldap.errors import ConfigError
from mailldap.postfix.durable import read_or_none, write_durably, write_new

FOLDER = "mailldap-backup"
_LIST = "files.json"


@dataclass(frozen=True, slots=True)
class Saved:
    """A file as it was: ``before`` is None where there was none; ``after`` the new SHA-256.

    Where the two are of the same content, mode and group changed alone.
    """

    path: Path
    before: bytes | None = field(repr=False)
    after: str
    mode: int
    uid: int
    gid: int

    @property
    def same_content(self) -> bool:
        """Whether the content did not change; then it is nobody's to put back."""
        return self.before is not None and digest(self.before) == self.after


@dataclass(frozen=True, slots=True)
class Journal:
    """One folder ``mailldap-backup/NNNN``: ``files.json`` and a copy of each file.

    It is complete once ``files.json`` has its name, and the change is done once that says so;
    between the two a change was cut off.
    """

    folder: Path
    files: tuple[Saved, ...]
    done: bool

    @classmethod
    def begin(cls, directory: Path, files: Sequence[Saved]) -> Journal:
        """Write the journal of a change that is about to be made. Raises ConfigError."""
        place = directory / FOLDER
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            numbers = [int(path.name) for path in place.iterdir() if path.name.isdigit()]
            folder = place / f"{max(numbers, default=0) + 1:04d}"
            folder.mkdir(mode=0o700)
            for number, saved in enumerate(files):
                if saved.before is not None:
                    write_new(folder / _copy(number, saved.path), saved.before, 0o600)
            journal = cls(folder, tuple(files), done=False)
            journal._record(done=False)
        except OSError as error:
            raise ConfigError(
                f"no copy can be kept: {error.strerror}; nothing was changed",
                file=str(error.filename or place),
            ) from error
        return journal

    @classmethod
    def read(cls, folder: Path) -> Journal | None:
        """Return the journal in *folder*, or None where its change had not begun.

        Raises ConfigError for a journal that cannot be read.
        """
        path = folder / _LIST
        try:
            listed: dict[str, Any] = json.loads(path.read_bytes())
            files = tuple(
                _read_saved(folder, number, item) for number, item in enumerate(listed["files"])
            )
            return cls(folder, files, bool(listed["done"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"the journal cannot be read: {error}", file=str(path)) from error

    @classmethod
    def newest(cls, directory: Path) -> Journal | None:
        """Return the journal of the last finished change, or None."""
        found = [journal for journal in _all(directory) if journal.done]
        return found[-1] if found else None

    def finish(self) -> None:
        """Record that every file has been changed."""
        self._record(done=True)

    def restore(self) -> None:
        """Put every file back as it was, with mode and owner. Raises ConfigError."""
        for saved in self.files:
            try:
                _put_back(saved)
            except OSError as error:
                raise ConfigError(
                    f"cannot be put back: {error.strerror}; its old content is in {self.folder}",
                    file=str(saved.path),
                ) from error

    def remove(self) -> None:
        """Drop the journal; the list goes first, so that a rest of it means nothing."""
        (self.folder / _LIST).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self.folder.parent.rmdir()
        except OSError:
            return  # older journals are in it

    def _record(self, *, done: bool) -> None:
        listed = {
            "done": done,
            "files": [
                {
                    # Any bytes may be a file's name; hex survives JSON.
                    "path": os.fsencode(saved.path).hex(),
                    "name": str(saved.path).encode("utf-8", "replace").decode("utf-8"),
                    "existed": saved.before is not None,
                    "after": saved.after,
                    "mode": saved.mode,
                    "uid": saved.uid,
                    "gid": saved.gid,
                }
                for saved in self.files
            ],
        }
        content = json.dumps(listed, indent=1).encode("ascii")
        write_durably(self.folder / _LIST, content, 0o600)


def digest(content: bytes) -> str:
    """Return the SHA-256 by which a journal knows a content, in hex."""
    return hashlib.sha256(content).hexdigest()


def _copy(number: int, path: Path) -> str:
    """Return the name of a file's copy: files of several directories may share theirs."""
    return f"{number}-{path.name}"


def _read_saved(folder: Path, number: int, item: Mapping[str, Any]) -> Saved:
    path = Path(os.fsdecode(bytes.fromhex(item["path"])))
    before = (folder / _copy(number, path)).read_bytes() if item["existed"] else None
    return Saved(path, before, item["after"], item["mode"], item["uid"], item["gid"])


def unfinished(directory: Path) -> list[Journal]:
    """Return the journals of changes that were cut off, newest first. Raises ConfigError."""
    return [journal for journal in reversed(_all(directory)) if not journal.done]


def remove_unbegun(directory: Path) -> None:
    """Remove the copies of changes that were cut off before they had begun; for who is alone."""
    for folder in _folders(directory):
        if not (folder / _LIST).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _all(directory: Path) -> list[Journal]:
    found = (Journal.read(folder) for folder in _folders(directory))
    return [journal for journal in found if journal is not None]


def _folders(directory: Path) -> list[Path]:
    """Return the folders of all journals, the oldest first. Raises ConfigError."""
    place = directory / FOLDER
    try:
        return sorted(path for path in place.iterdir() if path.name.isdigit())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(place)) from error


def _put_back(saved: Saved) -> None:
    if saved.before is None:
        saved.path.unlink(missing_ok=True)
    elif not _is_as_it_was(saved):  # a full disk could not take it once more
        content = read_or_none(saved.path) if saved.same_content else None
        before = saved.before if content is None else content
        write_durably(saved.path, before, saved.mode, saved.uid, saved.gid)


def _is_as_it_was(saved: Saved) -> bool:
    if read_or_none(saved.path) != saved.before:
        return False
    status = saved.path.stat()
    was = (saved.mode, saved.uid, saved.gid)
    return (status.st_mode & 0o7777, status.st_uid, status.st_gid) == was
