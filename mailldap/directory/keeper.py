"""A small process that keeps a connection open for a while after we are gone.

OpenLDAP (2.5, 2.6, and its master branch) frees the updates of a transaction when their
connection closes, even those that a thread of it is at work on (connection_abandon in
connection.c): slapd dies, and it did for one in four imports that were killed. So while
transactions are made the socket is shared with a process that does nothing but hold it, until
slapd has surely finished with what it had received.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

#: How long a connection outlives us: longer than a transaction takes on a slow disk.
SECONDS = 30
_SHELL = "/bin/sh"
#: Its stdin is a pipe from us, which ends when we do, however that comes.
_SCRIPT = f"trap '' HUP INT TERM; read -r _; exec sleep {SECONDS}"


class Keeper:
    """Holds a socket from now on; where no process can be started, nothing does."""

    def __init__(self, fileno: int) -> None:
        self._pid: int | None = None
        ours, self._end = os.pipe()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        actions = [
            (os.POSIX_SPAWN_DUP2, fileno, 3),
            (os.POSIX_SPAWN_DUP2, ours, 0),
            (os.POSIX_SPAWN_DUP2, nowhere, 1),
            (os.POSIX_SPAWN_DUP2, nowhere, 2),
        ]
        try:
            with suppress(OSError, NotImplementedError):
                self._pid = os.posix_spawn(
                    _SHELL,
                    [_SHELL, "-c", _SCRIPT],
                    {"PATH": os.defpath},
                    file_actions=actions,
                    setsid=True,  # what ends a terminal's processes together does not end it
                )
        finally:
            os.close(ours)
            os.close(nowhere)

    def dismiss(self, *, at_once: bool) -> None:
        """End it, *at_once* or after its time."""
        os.close(self._end)
        if self._pid is not None and at_once:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
        self._pid = None
