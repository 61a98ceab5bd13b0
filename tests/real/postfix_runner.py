"""Runs inside the lab: asks real Postfix daemons questions, many configurations in one go.

Standard library only. Reads a JSON job (a list of configurations with questions) from the file
named on the command line and prints the answers as JSON. No Postfix instance is started: a small
master(8) of its own gives each daemon the listening socket and the pipes that it expects, in a
queue directory on a memory file system. Text travels as latin-1, so that any bytes survive.

A configuration: {"main": text, "files": {name: text}, "postmap": ["hash:name"],
"postalias": ["hash:name"], "ask": [question…]}.
``@DIR@`` in texts is the configuration's directory.
Questions and their answers:

    {"do": "resolve", "to": [argument of RCPT TO…], "from": argument of MAIL FROM}
        -> {"rcpt": [reply…], "data": reply | null, "recipients": [{"raw": …, "route": [flags,
           transport, nexthop, recipient]}]}
    {"do": "route", "address": internal form, "sender": internal form}
        -> [flags, transport, nexthop, recipient]
    {"do": "rewrite", "rule": "local" | "remote", "address": external form} -> external form
    {"do": "sender", "login": … | null, "client": ip, "from": …, "to": …, "helo": …,
     "name": … (the client's host name; [UNAVAILABLE] is none),
     "password": … (then AUTH is used, else XCLIENT LOGIN), "smtputf8": whether it is asked for}
        -> the first reply that is no success, lines joined with newlines, or null

The client's address is told by the haproxy protocol, so that smtpd has it from the beginning;
with smtpd_sasl_type = dovecot any login with any password is right.
"""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

DAEMONS = Path("/usr/lib/postfix/sbin")


def encode(text):
    return text.encode("latin-1")


def decode(data):
    return data.decode("latin-1")


class Syslog:
    """What the daemons log, by way of /dev/log.

    A thread takes it from there at once: a full socket would stop the daemons.
    """

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        log = Path("/dev/log")
        log.unlink(missing_ok=True)
        self.socket.bind(str(log))
        log.chmod(0o666)
        self.found = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            line = decode(self.socket.recv(65536))
            self.found.append(line.partition("]: ")[2] or line)

    def lines(self):
        found, self.found = self.found, []
        return found


class Daemon:
    """One daemon, started as master(8) starts it."""

    def __init__(self, config, program, name, transport, listener, options=()):
        status_read, status_write = os.pipe()
        flow_read, flow_write = os.pipe()
        os.set_blocking(flow_read, False)
        os.set_blocking(flow_write, False)
        arguments = [program, "-n", name, "-t", transport, "-z" if program == "cleanup" else "-u"]
        for option in options:
            arguments += ["-o", option]
        self.pid = os.fork()
        if self.pid == 0:
            os.chdir(config.queue)
            wanted = [flow_read, flow_write, status_write, listener.fileno()]
            # First out of the way of the numbers that they shall have.
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(wanted)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
            os.closerange(7, 200)
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            environment = {"MAIL_CONFIG": config.directory, "GENERATION": "1", "PATH": "/usr/sbin"}
            environment |= {"LDAPNOINIT": "1", "MAIL_LOGTAG": "postfix", "TZ": "UTC"}
            os.execve(DAEMONS / program, arguments, environment)
        os.close(status_write)
        os.close(flow_read)
        os.close(flow_write)
        # Nobody else listens: what waits for a daemon that died hears of it.
        listener.close()
        self.status = status_read

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        os.close(self.status)


class Config:
    """A private Postfix with one main.cf."""

    def __init__(self, job, port):
        self.job = job
        self.root = Path(tempfile.mkdtemp(prefix="postfix-", dir="/dev/shm"))
        self.root.chmod(0o755)
        self.directory = str(self.root / "etc")
        self.queue = str(self.root / "queue")
        Path(self.directory).mkdir()
        self._write_files()
        for name in ("private", "public", "incoming", "active", "hold", "maildrop", "pid"):
            Path(self.queue, name).mkdir(parents=True)
        self.daemons = []
        self.smtp = None
        self.rewrite = None
        self.port = port

    def _write_files(self):
        past = time.time() - 60
        files = {"main.cf": self.job["main"], "master.cf": "", **self.job.get("files", {})}
        for name, text in files.items():
            path = Path(self.directory, name)
            path.write_bytes(encode(text.replace("@DIR@", self.directory)))
            os.utime(path, (past, past))
        with Path(self.directory, "main.cf").open("ab") as stream:
            stream.write(encode(OVERRIDES.format(queue=self.queue, data=self.root / "data")))
        os.utime(Path(self.directory, "main.cf"), (past, past))
        (self.root / "data").mkdir()
        for program in ("postmap", "postalias"):
            for spec in self.job.get(program, ()):
                kind, name = spec.split(":", 1)
                table = f"{kind}:{self.directory}/{name}"
                command = [f"/usr/sbin/{program}", "-c", self.directory, table]
                subprocess.run(command, check=True, capture_output=True)

    def _listen_unix(self, name):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(Path(self.queue, name)))
        listener.listen(20)
        listener.setblocking(False)
        Path(self.queue, name).chmod(0o666)
        return listener

    def start_rewrite(self):
        if self.rewrite is None:
            listener = self._listen_unix("private/rewrite")
            self.daemons.append(Daemon(self, "trivial-rewrite", "rewrite", "unix", listener))
            self.rewrite = Rewrite(Path(self.queue, "private/rewrite"))
        return self.rewrite

    def start_smtp(self):
        if self.smtp is None:
            self.start_rewrite()
            if "smtpd_sasl_type = dovecot" in self.job["main"]:
                Login(self._listen_unix("private/auth"))
            cleanup = self._listen_unix("public/cleanup")
            self.daemons.append(
                Daemon(self, "cleanup", "cleanup", "unix", cleanup, ["in_flow_delay=0s"])
            )
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen(5)
            self.address = listener.getsockname()
            listener.setblocking(False)
            self.daemons.append(
                Daemon(self, "smtpd", "smtp", "inet", listener, self.job.get("smtpd", []))
            )
            self.smtp = Smtp(self.address)
        return self.smtp

    def answer(self, question):
        what = question["do"]
        if what == "route":
            return self.start_rewrite().resolve(question["sender"], question["address"])
        if what == "rewrite":
            return self.start_rewrite().rewrite(question["rule"], question["address"])
        if what == "resolve":
            return self._resolve(question)
        if what == "sender":
            return self._sender(question)
        raise ValueError(what)

    def _resolve(self, question):
        smtp = self.start_smtp()
        smtp.hello()
        smtp.command(f"MAIL FROM:<{question.get('from', '')}>", "2")
        replies = [smtp.command(f"RCPT TO:<{argument}>") for argument in question["to"]]
        answer = {"rcpt": replies, "data": None, "recipients": []}
        if any(reply.startswith("2") for reply in replies):
            answer["data"] = data = smtp.data()
            if data.startswith("2"):
                for raw in self._queued(data.rpartition(" ")[2]):
                    route = self.start_rewrite().resolve(question.get("from", ""), raw)
                    answer["recipients"].append({"raw": raw, "route": route})
        smtp.command("RSET")
        return answer

    def _queued(self, queue_id):
        """The recipients in a queue file, by postcat(1)."""
        path = Path(self.queue, "incoming", queue_id)
        shown = subprocess.run(
            ["/usr/sbin/postcat", "-e", str(path)],
            env={"MAIL_CONFIG": self.directory}, check=True, capture_output=True,
        ).stdout  # fmt: skip
        path.unlink()
        lines = decode(shown).split("\n")
        return [line.partition(": ")[2] for line in lines if line.startswith("recipient: ")]

    def _sender(self, question):
        self.start_smtp().close()
        self.smtp = Smtp(self.address, question["client"])
        failed = None
        for step in (None, *self._steps(question)):
            reply = self.smtp.reply() if step is None else self.smtp.command(step)
            if not reply.startswith("2"):
                failed = reply
                break
        if failed is None:
            reply = self.smtp.command("DATA")
            if reply.startswith("3"):
                reply = self.smtp.command("\r\n.")
            failed = None if reply.startswith("2") else reply
        self.smtp.close()
        self.smtp = Smtp(self.address)
        return failed

    def _steps(self, question):
        told = []
        if "name" in question:
            told.append(f"NAME={xtext(question['name'])}")
        login = question.get("login")
        if login is not None and "password" not in question:
            told.append(f"LOGIN={xtext(login)}")
        steps = [f"XCLIENT {' '.join(told)}"] if told else []
        steps.append(f"EHLO {question.get('helo', 'client.example')}")
        if login is not None and "password" in question:
            token = base64.b64encode(encode(f"\0{login}\0{question['password']}")).decode()
            steps.append(f"AUTH PLAIN {token}")
        mail = f"MAIL FROM:<{question['from']}>{' SMTPUTF8' if question.get('smtputf8') else ''}"
        return [*steps, mail, f"RCPT TO:<{question['to']}>"]

    def stop(self):
        if self.smtp:
            self.smtp.close()
        if self.rewrite:
            self.rewrite.close()
        for daemon in reversed(self.daemons):
            daemon.stop()
        shutil.rmtree(self.root)


#: What the private instance needs besides the main.cf under test; nothing that answers depend on.
OVERRIDES = """
queue_directory = {queue}
data_directory = {data}
maillog_file =
syslog_facility = mail
in_flow_delay = 0
notify_classes =
anvil_rate_time_unit = 1h
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 100000
smtpd_hard_error_limit = 100000
smtpd_junk_command_limit = 100000
smtpd_authorized_xclient_hosts = 0.0.0.0/0 [::]/0
smtpd_upstream_proxy_protocol = haproxy
smtpd_peername_lookup = no
max_use = 100000
max_idle = 3600s
ipc_idle = 3600s
ipc_ttl = 3600s
queue_minfree = 0
message_size_limit = 100000
mailbox_size_limit = 0
"""


def xtext(text):
    safe = set(range(33, 127)) - {ord("+"), ord("=")}
    return "".join(chr(b) if b in safe else f"+{b:02X}" for b in encode(text))


class Rewrite:
    """A client of trivial-rewrite(8)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rb")
        self._read(1)

    def _read(self, _count):
        fields = []
        while True:
            data = b""
            while (byte := self.stream.read(1)) != b"\0":
                if not byte:
                    raise EOFError("trivial-rewrite died")
                data += byte
            if not data:
                return fields
            name, value = data, b""
            while (byte := self.stream.read(1)) != b"\0":
                if not byte:
                    raise EOFError("trivial-rewrite died")
                value += byte
            fields.append((decode(name), decode(value)))

    def _ask(self, *fields):
        data = b"".join(encode(n) + b"\0" + encode(v) + b"\0" for n, v in fields) + b"\0"
        self.socket.sendall(data)
        return [value for _, value in self._read(0)]

    def resolve(self, sender, address):
        reply = self._ask(("request", "resolve"), ("sender", sender), ("address", address))
        return [int(reply[4]), *reply[1:4]]

    def rewrite(self, rule, address):
        return self._ask(("request", "rewrite"), ("rule", rule), ("address", address))[1]

    def close(self):
        self.stream.close()
        self.socket.close()


class Login(threading.Thread):
    """Dovecot's authentication server, to whom everybody is welcome."""

    def __init__(self, listener):
        super().__init__(daemon=True)
        self.listener = listener
        self.start()

    def run(self):
        self.listener.setblocking(True)
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    @staticmethod
    def _serve(connection):
        greeting = b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nDONE\n"
        with connection, connection.makefile("rb") as stream:
            connection.sendall(greeting)
            for line in stream:
                words = line.rstrip(b"\n").split(b"\t")
                if words[0] == b"AUTH":
                    (token,) = [w[5:] for w in words if w.startswith(b"resp=")]
                    name = base64.b64decode(token).split(b"\0")[1]
                    connection.sendall(b"OK\t" + words[1] + b"\tuser=" + name + b"\n")


class Smtp:
    def __init__(self, address, client="127.0.0.1"):
        self.socket = socket.create_connection(address, timeout=60)
        self.stream = self.socket.makefile("rb")
        client = client.removeprefix("IPV6:")
        ours = "TCP6 ::1" if ":" in client else "TCP4 127.0.0.1"
        family, own = ours.split()
        self.socket.sendall(f"PROXY {family} {client} {own} 40000 25\r\n".encode())
        self.greeted = False

    def reply(self):
        lines = []
        while True:
            line = self.stream.readline()
            if not line:
                raise EOFError("smtpd died")
            lines.append(decode(line).rstrip("\r\n"))
            if line[3:4] != b"-":
                return "\n".join(lines) if lines[-1][:1] in "45" else lines[-1]

    def command(self, line, wanted=""):
        self.socket.sendall(encode(line) + b"\r\n")
        reply = self.reply()
        if not reply.startswith(wanted):
            raise RuntimeError(f"{line!r}: {reply!r}")
        return reply

    def hello(self):
        if not self.greeted:
            self.reply()
            self.command("EHLO client.example", "2")
            self.greeted = True

    def data(self):
        self.command("DATA", "3")
        return self.command("Subject: x\r\n\r\nx\r\n.")

    def close(self):
        self.stream.close()
        self.socket.close()


def run(job, syslog):
    config = Config(job, 0)
    try:
        answers = []
        for question in job["ask"]:
            try:
                answers.append(config.answer(question))
            except (EOFError, OSError, RuntimeError) as error:
                time.sleep(0.05)
                text = f"{question}: {error!r}"
                return {"error": text, "log": syslog.lines(), "answers": answers}
        return {"answers": answers, "log": syslog.lines()}
    finally:
        config.stop()


def main():
    jobs = json.loads(Path(sys.argv[1]).read_text())
    syslog = Syslog()
    print(json.dumps([run(job, syslog) for job in jobs]))


main()
