"""The scenario of docker/compose.yaml: started, asked, and ended.

The tests and `make stack` read the same compose.yaml as `docker compose` would, and start its
services with the engine itself: so nothing but an engine is needed, and all start at once.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.containers import DOCKER, ROOT, Container, Engine, wait_until
from tests.servers import Lab, Pki

COMPOSE = DOCKER / "compose.yaml"
CLIENT = (Path(__file__).parent / "client.py").read_text()


def _substituted(text: str, variables: Mapping[str, str]) -> str:
    """`${NAME:-default}` and `$$`, as compose reads them."""
    text = re.sub(
        r"(?<!\$)\$\{(\w+)(?::-([^}]*))?\}", lambda m: variables.get(m[1]) or m[2] or "", text
    )
    return text.replace("$$", "$")


class Stack:
    """The running systems, by the names that compose.yaml gives them."""

    def __init__(self, engine: Engine, pki: Path) -> None:
        self.engine = engine
        self.pki = pki
        self.containers: dict[str, Container] = {}

    def up(self) -> None:
        """Starts everything and waits until every system serves."""
        text = COMPOSE.read_text()
        images = sorted({name.lower() for name in re.findall(r"\$\{IMAGE_(\w+):-", text)})
        self.engine.build(*images)
        variables = {f"IMAGE_{name.upper()}": self.engine.image(name) for name in images}
        variables["MAILLDAP"] = str(ROOT / "mailldap")
        variables["SITE"] = sysconfig.get_path("purelib")
        variables["PKI"] = str(self.pki)
        network, variables["SUBNET"] = self._network(text)
        services = yaml.safe_load(_substituted(text, variables))["services"]
        dns = services.pop("dns")
        if self.engine.program == "podman":
            # Docker's name server knows the aliases and asks ours for the rest; Podman's is out of
            # the game once a container is given another one.
            dns["command"] = [
                f"--host-record={alias},{joined['ipv4_address']}"
                for joined in (service["networks"]["mail"] for service in services.values())
                for alias in joined["aliases"]
            ]
        self._start(network, "dns", dns)
        first = [name for name in services if "depends_on" not in services[name]]
        with ThreadPoolExecutor(len(services)) as pool:
            started = {
                name: pool.submit(self._start, network, name, services[name]) for name in first
            }
            for name in services.keys() - set(first):
                for other in services[name]["depends_on"]:
                    started[other].result()
                started[name] = pool.submit(self._start, network, name, services[name])
            for future in started.values():
                future.result()

    def _network(self, text: str) -> tuple[str, str]:
        """A network of its own, on a range that nobody else has."""
        internal = yaml.safe_load(_substituted(text, {}))["networks"]["mail"]["internal"]
        options = ["--internal"] if internal else []
        for _ in range(20):
            subnet = f"172.{random.randint(28, 31)}.{random.randint(0, 255)}"
            try:
                return self.engine.network(*options, "--subnet", f"{subnet}.0/24"), subnet
            except RuntimeError as error:
                if "overlap" not in str(error) and "already" not in str(error):
                    raise
        raise RuntimeError("no free range for a network")

    def _start(self, network: str, name: str, service: dict[str, Any]) -> None:
        options = ["--network", network, "--no-healthcheck"]
        joined = service["networks"]["mail"]
        for alias in joined.get("aliases", ()):
            options += ["--network-alias", alias]
        if "ipv4_address" in joined:
            options += ["--ip", joined["ipv4_address"]]
        if "hostname" in service:
            options += ["--hostname", service["hostname"]]
        for address in service.get("dns", ()):
            options += ["--dns", address]
        for capability in service.get("cap_add", ()):
            options += ["--cap-add", capability]
        for volume in service.get("volumes", ()):
            source, _, target = volume.partition(":")
            options += ["-v", f"{(DOCKER / source).resolve()}:{target}"]
        image = re.sub(r"^mailldap-|:.*$", "", service["image"])
        container = self.engine.run(
            image,
            name=name,
            env=service.get("environment"),
            options=options,
            args=service.get("command", ()),
        )
        self.containers[name] = container
        if "healthcheck" in service:
            test = service["healthcheck"]["test"][1:]
            container.wait(lambda: container.exec(test).returncode == 0, f"{name} serves")

    def __getitem__(self, name: str) -> Container:
        return self.containers[name]

    def run(
        self, name: str, *args: str, input: bytes = b"", status: int | None = 0
    ) -> subprocess.CompletedProcess[bytes]:
        """A command on a host; any exit status but `status` is an error (None: all are fine)."""
        done = self[name].exec(args, input)
        if status is not None and done.returncode != status:
            words = (done.stdout + done.stderr).decode(errors="replace")
            raise AssertionError(f"{name}: {args} ended with {done.returncode}:\n{words}")
        return done

    def mailldap(
        self, name: str, *args: str, status: int | None = 0
    ) -> subprocess.CompletedProcess[bytes]:
        """The mailldap of a host, with the configuration of its /etc/host."""
        return self.run(
            name, "sh", "-c", 'cd /etc/host && exec mailldap "$@"', "-", *args, status=status
        )

    def mailldap_json(self, name: str, *args: str, status: int | None = None) -> Any:
        """The same with JSON on its standard output."""
        done = self.mailldap(name, "-o", "json", *args, status=status)
        try:
            return json.loads(done.stdout)
        except ValueError:
            words = (done.stdout + done.stderr).decode(errors="replace")
            raise AssertionError(f"{name}: mailldap {args} gave {words}") from None

    def client(self, *operations: dict[str, Any], at: str = "outside") -> list[Any]:
        """What mail clients see who stand outside; see client.py for the operations."""
        done = self.run(at, "python3", "-c", CLIENT, input=json.dumps(operations).encode())
        return json.loads(done.stdout)

    def administer(self, *args: str, uri: str = "ldap://ldap1.internal", status: int = 0) -> str:
        """mailldap as the directory's administrator, from the MX; gives its standard output."""
        password = "/root/ldap-password"
        if self["mx"].exec(["test", "-e", password]).returncode:
            self.put("mx", password, "secret\n", "600")
        who = ["-b", "dc=example,dc=com", "-D", "cn=admin,dc=example,dc=com", "-y", password]
        options = ["--allow-cleartext-password", "-H", uri, *who]
        done = self.run(
            "mx", "sh", "-c", 'cd / && exec mailldap "$@"', "-", *options, *args, status=status
        )
        return done.stdout.decode()

    def put(self, name: str, path: str, content: str, mode: str = "644") -> None:
        """Writes a file on a host, dated back so that Postfix does not wait for it to settle."""
        script = (
            'umask 077; cat >"$1.new"; chmod "$2" "$1.new"; touch -d "-1 minute" "$1.new";'
            ' mv "$1.new" "$1"'
        )
        self.run(name, "sh", "-c", script, "-", path, mode, input=content.encode())

    def get(self, name: str, path: str) -> str:
        """The content of a file on a host."""
        return self.run(name, "cat", path).stdout.decode()

    def reload(self, name: str) -> None:
        """`postfix reload`, and waits until no process is left that has the old configuration."""
        children = ["pgrep", "-P", "1", "smtpd|cleanup|trivial|smtp|lmtp|pipe|local|qmgr|proxymap"]
        before = set(self.run(name, *children, status=None).stdout.split())
        self.run(name, "sh", "-c", 'touch -d "-1 minute" /etc/postfix/*; postfix reload')
        wait_until(
            lambda: not before & set(self.run(name, *children, status=None).stdout.split()),
            f"{name}: the processes of before the reload end",
        )

    @contextmanager
    def configured(self, name: str, settings: Mapping[str, Any]) -> Iterator[None]:
        """A host whose mailldap has other settings, with the Postfix files that it then writes.

        `settings` are merged into the host's mailldap.yaml, a level of `postfix` at a time.
        """
        path = "/etc/host/mailldap.yaml"
        before = self.get(name, path)
        other = yaml.safe_load(before)
        for key, value in settings.items():
            if key == "postfix":
                for part, content in value.items():
                    section = other.setdefault("postfix", {})
                    section[part] = {**section.get(part, {}), **content}
            else:
                other[key] = value
        try:
            self.put(name, path, yaml.safe_dump(other))
            self.generate(name)
            yield
        finally:
            self.put(name, path, before)
            self.generate(name)

    def generate(self, name: str) -> None:
        """What an administrator does after a change of mailldap.yaml."""
        self.mailldap(name, "postfix", "generate", "all", "--dir", "/etc/postfix", "--apply")
        self.reload(name)

    def wait_log(
        self, name: str, pattern: str, since: int = 0, seconds: float = 30
    ) -> re.Match[str]:
        """The first line of a host's log, from character `since` on, that matches."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            match = re.search(pattern, self[name].logs()[since:])
            if match:
                found.append(match)
            return bool(match)

        try:
            wait_until(look, f"{name} logs {pattern}", seconds, 0.1)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self[name].logs()[since:][-3000:]}") from None
        return found[0]

    def down(self) -> None:
        """Removes the containers and their network."""
        self.engine.close()


def certificates(pki: Pki) -> Path:
    """The folder that the systems have as /pki."""
    for name in ("smtp.gmail.com", "mail.example.com"):
        pki.issue(name)
    return pki.dir


NOTE = """
The scenario runs. Look around in it:
  {engine} exec -it {mx} bash                              the MX (its log: {engine} logs -f {mx})
  {engine} exec {mx} mailldap resolve -c /etc/postfix sample.user@example.com
  {engine} exec {outside} swaks --server mx.example.com --to sample.user@example.com
  {engine} exec {mail1} sh -c 'find /var/spool/cyrus/mail -type f -name "*." -exec cat {{}} +'   what has arrived
Systems: {systems}
make stack-down ends it.
"""


def main(verb: str) -> None:
    """`make stack` and `make stack-down`."""
    engine = Engine(label="org.mailldap.stack=1", prefix="mailldap-stack")
    subprocess.run([DOCKER / "engine", "stack-down"], check=True)
    if verb == "down":
        return
    folder = ROOT / "build" / "stack" / "pki"  # where compose.yaml looks for it, too
    shutil.rmtree(folder, ignore_errors=True)
    print("building and starting; a minute or two at the first time", file=sys.stderr)
    lab = Lab(engine)
    shutil.copytree(certificates(Pki(lab)), folder)
    lab.remove()
    stack = Stack(engine, folder)
    stack.up()
    names = {name: container.name for name, container in stack.containers.items()}
    print(NOTE.format(engine=engine.program, systems=", ".join(sorted(names)), **names))


if __name__ == "__main__":
    os.chdir(ROOT)
    main(sys.argv[1])
