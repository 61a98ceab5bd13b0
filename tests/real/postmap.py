"""Runs the real postmap and ours on the same tables and keys, and tells where they differ.

Many cases go into one command of the lab: a script there runs postmap for each table, all keys at
once where none fails, one by one where one does.
"""

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mailldap.directory.base import SessionOpener
from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.tables.base import Failed, Found, TableContext
from mailldap.tables.open import Lookup
from tests.servers import Lab

#: Runs in the lab, on its python3.
SCRIPT = r"""
import concurrent.futures, json, os, subprocess, sys

def run(command, keys=None):
    text = None if keys is None else b"".join(encode(k) + b"\n" for k in keys)
    return subprocess.run([encode(c) for c in command], input=text, capture_output=True,
                          env={**os.environ, "LDAPNOINIT": "1"})

def encode(text):
    return text.encode("utf-8", "surrogateescape")

def decode(data):
    return data.decode("utf-8", "surrogateescape")

def answer(case):
    command = ["postmap", "-c", case["dir"], *case["options"]]
    for database in case["databases"]:
        done = run(["postmap", "-c", case["dir"], database])
    batch = [k for k in case["keys"] if "\n" not in k and "\0" not in k]
    if case["batch"] and len(batch) == len(case["keys"]) > 1 and len(set(batch)) == len(batch):
        done = run([*command, "-q", "-", *case["maps"]], batch)
        if b"fatal:" not in done.stderr and b"panic:" not in done.stderr:
            found = {}
            for line in decode(done.stdout).split("\n"):
                key, tab, value = line.partition("\t")
                if tab:
                    found[key] = value
            if len(found) == decode(done.stdout).count("\n") and set(found) <= set(batch):
                return {"batch": found, "stderr": decode(done.stderr)}
    answers = []
    for key in case["keys"]:
        done = run([*command, "-q", key, *case["maps"]])
        answers.append([done.returncode, decode(done.stdout), decode(done.stderr)])
        about_key = b": query error" in done.stderr or b"fatal: error reading" in done.stderr
        if len(case["maps"]) == 1 and b"fatal:" in done.stderr and not about_key:
            break  # the same for every key
    return {"single": answers}

with concurrent.futures.ThreadPoolExecutor(int(sys.argv[1])) as pool:
    json.dump(list(pool.map(answer, json.load(sys.stdin))), sys.stdout)
"""


@dataclass
class Case:
    """Tables and keys; ``{dir}`` in texts is the case's folder, ``{uri}`` the server's URI."""

    name: str
    keys: Sequence[str]
    maps: Sequence[str] = ("ldap:{dir}/x.cf",)
    files: dict[str, str] = field(default_factory=dict)
    main: str = "compatibility_level = 3.6\n"
    fold: bool = True
    #: Maps that postmap makes a database of first.
    databases: Sequence[str] = ()
    batch: bool = True
    #: Whether warnings are compared as well.
    warnings: bool = True


@dataclass(frozen=True)
class Outcome:
    """What came of one key: found, absent, error, config-error or fatal, and the text with it."""

    kind: str
    text: str = ""


@dataclass
class Result:
    """Outcomes by key, and warnings; in a batch these belong to all keys together."""

    outcomes: dict[str, Outcome]
    warnings: list[list[str]]
    batched: bool = False


class Comparison:
    """Collects cases, runs both sides, and reports."""

    def __init__(self, lab: Lab, opener: SessionOpener, uri: str = "") -> None:
        self.lab = lab
        self.opener = opener
        self.uri = uri
        self.folder = lab.folder("postmap")
        self.count = 0
        #: What the real postmap said, by case and key: the kind, and the value where found.
        self.recorded: dict[str, dict[str, list[str]]] = {}

    def fill(self, text: str, place: Path) -> str:
        return (
            text.replace("{dir}", str(place))
            .replace("{uri}", self.uri)
            .replace("{port}", self.uri.rpartition(":")[2].strip("/"))
        )

    def run(self, cases: Iterable[Case]) -> list[str]:
        """Differences, one text each; empty where all agree."""
        prepared = []
        for number, case in enumerate(cases):
            place = self.folder / f"{self.count}-{number}"
            place.mkdir()
            for name, text in {"main.cf": case.main, "master.cf": "", **case.files}.items():
                data = self.fill(text, place).encode("utf-8", "surrogateescape")
                (place / name).write_bytes(data)
                os.utime(place / name, (1_600_000_000, 1_600_000_000))
            prepared.append((case, place, [self.fill(m, place) for m in case.maps]))
        self.count += 1
        request = [
            {
                "dir": str(place),
                "maps": maps,
                "keys": list(case.keys),
                "options": [] if case.fold else ["-f"],
                "databases": [self.fill(d, place) for d in case.databases],
                "batch": case.batch,
            }
            for case, place, maps in prepared
        ]
        done = self.lab.exec(
            ["python3", "-c", SCRIPT, "16"], json.dumps(request).encode(), {"LDAPNOINIT": "1"}
        )
        assert done.returncode == 0, done.stderr.decode()
        differences = []
        for (case, place, maps), raw in zip(prepared, json.loads(done.stdout), strict=True):
            real = real_result(case, raw)
            self.recorded[case.name] = {
                key: [o.kind, o.text] if o.kind == "found" else [o.kind]
                for key, o in real.outcomes.items()
            }
            ours = self.ours(case, place, maps, batched=real.batched)
            found = differences_of(case, real, ours)
            if found:
                differences.append(
                    f"{case.name}: {place}\n  maps {maps} fold={case.fold}\n"
                    + "".join(f"  {line}\n" for line in found)
                )
            else:
                shutil.rmtree(place, ignore_errors=True)
        return differences

    def ours(self, case: Case, place: Path, maps: Sequence[str], *, batched: bool) -> Result:
        outcomes: dict[str, Outcome] = {}
        warnings: list[list[str]] = []
        context = asked = None
        for key in case.keys:
            heard: list[str] = []
            if not batched or context is None:
                try:
                    main = MainCf.load(place)
                    heard += main.warnings
                    context = context_of(main, self.opener, fold=case.fold)
                    asked = Lookup(maps, context)
                except ConfigError as error:
                    outcomes[key] = Outcome("fatal", error.message)
                    warnings.append(heard)
                    context = None
                    continue
            context.warn = heard.append
            try:
                answer = asked.get(key)
            except ConfigError as error:
                outcomes[key] = Outcome("fatal", str(error))
            else:
                if isinstance(answer, Found):
                    outcomes[key] = Outcome("found", answer.value)
                elif isinstance(answer, Failed):
                    kind = "error" if answer.kind == "retry" else "config-error"
                    outcomes[key] = Outcome(kind, answer.message)
                else:
                    outcomes[key] = Outcome("absent")
            warnings.append(heard)
        return Result(outcomes, warnings, batched)


def context_of(main: MainCf, opener: SessionOpener, *, fold: bool = True) -> TableContext:
    return TableContext(
        open_session=opener,
        parameter=main.lookup,
        line_of=main.location,
        config_directory=main.directory,
        fold=fold,
        utf8=main.get_bool("smtputf8_enable"),
    )


def real_result(case: Case, raw: dict) -> Result:
    if "batch" in raw:
        found = raw["batch"]
        outcomes = {
            key: Outcome("found", found[key]) if key in found else Outcome("absent")
            for key in case.keys
        }
        return Result(outcomes, [warnings_of(raw["stderr"])], batched=True)
    outcomes = {}
    warnings = []
    answers = raw["single"]
    answers += answers[-1:] * (len(case.keys) - len(answers))
    for key, (code, out, err) in zip(case.keys, answers, strict=True):
        fatal = [
            w for w in err.split("\npostmap: ") if w.startswith(("postmap: fatal: ", "fatal: "))
        ]
        assert "panic:" not in err, err
        if code == 0:
            outcomes[key] = Outcome("found", out[:-1])
        elif not fatal:
            outcomes[key] = Outcome("absent")
        elif ": query error" in fatal[-1]:
            last = fatal[-1].strip()
            outcomes[key] = Outcome("config-error" if last.endswith("query error") else "error")
        else:
            outcomes[key] = Outcome(
                "fatal", fatal[-1].strip().removeprefix("postmap: ").removeprefix("fatal: ")
            )
        warnings.append(warnings_of(err))
    return Result(outcomes, warnings)


def warnings_of(stderr: str) -> list[str]:
    texts = []
    for line in ("\n" + stderr).split("\npostmap: ")[1:]:
        kind, _, text = line.partition(": ")
        if kind in {"warning", "error"}:
            texts.append(text.partition("\n")[0])  # what follows comes from libldap's debuglevel
    return texts


def differences_of(case: Case, real: Result, ours: Result) -> list[str]:
    found = []
    for key in case.keys:
        r, o = real.outcomes[key], ours.outcomes[key]
        same = r.kind == o.kind
        if r.kind == "found":
            same &= r.text == o.text
        if not same:
            found.append(f"{key!r}: real {r}, ours {o}")
        elif r.kind == "fatal" and case.warnings and not same_words(r.text, clean(core(o.text))):
            found.append(f"{key!r}: real says {r.text!r}, ours {o.text!r}")
    of_main_cf = any(
        o.kind == "fatal" and ("main.cf" in o.text or o.text == MACRO)
        for o in real.outcomes.values()
    )
    if found or not case.warnings or of_main_cf:  # our errors have the words of the warnings too
        return found
    pairs = (
        [
            (
                sorted(set(real.warnings[0])),
                sorted({clean(w) for heard in ours.warnings for w in heard}),
            )
        ]
        if real.batched
        else list(zip(real.warnings, ours.warnings, strict=True))
    )
    for (r, o), key in zip(pairs, case.keys, strict=False):
        shown = [clean(w).rstrip() for w in o]
        plain = [ascii_only(w) for w in shown]
        if real.batched:
            plain.sort()
        if [w.rstrip() for w in r] not in (shown, plain):
            only_real = [w for w in r if w not in shown]
            only_ours = [w for w in shown if w not in r]
            what = "" if real.batched else repr(key)
            found.append(
                f"{what} only real warns {only_real}, only ours {only_ours} (or in another order)"
            )
    return found


MACRO = "dictionary mail_dict: macro processing error"


def same_words(real: str, ours: str) -> bool:
    if real == MACRO:
        return "macro processing error: " in ours
    return any(o.rstrip() in real or real in o for o in (ours, ascii_only(ours)))


def clean(text: str) -> str:
    """What Postfix's stderr shows of a text: no control characters, no bytes that are not UTF-8.

    Where smtputf8_enable is off, a question mark for each byte of what is not ASCII.
    """
    return "".join("?" if c < " " or c == "\x7f" or "\udc80" <= c <= "\udcff" else c for c in text)


def ascii_only(text: str) -> str:
    return "".join(c if c.isascii() else "?" * len(c.encode("utf-8", "replace")) for c in text)


def core(text: str) -> str:
    """The words of an error without the place in front of them."""
    head, colon, rest = text.partition(": ")
    return rest if colon and (head[:1] in "/." and head.rpartition(":")[2].isdigit()) else text
