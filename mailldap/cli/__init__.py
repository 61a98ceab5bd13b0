"""The command line: arguments, one library call, print, exit status."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

_INTERRUPTED = 130  # as a shell reports a program that SIGINT ended
_LOST = 74  # EX_IOERR: see OutputLost
_OBJECTS = 50_000  # new ones between two searches for garbage


def main() -> NoReturn:
    """Run the command line and end the process with a status of the documentation's table."""
    # Most of a short command is importing, which makes no garbage to look for.
    gc.set_threshold(_OBJECTS, 20, 50)
    # Arguments are bytes to Postfix; Python hands them over with surrogateescape, and stdout
    # gives them back the same way.
    try:
        from mailldap.cli.app import execute

        status = execute(sys.argv[1:], os.environ)
    except KeyboardInterrupt:
        status = _INTERRUPTED
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            status = status or _LOST
    # Nothing is left to be put away, and taking a process apart costs as much as it did to start.
    os._exit(status)
