"""The real servers and programs that tests ask, each with the handles that they need."""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.containers import ENVIRONMENT, Container, Engine, LocalSlapd, ldap_answers, load, settle


class Slapd:
    """A real slapd: `uri` answers on this machine and in the lab alike."""

    admin_password = "secret"

    def __init__(
        self, place: "Container | LocalSlapd", port: int, suffix: str, *, unique: bool
    ) -> None:
        self.place = place
        self.port = port
        self.uri = f"ldap://127.0.0.1:{port}"
        self.tls_uri: str | None = None
        self.base = suffix
        self.admin_dn = self._admin(suffix)
        self.unique = unique
        self.wait()

    @staticmethod
    def _admin(suffix: str) -> str:
        return f"cn=admin,{suffix}"

    def wait(self) -> None:
        """Waits until the server answers."""
        self.place.wait(functools.partial(ldap_answers, self.port), self.uri)

    def reset(self, ldif: bytes | None = None) -> None:
        """Empties the directory and loads `ldif`, which begins with the suffix entry.

        None loads ldif/base.ldif (the suffix and ou=People), b"" leaves nothing at all. It goes
        through the server, as its administrator: overlays judge each entry.
        """
        content = load("base") if ldif is None else ldif
        env = {
            "SUFFIX": self.base,
            "ADMIN_PASSWORD": self.admin_password,
            "PORT": str(self.port),
        }
        done = self.place.exec(["directory-reset"], content, env)
        if done.returncode:
            words = done.stderr.decode(errors="replace")
            raise AssertionError(f"{words}\nthe server's last words:\n{self.logs()[-1500:]}")

    def exec(
        self,
        args: Sequence[str | os.PathLike[str]],
        input: bytes = b"",
        env: Mapping[str, str] = {},
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command beside the server (ldapsearch, ldapmodify, …); ldapi:/// is it."""
        return self.place.exec(args, input, env)

    def logs(self) -> str:
        """What slapd logged so far (level stats)."""
        return self.place.logs()

    def stop(self) -> None:
        """Ends the server in order; its port refuses."""
        self.place.stop()

    def kill(self) -> None:
        """Ends the server as a power cut would; its port refuses."""
        self.place.kill()

    def start(self) -> None:
        """Starts it again on the same port, with its data."""
        self.place.start()
        self.wait()

    def pause(self) -> None:
        """Hangs the server: connections are taken, nothing is answered."""
        self.place.pause()

    def unpause(self) -> None:
        """Lets a hung server go on."""
        self.place.unpause()

    def remove(self) -> None:
        """Removes the server and its data."""
        self.place.remove()


class Ds389(Slapd):
    """A real 389 Directory Server, with the same handles."""

    admin_password = "secret-password"

    @staticmethod
    def _admin(suffix: str) -> str:
        return "cn=Directory Manager"

    def wait(self) -> None:
        """Waits until the server answers that stays; another one sets the instance up before."""

        def stays() -> bool:
            if not ldap_answers(self.port):
                return False
            return self.place.exec(["cat", "/proc/1/comm"]).stdout == b"ns-slapd\n"

        self.place.wait(stays, self.uri)


class Lab:
    """Where the real programs are: Postfix 3.7 and its table types, Cyrus SASL, OpenLDAP's tools.

    `dir` is a folder that has the same path here and in the lab.
    """

    network_host = True

    def __init__(self, engine: Engine | None) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="mailldap-lab-"))
        self.dir.chmod(0o755)
        self.container: Container | None = None
        if engine:
            self.container = engine.run(
                "lab",
                options=[
                    "--network", "host", "--hostname", "lab.internal",
                    "--add-host", "lab.internal:127.0.0.1", "-v", f"{self.dir}:{self.dir}",
                ],
            )  # fmt: skip

    def exec(
        self,
        args: Sequence[str | os.PathLike[str]],
        input: bytes = b"",
        env: Mapping[str, str] = {},
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command there; the caller looks at returncode, stdout and stderr."""
        if self.container:
            return self.container.exec(args, input, env)
        path = f"{ENVIRONMENT.get('PATH', '')}:/usr/sbin"
        return subprocess.run(
            args,
            env={**ENVIRONMENT, "LDAPNOINIT": "1", "PATH": path, **env},
            input=input,
            capture_output=True,
            check=False,
        )

    def folder(self, name: str) -> Path:
        """A new empty folder below `dir`, readable by Postfix's own users."""
        made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.dir))
        made.chmod(0o755)
        return made

    @staticmethod
    def write(path: Path, content: str | bytes) -> Path:
        """Writes a file as if long ago; gives the path back.

        Postfix waits until a main.cf or a table's .cf is older than a second before it trusts what
        it read (dict_load_file_xt): two seconds for each command on files that were just made.
        """
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        settle(path)
        return path

    def remove(self) -> None:
        # Root in the lab may have made files that this user cannot remove.
        self.exec(["find", self.dir, "-mindepth", "1", "-delete"])
        if self.container:
            self.container.remove()
        shutil.rmtree(self.dir, ignore_errors=True)


class Pki:
    """A certificate authority made for this run; `other_ca` is one that signed nothing here."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.dir = lab.folder("pki")
        self.ca = self._authority("ca")
        self.other_ca = self._authority("other-ca")

    def _openssl(self, *args: str | os.PathLike[str]) -> None:
        done = self._lab.exec(["openssl", *args])
        assert done.returncode == 0, done.stderr.decode()

    def _request(self, name: str, subject: str, *more: str | os.PathLike[str]) -> Path:
        made = self.dir / f"{name}.pem"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "30", "-subj", f"/CN={subject}", "-keyout", made.with_suffix(".key"),
            "-out", made, *more,
        )  # fmt: skip
        # Servers in containers read it as users that this machine does not know.
        self._lab.exec(["chmod", "644", made, made.with_suffix(".key")])
        return made

    def _authority(self, name: str) -> Path:
        return self._request(
            name, f"mailldap test {name}", "-addext", "keyUsage=critical,keyCertSign"
        )

    def issue(self, name: str, *alternatives: str) -> tuple[Path, Path]:
        """Certificate and key of a server; alternatives as openssl has them: DNS:…, IP:…."""
        names = ",".join(alternatives or (f"DNS:{name}",))
        made = self._request(
            name, name, "-CA", self.ca, "-CAkey", self.ca.with_suffix(".key"),
            "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
        return made, made.with_suffix(".key")
