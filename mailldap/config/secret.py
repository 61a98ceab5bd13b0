"""Secrets from files, refused where others can read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mailldap.errors import ConfigError, SecretExposed

#: Bytes of the longest secret; /dev/zero has no end.
_LONGEST = 1 << 16


def read_secret(path: Path) -> str:
    """Return the secret in *path*, without one trailing newline.

    Raises SecretExposed when group or others can read the file, ConfigError when it cannot be
    read, is not UTF-8, or is larger than 64 kB. The check is made on the opened file, so that it
    cannot be exchanged in between.
    """
    try:
        with path.open("rb") as stream:
            must_be_private(os.fstat(stream.fileno()).st_mode, path)
            data = stream.read(_LONGEST + 1)
        text = data.decode()
    except OSError as error:
        raise ConfigError(f"cannot read the secret: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError("the secret is not UTF-8", file=str(path)) from error
    if len(data) > _LONGEST:
        raise ConfigError(f"more than {_LONGEST >> 10} kB: no secret", file=str(path))
    return text.removesuffix("\n").removesuffix("\r")


def must_be_private(mode: int, path: Path, *, line: int | None = None) -> None:
    """Raise SecretExposed when *mode* (st_mode) lets group or others read the regular file *path*.

    *line* is where the secret stands in it.
    """
    if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
        raise SecretExposed(
            f"others can read this secret (mode {stat.S_IMODE(mode):04o})",
            file=str(path),
            line=line,
            hint=f"chmod 600 {path}",
        )
