"""The command line: arguments, one library call, print, exit status."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with a status of the table in the documentation."""
    # Arguments are bytes to Postfix; Python hands them over with surrogateescape, and stdout
    # gives them back the same way.
    from mailldap.cli.app import execute

    try:
        status = execute(sys.argv[1:], os.environ)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away (head, less): nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
