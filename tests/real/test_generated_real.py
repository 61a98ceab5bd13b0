"""Generated files under the real Postfix: nothing in them is unknown, and all of them work."""

import tempfile
from pathlib import Path

import pytest

from mailldap.config.settings import (
    CyrusSettings,
    PostfixSettings,
    RelaySettings,
    SendersSettings,
    Settings,
)
from mailldap.directory.open import open_directory
from mailldap.postfix.apply import plan_apply
from mailldap.postfix.changeset import roll_back
from mailldap.postfix.generate.files import Secrets
from mailldap.postfix.generate.generate import generate, main_parameters, master_services
from mailldap.postfix.write import plan_write
from tests.audit.sets import STOCK
from tests.containers import load, settle
from tests.real.postfix_instance import MASTER, Instance
from tests.servers import Lab, Slapd

pytestmark = pytest.mark.container

JOHN = [
    "sample.user@example.com", "sample_user@example.com", "sampleuser@example.com",
    "sample@example.com", "john.smith@example.com",
]  # fmt: skip
MAILBOX = "john.smith@mail1.internal"
OUTSIDE = "ADDR=192.0.2.1 NAME=client.example"
SECRETS = Secrets(relay_password="correct: horse")


@pytest.fixture(scope="module")
def directory(slapd: Slapd) -> Slapd:
    slapd.reset(load("example"))
    return slapd


def settings_for(slapd: Slapd, folder: Path, **postfix) -> Settings:
    values = {
        "hosts": (slapd.uri,),
        "config_directory": str(folder),
        "senders": SendersSettings(),
        "relay": RelaySettings(username="user.name@gmail.com"),
        "cyrus": CyrusSettings(),
        **postfix,
    }
    return Settings(uris=(slapd.uri,), base=slapd.base, postfix=PostfixSettings(**values))


def write(folder: Path, files) -> Path:
    plan_write(folder, files).apply()
    for path in folder.iterdir():
        settle(path)
    return folder


def ask(lab: Lab, folder: Path, table: str, keys: list[str]) -> dict[str, str]:
    """What postmap answers, all keys in one go."""
    text = "".join(f"{key}\n" for key in keys)
    done = lab.exec(["postmap", "-c", str(folder), "-q", "-", table], text.encode())
    assert b"fatal" not in done.stderr, done.stderr
    assert b"warning" not in done.stderr, done.stderr
    pairs = (line.partition("\t") for line in done.stdout.decode().splitlines())
    return {key: value for key, _, value in pairs}


@pytest.mark.parametrize("delivery", ["lmtp", "pipe"])
@pytest.mark.parametrize("port", ["587", "465"])
def test_postconf_knows_every_word(lab: Lab, directory, delivery, port):
    folder = lab.folder("etc")
    relay = RelaySettings(host=f"[smtp.gmail.com]:{port}", username="user.name@gmail.com")
    cyrus = CyrusSettings(delivery=delivery, deliver="/usr/lib/cyrus/bin/deliver")
    settings = settings_for(directory, folder, relay=relay, cyrus=cyrus)
    services = "".join(f"{service}\n" for service in master_services(settings))
    (folder / "master.cf").write_text(MASTER + services)
    write(folder, generate("all", settings, secrets=SECRETS))
    for arguments in (["-n"], ["-M"], ["-P"]):
        done = lab.exec(["postconf", "-c", str(folder), *arguments])
        assert (done.returncode, done.stderr) == (0, b"")
    done = lab.exec(["postconf", "-c", str(folder), "-n"])
    found = dict(line.split(" = ", 1) for line in done.stdout.decode().splitlines())
    wanted = main_parameters(settings)
    assert {name: found.get(name) for name in wanted} == wanted


def test_postmap_on_every_table(lab: Lab, directory):
    folder = lab.folder("etc")
    settings = settings_for(directory, folder)
    write(folder, generate("all", settings, secrets=SECRETS))
    keys = [*JOHN, "SAMPLE@example.com", "nobody-has-it@example.com", "@example.com", "example.com"]
    answered = [*JOHN, "SAMPLE@example.com"]
    assert ask(lab, folder, f"ldap:{folder}/ldap-aliases.cf", keys) == dict.fromkeys(
        answered, MAILBOX
    )
    assert ask(lab, folder, f"ldap:{folder}/ldap-senders.cf", keys) == dict.fromkeys(
        answered, "john.smith"
    )
    local = ask(lab, folder, f"ldap:{folder}/ldap-local.cf", [MAILBOX, "nobody@mail1.internal"])
    # Several entries may route to one mailbox: it is known all the same.
    assert set(local) == {MAILBOX}
    lab.exec(["postmap", "-c", str(folder), f"hash:{folder}/sasl_passwd"])
    found = ask(lab, folder, f"hash:{folder}/sasl_passwd", ["[smtp.gmail.com]:587"])
    assert found == {"[smtp.gmail.com]:587": "user.name@gmail.com:correct: horse"}
    modes = lab.exec(["stat", "-c", "%a", f"{folder}/sasl_passwd", f"{folder}/sasl_passwd.db"])
    assert modes.stdout.split() == [b"600", b"600"]
    parameters = main_parameters(settings)
    inline = parameters["transport_maps"]
    assert ask(lab, folder, inline, [".internal", "internal"]) == {".internal": "smtp:"}


@pytest.mark.parametrize("kind", ["hash", "texthash"])
def test_owners_as_a_text_table(lab: Lab, directory, kind):
    folder = lab.folder("etc")
    settings = settings_for(directory, folder, senders=SendersSettings(format=kind))
    reader = open_directory(directory.uri, base=directory.base)
    try:
        files = generate("senders", settings, reader=reader)
    finally:
        reader.close()
    (folder / "main.cf").write_text("")
    write(folder, files)
    if kind == "hash":
        lab.exec(["postmap", "-c", str(folder), f"hash:{folder}/sender_login_maps"])
    keys = [*JOHN, "Sample@EXAMPLE.com", "nobody-has-it@example.com"]
    found = ask(lab, folder, f"{kind}:{folder}/sender_login_maps", keys)
    assert found == dict.fromkeys([*JOHN, "Sample@EXAMPLE.com"], "john.smith")


def test_mail_flows_and_spoofers_are_refused(lab: Lab, directory):
    folder = lab.folder("etc")
    settings = settings_for(directory, folder, relay=None, cyrus=None)
    files = generate("all", settings)
    write(folder, files)
    with (folder / "main.cf").open("a") as stream:
        # No TLS here, so that logins may go without; they come by XCLIENT.
        stream.write("smtpd_tls_auth_only = no\nmyhostname = mx.internal\nalias_maps =\n")
    instance = Instance(lab, folder)
    instance.start()
    try:
        outsider = "a@client.example"
        for address in [*JOHN, "SAMPLE@Example.COM"]:
            assert instance.smtp(outsider, address, OUTSIDE).startswith("250 ")
        unknown = instance.smtp(outsider, "no-such@example.com", OUTSIDE)
        assert unknown.startswith("550 5.1.1 ")
        assert "User unknown in virtual alias table" in unknown
        assert "Relay access denied" in instance.smtp(outsider, "a@example.net", OUTSIDE)
        assert instance.smtp(outsider, JOHN[0], OUTSIDE, data=True).startswith("250 ")
        instance.logged(rf"to=<{MAILBOX}>, orig_to=<{JOHN[0]}>")
        john = f"{OUTSIDE} LOGIN=john.smith"
        for address in JOHN:
            assert instance.smtp(address, "a@example.net", john).startswith("250 ")
        for address in ("jane.doe@example.com", "no-such@example.com", "a@example.net"):
            assert instance.smtp(address, "a@example.net", john) == (
                f"553 5.7.1 <{address}>: Sender address rejected: not owned by user john.smith"
            )
        assert instance.smtp(JOHN[0], JOHN[1], OUTSIDE) == (
            f"553 5.7.1 <{JOHN[0]}>: Sender address rejected: not logged in"
        )
    finally:
        instance.stop()


class TestApply:
    @pytest.fixture
    def postconf(self, lab: Lab, monkeypatch) -> tuple[str, ...]:
        """postconf of the lab, which sees what is made below its folder."""
        monkeypatch.setattr(tempfile, "tempdir", str(lab.folder("tmp")))
        if lab.container is None:
            return ("postconf",)
        return (lab.container.engine.program, "exec", lab.container.name, "postconf")

    def test_into_debians_stock_files_and_back(self, lab: Lab, directory, postconf):
        folder = lab.folder("etc")
        for path in STOCK.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        settings = settings_for(directory, folder)
        plan = plan_apply(
            folder, main_parameters(settings), master_services(settings), postconf=postconf
        )
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert "+virtual_alias_domains = example.com\n" in plan.diff()
        assert "+cyrus-lmtp" in plan.diff()
        plan.apply()
        # What the administrator wrote stands where it stood.
        lines = (folder / "main.cf").read_bytes().splitlines()
        kept = [line for line in before["main.cf"].splitlines() if line.startswith(b"#")]
        assert [line for line in lines if line in kept] == kept
        write(
            folder, [f for f in generate("all", settings, secrets=SECRETS) if f.name != "main.cf"]
        )
        for path in folder.glob("*.cf"):
            settle(path)
        done = lab.exec(["postconf", "-c", str(folder), "-n"])
        assert done.stderr == b""
        found = dict(line.split(" = ", 1) for line in done.stdout.decode().splitlines())
        wanted = main_parameters(settings)
        assert {name: found.get(name) for name in wanted} == wanted
        again = plan_apply(
            folder, main_parameters(settings), master_services(settings), postconf=postconf
        )
        assert again.diff() == ""
        assert again.apply() is None
        roll_back(folder)
        assert {n: (folder / n).read_bytes() for n in before} == before
