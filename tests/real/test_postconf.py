"""main.cf beside the real postconf: defaults, expansion, what depends on the level."""

import json
import random

import pytest

from mailldap.errors import ConfigError
from mailldap.postfix.host import Host
from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.parameters import MACHINE_DEPENDENT, defaults
from tests.real.generate_main import PROBES, main_cf
from tests.real.seeds import seeds

#: Each request is a command.
SCRIPT = r"""
import concurrent.futures, json, subprocess, sys

def run(command):
    done = subprocess.run(command, capture_output=True)
    return [done.returncode, *(t.decode("utf-8", "surrogateescape") for t in (done.stdout, done.stderr))]

with concurrent.futures.ThreadPoolExecutor(16) as pool:
    json.dump(list(pool.map(run, json.load(sys.stdin))), sys.stdout)
"""
LAB = Host("lab.internal", ())


def run(lab, commands):
    done = lab.exec(["python3", "-c", SCRIPT], json.dumps(commands).encode())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def one(lab, place: str, *words: str) -> dict[str, str]:
    ((code, out, err),) = run(lab, [["postconf", "-c", place, *words]])
    assert code == 0, err
    return settings_of(out)


def settings_of(output: str) -> dict[str, str]:
    pairs = (line.partition(" =") for line in output.split("\n") if " =" in line)
    return {name: value.removeprefix(" ") for name, _, value in pairs}


def directory(lab, text: str) -> str:
    place = lab.folder("postconf")
    lab.write(place / "main.cf", text.encode("utf-8", "surrogateescape"))
    lab.write(place / "master.cf", "")
    return str(place)


def test_every_default_is_known(lab):
    real = one(lab, directory(lab, ""), "-d")
    assert {n: v for n, v in real.items() if n not in MACHINE_DEPENDENT} == defaults()
    assert set(real) >= MACHINE_DEPENDENT


@pytest.mark.parametrize("level", ["0", "1", "2", "3.5", "3.6", "3.7", "9999"])
def test_expanded_defaults_by_level(lab, level):
    place = directory(lab, f"compatibility_level = {level}\nmyhostname = mx.example.com\n")
    skipped = MACHINE_DEPENDENT - {"mydomain", "myhostname"}
    real = {n: v for n, v in one(lab, place, "-x").items() if n not in skipped}
    main = MainCf.load(place)
    # postconf folds white space when it prints.
    assert {n: main.get(n).split() for n in real} == {n: v.split() for n, v in real.items()}


@pytest.mark.parametrize("interfaces", ["all", "loopback-only", "127.0.0.1"])
def test_own_networks(lab, interfaces):
    text = f"compatibility_level = 0\ninet_interfaces = {interfaces}\n"
    place = directory(lab, text)
    # postconf works them out from the default of inet_interfaces, then from the setting.
    real = one(lab, place, "-x", "mynetworks")["mynetworks"].split()
    ours = MainCf.load(place).get("mynetworks").split()
    assert ours == real


@pytest.mark.parametrize("seed", seeds(2, 120))
def test_expansion(lab, seed):
    rng = random.Random(seed)
    texts = [main_cf(rng) for _ in range(120)]
    places = [directory(lab, text) for text in texts]
    probes = [
        (text, place, probe) for text, place in zip(texts, places, strict=True) for probe in PROBES
    ]
    answers = run(
        lab, [["postmap", "-c", place, "-q", "x", f"ldap:{probe}"] for _, place, probe in probes]
    )
    wrong = []
    for (text, place, probe), (code, _, err) in zip(probes, answers, strict=True):
        assert err or code < 0, text
        # Where comparisons refer to each other without end, Postfix overflows its stack.
        real = "macro" if code < 0 or "macro processing error" in err else err.rpartition(" = <")[2]
        try:
            ours = MainCf.load(place, host=LAB).get(f"{probe}_chase_referrals")[1:]
        except ConfigError as error:
            ours = "macro" if "macro processing error" in error.message else error.message
        if real.strip() != ours.strip():
            wrong.append(f"{probe}: real {real!r}, ours {ours!r}\n{text}{err}")
    assert not wrong, f"{len(wrong)} differ\n" + "\n".join(wrong[:10])
