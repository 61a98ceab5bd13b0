"""Puts the same questions to real Postfix daemons and to the simulator, and tells differences.

Questions are those of postfix_runner.py; texts here are surrogateescape text as everywhere.
"""

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mailldap.directory.open import session_opener
from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.rfc822 import scan, unquote
from mailldap.simulate.simulator import Simulator
from mailldap.tables.base import TableContext

RUNNER = Path(__file__).parent / "postfix_runner.py"
#: A recipient that every configuration takes, whose user tables are never asked.
SINK = "postmaster@[127.0.0.1]"
#: A client outside most networks.
STRANGER = "192.0.2.1"
_CLASSES = {
    1 << 8: "local",
    1 << 9: "virtual-alias",
    1 << 10: "virtual-mailbox",
    1 << 11: "relay",
    1 << 12: "default",
}
_ROUTED, _ERROR, _FAIL = 1 << 1, 1 << 2, 1 << 3


@dataclass(slots=True)
class Case:
    """One configuration and its questions."""

    name: str
    main: str
    ask: list[dict[str, Any]]
    files: dict[str, str] = field(default_factory=dict)
    postmap: list[str] = field(default_factory=list)
    postalias: list[str] = field(default_factory=list)
    smtpd: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Difference:
    """An answer that is not Postfix's."""

    case: Case
    question: dict[str, Any]
    real: Any
    ours: Any

    def __str__(self) -> str:
        files = "".join(f"\n--- {n}\n{t}" for n, t in self.case.files.items())
        return (
            f"{self.case.name}: {self.question}\n  Postfix: {self.real}\n  mailldap: {self.ours}\n"
            f"--- main.cf\n{self.case.main}{files}"
        )


def transported(value: Any, *, back: bool = False) -> Any:
    """Turns text of a job into latin-1 that stands for bytes, or back."""
    if isinstance(value, str):
        if back:
            return value.encode("latin-1").decode("utf-8", "surrogateescape")
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    if isinstance(value, dict):
        return {k: transported(v, back=back) for k, v in value.items()}
    if isinstance(value, list):
        return [transported(v, back=back) for v in value]
    return value


def compare(lab: Any, cases: Sequence[Case]) -> list[Difference]:
    """Asks both sides everything, in one command in the lab; returns what differs."""
    answers = ask(lab, cases)
    return [d for case, real in zip(cases, answers, strict=True) for d in differences(case, real)]


def ask(lab: Any, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Asks the real programs; answers as postfix_runner.py has them, one a case."""
    folder = lab.folder("postfix")
    job = folder / "job.json"
    script = folder / "postfix_runner.py"
    script.write_bytes(RUNNER.read_bytes())
    jobs = [
        {
            "main": c.main,
            "files": c.files,
            "postmap": c.postmap,
            "postalias": c.postalias,
            "smtpd": c.smtpd,
            "ask": c.ask,
        }
        for c in cases
    ]
    job.write_text(json.dumps(transported(jobs)))
    done = lab.exec(["python3", str(script), str(job)])
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return transported(json.loads(done.stdout), back=True)


def differences(case: Case, real: dict[str, Any]) -> Iterable[Difference]:
    """Yields the questions of one case that are answered otherwise here."""
    with tempfile.TemporaryDirectory() as directory:
        for name, text in {"main.cf": case.main, **case.files}.items():
            data = text.replace("@DIR@", directory).encode("utf-8", "surrogateescape")
            Path(directory, name).write_bytes(data)
        if "error" in real:
            yield from _dead(case, real, directory)
            return
        simulator = make_simulator(directory)
        for question, answer in zip(case.ask, real["answers"], strict=True):
            try:
                expected, ours = _answers(simulator, question, answer)
            except ConfigError as error:
                expected, ours = answer, f"ConfigError: {error}"
            if expected != ours:
                yield Difference(case, question, expected, ours)
        simulator.close()


def _dead(case: Case, real: dict[str, Any], directory: str) -> Iterable[Difference]:
    """A daemon died: we should have refused the configuration."""
    fatal = [line for line in real["log"] if "fatal" in line or "panic" in line]
    question = case.ask[len(real["answers"])]
    try:
        simulator = make_simulator(directory)
        ours = str(_ours(simulator, question))
    except ConfigError:
        return
    yield Difference(case, question, f"{real['error']}: {fatal or real['log']}", ours)


def make_simulator(directory: str) -> Simulator:
    main = MainCf.load(directory)
    return Simulator(main, TableContext(open_session=session_opener(), parameter=main.lookup))


def _ours(simulator: Simulator, question: dict[str, Any]) -> Any:
    what = question["do"]
    if what == "resolve":
        return simulator.resolve_message(question["to"], question.get("from") or None).together
    if what == "route":
        return simulator._resolver.resolve(question["address"], question["sender"])
    if what == "rewrite":
        remote = question["rule"] == "remote"
        return simulator._rewriting.external(question["address"], remote=remote)
    client = question["client"].removeprefix("IPV6:")
    name = question.get("name", "[UNAVAILABLE]")
    return simulator.sender_check(
        question.get("login") or "",
        question["from"],
        f"{'unknown' if name == '[UNAVAILABLE]' else name}[{client}]",
        question["to"],
        question.get("helo", "client.example"),
        smtputf8=question.get("smtputf8", False),
    )


def _answers(simulator: Simulator, question: dict[str, Any], answer: Any) -> tuple[Any, Any]:
    """Returns Postfix's answer and ours in a comparable form."""
    ours = _ours(simulator, question)
    what = question["do"]
    if what == "rewrite":
        return answer, ours
    if what == "sender":
        return answer, ours.reply
    if what == "route":
        return _real_route(answer), _our_route(ours)
    sender = unquote(question.get("from", ""))
    replies = [simulator._rcpt(to, sender, smtputf8=False) for to in question["to"]]
    rcpt = [getattr(reply, "line", "250 2.1.5 Ok") for reply in replies]
    if rcpt != answer["rcpt"]:
        return answer["rcpt"], rcpt
    data = answer["data"]
    if data is None or not data.startswith("2"):
        return data, ours.reply if data else None
    real = [(r["raw"], *_real_recipient(r["route"])) for r in answer["recipients"]]
    mine = [
        (
            "" if r.address == "<>" else unquote(r.address),
            r.address_class if r.dsn not in {"5.1.3", "4.3.0"} else None,
            r.transport,
            r.nexthop,
        )
        for r in ours.recipients
    ]
    return real, mine


def _class(flags: int) -> str | None:
    return next((name for bit, name in _CLASSES.items() if flags & bit), None)


def _real_recipient(reply: list[Any]) -> tuple[str | None, str, str]:
    flags, transport, nexthop, _ = reply
    if flags & _FAIL:
        return None, "retry", "4.3.0 address resolver failure"
    if flags & _ERROR:
        return None, "error", "5.1.3 bad address syntax"
    dsn = nexthop.split(" ")[0] if transport in {"error", "retry"} else ""
    return (None if dsn in {"5.1.3", "4.3.0"} else _class(flags)), transport, nexthop


def _real_route(reply: list[Any]) -> tuple[Any, ...]:
    flags, transport, nexthop, recipient = reply
    if flags & _FAIL:
        return ("fail",)
    if flags & _ERROR and transport == "CHANNEL NOT UPDATED":
        return "error", _class(flags), recipient
    return (
        "error" if flags & _ERROR else "ok",
        _class(flags), bool(flags & _ROUTED), transport, nexthop, recipient,
    )  # fmt: skip


def _our_route(route: Any) -> tuple[Any, ...]:
    if route.failed:
        return ("fail",)
    name = route.address_class.value if route.address_class else None
    if route.bad_syntax and not route.transport:
        return "error", name, route.recipient
    return (
        "error" if route.bad_syntax else "ok",
        name, route.routed, route.transport, route.nexthop, route.recipient,
    )  # fmt: skip


def scannable(address: str) -> bool:
    """Whether an address in external form has a token: trivial-rewrite dies of one that has none."""
    return not address or bool(scan(address))
