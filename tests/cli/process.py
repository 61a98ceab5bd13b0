"""The command line as a process of its own: real streams, real terminals, real signals."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

COMMAND = (sys.executable, "-m", "mailldap")


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment without settings of the person who runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAILLDAP", "LDAP", "MAIL_"))}
    return kept | {"LDAPNOINIT": "1", "HOME": str(home)} | more


@dataclass
class Ended:
    status: int
    out: bytes
    err: bytes


def run(folder: Path, *argv: str | bytes, stdin: bytes | None = b"", **options) -> Ended:
    """Run mailldap in *folder*; *options* are those of subprocess.run."""
    env = options.pop("env", {})
    done = subprocess.run(
        [*COMMAND, *argv],
        cwd=folder,
        input=stdin,
        env=environment(folder, **env),
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        timeout=60,
        check=False,
        **options,
    )
    return Ended(done.returncode, done.stdout or b"", done.stderr or b"")


def shell(folder: Path, script: str, **env: str) -> Ended:
    """Run a bash script in *folder*, in which ``mailldap`` is this mailldap."""
    words = " ".join(f"'{word}'" for word in COMMAND)
    done = subprocess.run(
        ["bash", "-c", f'mailldap() {{ {words} "$@"; }}\n{script}'],
        cwd=folder,
        env=environment(folder, **env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def on_terminal(
    folder: Path, *argv: str, typed: bytes = b"", after: bytes = b"", **env: str
) -> Ended:
    """Run mailldap with a terminal for all three streams; what the person sees is ``out``.

    *typed* is typed once *after* has appeared.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        # Where the tests themselves run in the background, their children ignore SIGINT.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execve(COMMAND[0], [*COMMAND, *argv], environment(folder, TERM="xterm", **env))
    seen = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if ready:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            seen += piece
        if typed and after in seen:
            os.write(terminal, typed)
            typed = b""
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return Ended(os.waitstatus_to_exitcode(status), seen, b"")
