"""stdout and stderr: results as bytes, talk as harmless lines."""

from __future__ import annotations

import errno
import os
import select
import sys

from mailldap.errors import MailldapError
from mailldap.output.escape import visible

_STDOUT = 1
_ENOUGH = 1 << 16  # bytes


class OutputLost(MailldapError):
    """stdout takes no more: a full disk, or no stdout at all. EX_IOERR of sysexits.h."""

    exit_status = 74
    code = "output-lost"


class Output:
    """stdout, written in large pieces where nobody watches.

    A reader that goes away (head, less) is no error: what it no longer wants is dropped, and
    the command ends with the status that it has without.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        #: Whether the reader has gone away.
        self.gone = False
        #: Whether a person sees the output at once.
        self.is_terminal = os.isatty(_STDOUT)

    def write(self, text: str) -> None:
        """Write as UTF-8; bytes that are kept as surrogates are given back as they were.

        Raises OutputLost, at the latest from :meth:`flush`.
        """
        self._pending += text.encode("utf-8", "surrogateescape")
        if len(self._pending) >= _ENOUGH or self.is_terminal:
            self.flush()

    def flush(self) -> None:
        """Hand over what is pending. Raises OutputLost."""
        pending, self._pending = self._pending, bytearray()
        rest = memoryview(pending)
        while rest and not self.gone:
            try:
                rest = rest[os.write(_STDOUT, rest) :]
            except BlockingIOError:
                select.select([], [_STDOUT], [])
            except BrokenPipeError:
                self.gone = True
            except OSError as error:
                raise lost(error) from error


def lost(error: OSError) -> OutputLost:
    """Return the error for a write to stdout that failed."""
    return OutputLost(f"the result cannot be written to stdout: {error.strerror}")


def is_about_stdout(error: OSError) -> bool:
    """Return whether *error* is that of a stream, not of a file that has a name."""
    return error.filename is None and error.errno in {
        errno.EBADF,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ENOSPC,
    }


def warn(text: str) -> None:
    """Write one line to stderr, harmless for a terminal; where there is none, nowhere.

    A newline in *text* is somebody's data, such as the name of a file: it is shown, not made.
    """
    say(f"mailldap: {visible(text)}\n")


def say(text: str) -> None:
    """Write text that is harmless already to stderr."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # nobody listens, and the exit status tells what matters
