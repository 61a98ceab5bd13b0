"""A whole Postfix of its own in the lab: master, queue, log, one smtpd on 127.0.0.1."""

import re
import smtplib
import socket
from collections.abc import Sequence
from pathlib import Path

from tests.containers import free_port, settle, wait_until
from tests.servers import Lab

#: Services that every Postfix needs; none is chrooted, for the queue is nobody's home.
MASTER = """\
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
local     unix  -       n       n       -       -       local
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class Instance:
    """A configuration directory of the lab, completed so that Postfix runs from it."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.directory = directory
        self.port = free_port()
        self._state = lab.folder("postfix")
        main = directory / "main.cf"
        main.write_text(
            main.read_text() + f"queue_directory = {self._state}/queue\n"
            f"data_directory = {self._state}/data\n"
            f"maillog_file = {self._state}/log\n"
            f"maillog_file_prefixes = {self._state}\n"
            "compatibility_level = 3.6\n"
            "inet_protocols = ipv4\n"
            "smtpd_authorized_xclient_hosts = 127.0.0.0/8\n"
        )
        master = directory / "master.cf"
        own = master.read_text() if master.exists() else ""
        kept = [line for line in own.splitlines(True) if not line.startswith("smtp      inet")]
        have = set(re.findall(r"(?m)^(\S+)\s+unix", own))
        added = [line for line in MASTER.splitlines(True) if line.split()[0] not in have]
        listener = f"127.0.0.1:{self.port} inet n - n - - smtpd\n"
        master.write_text("".join([*kept, *added, listener]))

    def start(self) -> None:
        """Starts master; what was logged before is forgotten."""
        for path in self.directory.iterdir():
            settle(path)
        script = (
            'cd "$1" && mkdir -p queue data && chown postfix data && : >log'
            ' && postfix -c "$2" start && postfix -c "$2" status'
        )
        done = self.lab.exec(["sh", "-c", script, "sh", str(self._state), str(self.directory)])
        assert done.returncode == 0, done.stderr.decode() + self.log()

    def stop(self) -> None:
        self.lab.exec(["postfix", "-c", str(self.directory), "stop"])

    def run(self, *args: str) -> str:
        """One of Postfix's commands on this configuration."""
        done = self.lab.exec([args[0], "-c", str(self.directory), *args[1:]])
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def log(self) -> str:
        return self.lab.exec(["cat", str(self._state / "log")]).stdout.decode()

    def logged(self, pattern: str, seconds: float = 20) -> str:
        """Waits for a line of the log and gives it."""
        found: list[str] = []

        def ready() -> bool:
            found[:] = [line for line in self.log().splitlines() if re.search(pattern, line)]
            return bool(found)

        try:
            wait_until(ready, pattern, seconds, pause=0.1)
        except TimeoutError:
            raise AssertionError(f"{pattern!r} not in\n{self.log()}") from None
        return found[0]

    def greets(self, seconds: float = 3) -> bool:
        """Whether smtpd lives: a client gets the 220 banner."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            try:
                return connection.recv(4) == b"220 "
            except OSError:
                return False

    def smtp(self, sender: str, recipient: str, xclient: str = "", data: bool = False) -> str:
        """The last reply to MAIL, RCPT and, where asked, DATA, from the client that XCLIENT says."""
        with smtplib.SMTP("127.0.0.1", self.port, "client.example", timeout=30) as session:
            session.ehlo()
            if xclient:
                session.docmd("XCLIENT", xclient)
                session.ehlo()
            code, text = session.docmd("MAIL", f"FROM:<{sender}>")
            if code == 250:
                code, text = session.docmd("RCPT", f"TO:<{recipient}>")
            if data and code == 250:
                code, text = session.data(b"Subject: test\r\n\r\ntext\r\n")
            return f"{code} {text.decode()}"


def copied(lab: Lab, source: Path, replaced: Sequence[tuple[str, str]] = ()) -> Path:
    """A copy of a configuration directory in the lab, with texts replaced in every file.

    ``/etc/postfix`` becomes the copy's own path.
    """
    folder = lab.folder("etc")
    for path in source.iterdir():
        text = path.read_text()
        for old, new in [("/etc/postfix", str(folder)), *replaced]:
            text = text.replace(old, new)
        (folder / path.name).write_text(text)
    return folder
