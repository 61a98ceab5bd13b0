"""Real servers and programs for the tests: in containers, or on this machine where none can be had.

`docker/engine` finds the container engine and builds the images. Everything made here carries the
label org.mailldap.run with the test process that made it, is removed when that process ends, and
is removed by the next run if it could not do so itself.

Containers of a directory or of the lab share the host's network and listen on 127.0.0.1 only, so
that one URI means the same server inside and outside.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
LABEL = "org.mailldap.run"
#: Engines and their helpers see the environment that the tests were started in.
ENVIRONMENT = dict(os.environ)
IN_CI = ENVIRONMENT.get("CI", "").lower() in {"1", "true", "yes"}


class NoEngineError(Exception):
    """No container engine answers here and none could be set up."""


def load(name: str) -> bytes:
    """The content of ldif/NAME.ldif: base, example, broken."""
    return (ROOT / "ldif" / f"{name}.ldif").read_bytes()


#: Ports that free_port() has dealt, and what keeps those of dead_port() from everybody else.
_DEALT: set[int] = set()
_HELD: list[socket.socket] = []


def dead_port() -> int:
    """A TCP port of 127.0.0.1 that refuses connections for as long as this process lives.

    It is bound and never listened on; a port that is only free now is somebody else's a moment
    later.
    """
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    _HELD.append(held)
    return held.getsockname()[1]


def free_port() -> int:
    """A TCP port of 127.0.0.1 to listen on, outside the range the kernel deals from."""
    while True:
        port = random.randint(20000, 32000)
        if port in _DEALT:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _DEALT.add(port)
        return port


def wait_until(
    ready: Callable[[], object], what: str, seconds: float = 60, pause: float = 0.03
) -> None:
    """Asks `ready` until it says yes; an exception of its own ends the wait at once."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def ldap_answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether an LDAP server answers an anonymous bind there."""
    bind = bytes.fromhex("300c020101600702010304008000")
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(bind)
            return connection.recv(16)[:1] == b"\x30"
    except OSError:
        return False


def _process_start(pid: int) -> str:
    """What tells a process from a later one of the same number; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _machine() -> str:
    """What must be equal for process numbers to mean the same: the boot and the PID namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return socket.gethostname()


def settle(path: Path) -> None:
    """Dates a file, or all files of a folder, back by a minute; see Lab.write."""
    past = time.time() - 60
    for file in [path, *(path.rglob("*") if path.is_dir() else ())]:
        os.utime(file, (past, past))


class Place(Protocol):
    """Where a server lives: a container, or processes of this machine."""

    def exec(
        self,
        args: Sequence[str | os.PathLike[str]],
        input: bytes = b"",
        env: Mapping[str, str] = {},
    ) -> subprocess.CompletedProcess[bytes]: ...
    def alive(self) -> bool: ...
    def logs(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def unpause(self) -> None: ...
    def remove(self) -> None: ...


class Engine:
    """Docker or Podman as docker/engine found it."""

    def __init__(self, label: str | None = None, prefix: str | None = None) -> None:
        self.program = ""
        owner = f"{_machine()}:{os.getpid()}:{_process_start(os.getpid())}"
        self.label = label or f"{LABEL}={owner}"
        self.prefix = prefix or f"mailldap-{os.getpid()}"
        self._images: dict[str, str] = {}
        self._made: list[Container] = []
        self._networks: list[str] = []
        self._count: dict[str, int] = {}

    def build(self, *names: str) -> None:
        """Builds the images of docker/NAME that are not there yet; raises NoEngineError."""
        if all(name in self._images for name in names):
            return
        done = subprocess.run(
            [DOCKER / "engine", "build", *names],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 69 and "could not be built" not in done.stderr:
            raise NoEngineError(done.stderr.strip())
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        first = not self.program
        for line in done.stdout.splitlines():
            key, _, value = line.partition("=")
            if key == "ENGINE":
                self.program = value
            elif key.startswith("IMAGE_"):
                self._images[key.removeprefix("IMAGE_").lower()] = value
        if first:
            self._remove_what_dead_runs_left()

    def image(self, name: str) -> str:
        """The tag of docker/NAME's image, built if need be."""
        self.build(name)
        return self._images[name]

    def call(
        self, *args: str | os.PathLike[str], check: bool = True, input: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """One command of the engine."""
        done = subprocess.run(
            [self.program, *args], env=ENVIRONMENT, input=input, capture_output=True, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"{self.program} {args}: {done.stderr.decode(errors='replace')}")
        return done

    def name(self, kind: str) -> str:
        """A name that nothing else has."""
        self._count[kind] = self._count.get(kind, 0) + 1
        number = self._count[kind]
        return f"{self.prefix}-{kind}" + (f"-{number}" if number > 1 else "")

    def run(
        self,
        image: str,
        *,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
        options: Sequence[str | os.PathLike[str]] = (),
        args: Sequence[str] = (),
    ) -> "Container":
        """A running container of docker/IMAGE, named after it unless `name` says otherwise."""
        name = self.name(name or image)
        container = Container(self, name)
        settings = [part for key, value in (env or {}).items() for part in ("-e", f"{key}={value}")]
        tag = self.image(image)
        self._made.append(container)
        # A server sizes its tables by this limit: one that a distribution set to a milliard
        # costs slapd 700 MB.
        limits = ["--ulimit", "nofile=1024:1024"]
        if self.program == "podman":
            # Its own idea of a limit needs CAP_SYS_RESOURCE, which root in a container lacks.
            limits += ["--ulimit", "nproc=4096:4096"]
        self.call(
            "run", "-d", "--name", name, "--label", self.label,
            *limits, *settings, *options, tag, *args,
        )  # fmt: skip
        return container

    def network(self, *options: str) -> str:
        """A network of its own; options are those of `network create`."""
        name = self.name("net")
        self.call("network", "create", "--label", self.label, *options, name)
        self._networks.append(name)
        return name

    def forget(self, container: "Container") -> None:
        if container in self._made:
            self._made.remove(container)

    def close(self) -> None:
        """Removes what this run made."""
        if self._made:
            self.call("rm", "-fv", *(c.name for c in self._made), check=False)
        for network in self._networks:
            self.call("network", "rm", network, check=False)
        self._made.clear()
        self._networks.clear()

    def _remove_what_dead_runs_left(self) -> None:
        # Only their inspect commands name a label in a way that Docker and Podman both know.
        for listing, label, removal in (
            (("ps", "-a"), ".Config.Labels", ("rm", "-fv")),
            (("network", "ls"), ".Labels", ("network", "rm")),
        ):
            inspect = ("inspect",) if listing[0] == "ps" else ("network", "inspect")
            form = f'{{{{index {label} "{LABEL}"}}}}'
            listed = self.call(
                *listing, "--filter", f"label={LABEL}", "--format", "{{.ID}}", check=False
            )
            for identity in listed.stdout.decode().split():
                told = self.call(*inspect, "--format", form, identity, check=False)
                machine, _, process = told.stdout.decode().strip().partition(":")
                pid, _, started = process.partition(":")
                if machine == _machine() and _process_start(int(pid)) != started:
                    self.call(*removal, identity, check=False)


class Container:
    """A running container, known by its name."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    def exec(
        self,
        args: Sequence[str | os.PathLike[str]],
        input: bytes = b"",
        env: Mapping[str, str] = {},
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command in it; the caller looks at returncode, stdout and stderr."""
        settings = [part for key, value in env.items() for part in ("-e", f"{key}={value}")]
        return self.engine.call("exec", "-i", *settings, self.name, *args, input=input, check=False)

    def inspect(self, form: str) -> str:
        """One value of `inspect`, by its Go template."""
        done = self.engine.call("inspect", "--format", form, self.name, check=False)
        return done.stdout.decode().strip()

    def alive(self) -> bool:
        return self.inspect("{{.State.Running}}") == "true"

    def logs(self) -> str:
        """Everything it printed, in order: what comes later is at the end."""
        done = subprocess.run(
            [self.engine.program, "logs", self.name],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.stdout.decode(errors="replace")

    def start(self) -> None:
        self.engine.call("start", self.name)

    def stop(self) -> None:
        self.engine.call("stop", self.name)

    def kill(self) -> None:
        self.engine.call("kill", self.name)

    def pause(self) -> None:
        # Podman without root needs cgroups v2 for it. The servers here are their first process.
        if self.engine.call("pause", self.name, check=False).returncode:
            self.engine.call("kill", "--signal", "STOP", self.name)

    def unpause(self) -> None:
        if self.engine.call("unpause", self.name, check=False).returncode:
            self.engine.call("kill", "--signal", "CONT", self.name)

    def remove(self) -> None:
        self.engine.forget(self)
        self.engine.call("rm", "-fv", self.name, check=False)

    def wait(self, ready: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Waits for the server in it; one that died says its last words instead."""
        looked = time.monotonic()

        def living() -> bool:
            nonlocal looked
            if ready():
                return True
            if time.monotonic() - looked > 0.3:
                looked = time.monotonic()
                if not self.alive():
                    raise RuntimeError(f"{self.name} ended: {self.logs()[-2000:]}")
            return False

        wait_until(living, what, seconds)


class LocalSlapd:
    """slapd of this machine, in a folder of its own, configured by the image's entrypoint."""

    def __init__(self, env: Mapping[str, str], urls: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mailldap-slapd-"))
        socket_path = str(self.folder / "ldapi").replace("/", "%2F")
        self.ldapi = f"ldapi://{socket_path}"
        self._env = {
            **ENVIRONMENT,
            **env,
            "STATE": str(self.folder),
            "RUN": str(self.folder),
            "URLS": urls.replace("ldapi:///", self.ldapi),
            "SHARE": str(ROOT),
            "LDAPNOINIT": "1",
            "LDAPI": self.ldapi,
            "PATH": f"{ENVIRONMENT.get('PATH', '')}:/usr/sbin:{DOCKER / 'openldap'}",
        }
        self._log = self.folder / "log"
        if os.getuid() == 0:
            self.folder.chmod(0o755)
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["bash", DOCKER / "openldap" / "entrypoint"],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def exec(
        self,
        args: Sequence[str | os.PathLike[str]],
        input: bytes = b"",
        env: Mapping[str, str] = {},
    ) -> subprocess.CompletedProcess[bytes]:
        words = [str(a).replace("ldapi:///", self.ldapi) for a in args]
        settings = {**self._env, **env}
        if any(name.startswith("LDAP") for name in env):
            del settings["LDAPNOINIT"]  # it would keep libldap from reading them
        return subprocess.run(words, env=settings, input=input, capture_output=True, check=False)

    def alive(self) -> bool:
        return self._process.poll() is None

    def logs(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def unpause(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self, ready: Callable[[], object], what: str, seconds: float = 60) -> None:
        def living() -> bool:
            if not self.alive():
                raise RuntimeError(f"slapd ended: {self.logs()[-2000:]}")
            return bool(ready())

        wait_until(living, what, seconds)

    def _end(self, how: signal.Signals) -> None:
        if self.alive():
            self._process.send_signal(how)
        self._process.wait(30)
