"""Tables behind proxymap(8): what it opens and what it refuses, for postmap and for smtpd."""

import json

import pytest

from mailldap.directory.open import session_opener
from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.simulate.simulator import Simulator
from mailldap.tables.base import Failed, Found
from mailldap.tables.open import Lookup
from tests.real.postfix_instance import Instance
from tests.real.postmap import context_of
from tests.real.test_postmap_servers import ALICE, SUFFIX, table

LISTED = (
    "texthash:{dir}/t", "inline:{{a=b}}", "static:all", "regexp:{dir}/r", "fail:why",
    "ldap:{dir}/x.cf", "cidr:{dir}/missing", "texthash:{dir}/nested", "texthash:{dir}/piped",
    "texthash:{dir}/braced", "ldap:{dir}/dead.cf",
)  # fmt: skip
NOT_LISTED = ("texthash:{dir}/other", "texthash:{dir}/plain", "texthash:{dir}/t2", "static:a")
KEYS = ("a", "alice@example.com", "nobody@example.com")
MAIN = """\
myhostname = mx.internal
mydestination =
local_recipient_maps =
alias_maps =
virtual_alias_domains = example.com
virtual_alias_maps = proxy:ldap:{dir}/x.cf texthash:{dir}/plain
  unionmap:{{proxy:texthash:{dir}/nested, static:x}}
relocated_maps = pipemap:{{proxy:texthash:{dir}/piped}}
listed = {{ proxy:texthash:{dir}/braced b=c }} {listed}
proxy_read_maps = $virtual_alias_maps $relocated_maps $listed
"""


def filled(text, folder):
    listed = " ".join(f"proxy:{name}" for name in LISTED[:7] + LISTED[10:])
    return (
        text.replace("{listed}", listed)
        .replace("{dir}", str(folder))
        .replace("{{", "{")
        .replace("}}", "}")
    )


def written(lab, people):
    folder = lab.folder("proxy")
    lab.write(folder / "main.cf", filled(MAIN, folder))
    for name in ("t", "nested", "piped", "braced", "other", "plain", "t2"):
        lab.write(folder / name, f"a {name}\nalice@example.com {name}\n")
    lab.write(folder / "r", "/^a/ r\n")
    lab.write(folder / "x.cf", table(people.uri)["x.cf"])
    lab.write(folder / "dead.cf", table("ldap://127.0.0.1:1")["x.cf"])
    return folder


def ours(folder, name, key):
    """As a daemon opens it: postmap ends with a table that we, asked by name, do answer."""
    context = context_of(MainCf.load(folder), session_opener())
    context.daemon = True
    try:
        answer = Lookup([name], context).get(key)
    except ConfigError as error:
        return "fatal", error.message
    if isinstance(answer, Found):
        return "found", answer.value
    return ("error", "") if isinstance(answer, Failed) else ("absent", "")


#: Asks postmap for many tables and keys at once: it sleeps before it gives up.
SCRIPT = """
import concurrent.futures, json, subprocess, sys
def ask(question):
    done = subprocess.run(["postmap", "-c", sys.argv[1], "-q", *question], capture_output=True)
    return done.returncode, done.stdout.decode(), done.stderr.decode()
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    json.dump(list(pool.map(ask, json.load(sys.stdin))), sys.stdout)
"""


def theirs(lab, folder, questions):
    done = lab.exec(["python3", "-c", SCRIPT, str(folder)], json.dumps(questions).encode())
    assert done.returncode == 0, done.stderr.decode()
    for code, out, text in json.loads(done.stdout):
        if code == 0:
            yield "found", out.removesuffix("\n")
        elif "query error" in text:
            yield "error", ""
        elif "fatal: " in text:
            yield "fatal", text.rpartition("fatal: ")[2].strip()
        else:
            yield "absent", ""


@pytest.fixture(scope="module")
def people(slapd_factory):
    server = slapd_factory()
    server.reset((SUFFIX + ALICE).encode())
    return server


def test_postmap(lab, people):
    folder = written(lab, people)
    instance = Instance(lab, folder)
    instance.start()
    names = [f"proxy:{filled(pattern, folder)}" for pattern in (*LISTED, *NOT_LISTED)]
    questions = [(key, name) for name in names for key in KEYS]
    try:
        real = list(theirs(lab, folder, questions))
    finally:
        instance.stop()
    differences = []
    for (key, name), answer in zip(questions, real, strict=True):
        mine = ours(folder, name, key)
        if mine != answer:
            differences.append(f"{name} {key}: real {answer}, ours {mine}")
        refused = name in names[len(LISTED) :]
        assert refused == (answer[0] == "fatal"), (name, answer)
    assert not differences, "\n".join(differences)


def test_smtpd(lab, people):
    """It asks through proxymap; where that is not allowed, it does not even greet."""
    folder = written(lab, people)
    instance = Instance(lab, folder)
    instance.start()
    try:
        simulator = Simulator(
            MainCf.load(folder), context_of(MainCf.load(folder), session_opener())
        )
        for address in ("alice@example.com", "nobody@example.com"):
            reply = instance.smtp("", address)
            assert reply.startswith("250") == (simulator.resolve(address).outcome == "deliver")
        simulator.close()
    finally:
        instance.stop()
    main = folder / "main.cf"
    main.write_text(main.read_text() + "proxy_read_maps = $listed\nlisted = static:x\n")
    instance.start()
    try:
        assert not instance.greets()
        instance.logged('fatal: proxymap service is not configured for table "ldap:')
    finally:
        instance.stop()
    with pytest.raises(ConfigError, match="proxymap service is not configured for table"):
        Simulator(MainCf.load(folder), context_of(MainCf.load(folder), session_opener())).resolve(
            "alice@example.com"
        )
