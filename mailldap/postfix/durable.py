"""Writing one file so that no reader, and no power cut, ever sees half of it."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path


def read_or_none(path: Path) -> bytes | None:
    """Return the content of a file, or None where there is none. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def write_durably(
    path: Path, content: bytes, mode: int, uid: int | None = None, gid: int | None = None
) -> None:
    """Write beside, make it durable, rename. *path* must not be a symbolic link.

    The file never has a wider mode than *mode*, whatever the umask; *uid* and *gid* of None are
    the writer's. Raises OSError, after which nothing has changed.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_new(beside, content, mode, uid, gid)
    try:
        beside.rename(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_beside(path: Path) -> None:
    """Remove what a write of *path* that was killed has left beside it. Raises OSError.

    Nobody may be writing the file now.
    """
    left = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}")
    for other in path.parent.iterdir():
        if left.fullmatch(other.name):
            other.unlink(missing_ok=True)


def write_new(
    path: Path, content: bytes, mode: int, uid: int | None = None, gid: int | None = None
) -> None:
    """Create a file that was not there. Raises OSError, after which it is not there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    handle = os.open(path, flags, 0o600 & mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            made = os.fstat(stream.fileno())
            owner = (made.st_uid if uid is None else uid, made.st_gid if gid is None else gid)
            if owner != (made.st_uid, made.st_gid):
                os.fchown(stream.fileno(), *owner)
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make what was renamed in *folder* durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
