"""The written cases of tests/simulate/corpus, and what a real Postfix answered to them.

`NAME.yaml` is written by hand; `NAME.json` is recorded (MAILLDAP_RECORD=1) from the real programs
and replayed wherever there are none.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.real.postfix_compare import SINK, STRANGER, Case, transported

CORPUS = Path(__file__).parent.parent / "simulate" / "corpus"


def names() -> list[str]:
    return sorted(path.stem for path in CORPUS.glob("*.yaml"))


def cases(name: str) -> list[Case]:
    """The written cases of one file."""
    data = yaml.safe_load((CORPUS / f"{name}.yaml").read_text("utf-8"))
    return [_case(data, item) for item in data["cases"]]


def _case(data: dict[str, Any], item: dict[str, Any]) -> Case:
    ask: list[dict[str, Any]] = []
    for to in item.get("resolve", ()):
        entry = to if isinstance(to, dict) else {"to": to if isinstance(to, list) else [to]}
        ask.append({"do": "resolve", "from": "", **entry})
    for pair in item.get("route", ()):
        address, sender = pair if isinstance(pair, list) else (pair, "")
        ask.append({"do": "route", "address": address, "sender": sender})
    for pair in item.get("rewrite", ()):
        address, rule = pair if isinstance(pair, list) else (pair, "local")
        ask.append({"do": "rewrite", "rule": rule, "address": address})
    for more in item.get("talk", ()):
        talk = {"login": None, "from": "u@elsewhere.example", "to": SINK, "client": STRANGER}
        ask.append({"do": "sender", **talk, **more})
    for login, sender, *client in item.get("sender", ()):
        address = client[0] if client else STRANGER
        ask.append({"do": "sender", "login": login, "from": sender, "to": SINK, "client": address})
    files = {**data.get("files", {}), **item.get("files", {})}
    made = {key: item[key] for key in ("postmap", "postalias") if key in item}
    return Case(item["name"], data["base"] + item["main"], ask, files, **made)


def recorded(name: str) -> dict[str, dict[str, Any]]:
    """What the real programs answered, by the name of the case."""
    path = CORPUS / f"{name}.json"
    return transported(json.loads(path.read_text("ascii")), back=True)


def record(name: str, answers: dict[str, dict[str, Any]]) -> None:
    """Keeps what the real programs answered, one line an answer."""
    lines = []
    for case, answer in transported(answers).items():
        items = ",\n  ".join(json.dumps(a) for a in answer["answers"])
        lines.append(f'{json.dumps(case)}: {{"answers": [\n  {items}\n]}}')
    (CORPUS / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "ascii")
