"""Runs in the lab: private Postfixes, one a configuration directory, and what their daemons answer.

stdin: [{"dir", "queue", "port", "before": [command…], "asks": [ask…]}, …]; stdout: for each its
answers. An ask is ["resolve", address, sender] (trivial-rewrite: transport, nexthop, recipient,
flags), ["mail", recipient] (smtpd's refusal, or the recipients in the queue file and what
trivial-rewrite says of each) or ["sender", login, address, options] (smtpd's refusal, or null).
"""

import base64
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

SERVICES = """\
rewrite unix - - n - 1 trivial-rewrite
cleanup unix n - n - 0 cleanup
anvil unix - - n - 1 anvil
proxymap unix - - n - 1 proxymap
127.0.0.1:{port} inet n - n - 1 smtpd
"""
OURS = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private")
SHARED = (("maildrop", 0o1730), ("public", 0o2710), ("pid", 0o755))


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def lay_out(job: dict) -> None:
    owner = pwd.getpwnam("postfix")
    for name, mode in (*((name, 0o700) for name in OURS), *SHARED):
        folder = f"{job['queue']}/{name}"
        os.makedirs(folder)
        if name != "pid":
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            shutil.chown(folder, group="postdrop")
        os.chmod(folder, mode)
    os.makedirs(f"{job['queue']}/data")
    os.chown(f"{job['queue']}/data", owner.pw_uid, owner.pw_gid)
    with open(f"{job['dir']}/master.cf", "w") as file:
        file.write(SERVICES.format(port=job["port"]))
    for command in job["before"]:
        subprocess.run(["sh", "-c", command], check=True, capture_output=True)
    past = time.time() - 100  # Postfix waits until what it reads is older than a second
    for folder, _, names in os.walk(job["dir"]):
        for name in names:
            os.utime(os.path.join(folder, name), (past, past))


class Refused(Exception):
    """smtpd did not say 2xx or 3xx."""


class Smtp:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self) -> str:
        while True:
            line = decode(self.file.readline()).rstrip("\r\n")
            if not line:
                raise EOFError("smtpd hung up")
            if line[3:4] != "-":
                break
        if line[0] not in "23":
            raise Refused(line)
        return line

    def command(self, text: str) -> str:
        self.socket.sendall(encode(text) + b"\r\n")
        return self.reply()

    def mail(self, recipient: str) -> str:
        """Sends a message; gives its queue id."""
        self.command("EHLO client.example")
        self.command("MAIL FROM:<sender@client.example>")
        self.command(f"RCPT TO:<{recipient}>")
        self.command("DATA")
        return self.command("Subject: x\r\n\r\nx\r\n.").rpartition("queued as ")[2]

    def send_as(self, login: str, address: str, options: dict) -> None:
        self.command("EHLO client.example")
        if options.get("sasl"):
            words = base64.b64encode(encode(f"\0{login}\0secret")).decode()
            self.command(f"AUTH PLAIN {words}")
        else:
            told = [f"LOGIN={xtext(login)}"] if login else []
            told += [f"ADDR={options['client']}"] if "client" in options else []
            if told:
                self.command("XCLIENT " + " ".join(told))
                self.command("EHLO client.example")
        self.command(f"MAIL FROM:<{address}>")
        self.command("RCPT TO:<rcpt@example.net>")

    def close(self) -> None:
        self.socket.close()


def xtext(text: str) -> str:
    return "".join(
        c if 33 <= ord(c) <= 126 and c not in "+=" else "".join(f"+{b:02X}" for b in encode(c))
        for c in text
    )


def resolve(queue: str, address: str, sender: str) -> list:
    """What trivial-rewrite(8) says: name and value pairs, each ended by NUL, all by another."""

    def answer() -> list[str]:
        values = []
        while True:
            name, value = text(), ""
            if not name:
                return values
            value = text()
            values.append(value)

    def text() -> str:
        data = b""
        while (byte := file.read(1)) != b"\0":
            if not byte:
                raise EOFError("trivial-rewrite hung up")
            data += byte
        return decode(data)

    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(f"{queue}/private/rewrite")
        file = connection.makefile("rb")
        answer()  # it names its protocol
        pairs = ("request", "resolve", "sender", sender, "address", address, "")
        connection.sendall(b"".join(encode(word) + b"\0" for word in pairs))
        _, transport, nexthop, recipient, flags = answer()
    return [transport, nexthop, recipient, int(flags)]


def queued(job: dict, name: str) -> list[str]:
    file = f"{job['queue']}/incoming/{name}"
    done = subprocess.run(
        ["postcat", "-c", job["dir"], "-e", file], capture_output=True, check=True
    )
    os.unlink(file)
    mark = b"recipient: "
    return [decode(x[len(mark) :]) for x in done.stdout.split(b"\n") if x.startswith(mark)]


def ask(job: dict, kind: str, *words) -> object:
    if kind == "resolve":
        return resolve(job["queue"], *words)
    smtp = Smtp(job["port"])
    try:
        if kind == "sender":
            smtp.send_as(*words)
            return None
        recipients = queued(job, smtp.mail(*words))
        return [[name, resolve(job["queue"], name, "")] for name in recipients]
    except Refused as refused:
        return str(refused)
    finally:
        smtp.close()


def run(job: dict) -> list:
    lay_out(job)
    master = subprocess.Popen(
        ["/usr/lib/postfix/sbin/master", "-c", job["dir"], "-d"],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                # Only connect: smtpd may not start with this configuration, and nobody may ask it.
                socket.create_connection(("127.0.0.1", job["port"])).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.03)
        return [ask(job, *one) for one in job["asks"]]
    finally:
        # smtpd and the others are in master's process group.
        os.killpg(master.pid, signal.SIGTERM)
        master.wait(20)
        shutil.rmtree(job["queue"], ignore_errors=True)


with ThreadPoolExecutor(4) as pool:
    json.dump(list(pool.map(run, json.load(sys.stdin))), sys.stdout)
