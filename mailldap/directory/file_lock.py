"""One writer at a time to a file that is replaced as a whole."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from mailldap.errors import CouldNotAsk, LdapRefusal

#: Seconds after which somebody who holds the lock is taken to be stuck.
PATIENCE = 60.0
_PAUSE = 0.005


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every other writer of *path* out.

    The lock is on PATH.lock, which stays when *path* is replaced, and stays there afterwards.
    Raises LdapRefusal (insufficientAccessRights) when it cannot be written, LdapRefusal (other)
    where the file system knows no locks, CouldNotAsk when another process keeps it for a minute.
    """
    lock = path.with_name(path.name + ".lock")
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    except OSError as error:
        raise LdapRefusal(50, f"{lock}: {error.strerror}") from error
    try:
        _wait(handle, lock)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, lock: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise CouldNotAsk(f"{lock}: another process keeps the lock") from None
            time.sleep(_PAUSE)
        except OSError as error:
            raise LdapRefusal(80, f"{lock}: no lock to be had: {error.strerror}") from error
        else:
            return


def replace_file(path: Path, data: bytes) -> None:
    """Put *data* in the place of the file *path*: wholly or not at all, even when power fails.

    Mode and, where allowed, owner stay. Raises LdapRefusal (insufficientAccessRights for lack of
    permission, other for any other reason) with the file and the system's words.
    """
    temporary = ""
    try:
        before = path.stat()
        handle, temporary = mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with open(handle, "wb") as stream:  # noqa: PTH123  a descriptor
            stream.write(data)
            stream.flush()
            with suppress(PermissionError):
                os.fchown(stream.fileno(), before.st_uid, before.st_gid)
            os.fchmod(stream.fileno(), stat.S_IMODE(before.st_mode))
            os.fsync(stream.fileno())
        os.replace(temporary, path)  # noqa: PTH105
    except OSError as error:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
        code = 50 if isinstance(error, PermissionError) else 80
        raise LdapRefusal(code, f"{error.filename or path}: {error.strerror}") from error
    _sync_directory(path.parent)


def _sync_directory(folder: Path) -> None:
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
