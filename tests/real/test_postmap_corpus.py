"""The written cases of corpus/tables: ours and the real postmap say the same about each."""

import json
import os
from pathlib import Path

import yaml

from mailldap.directory.open import session_opener
from tests.real.postmap import Case, Comparison

RECORD = os.environ.get("MAILLDAP_RECORD")
CORPUS = Path(__file__).parent / "corpus" / "tables"
LEVEL = "compatibility_level = 3.6\n"


def ldap_cases(name: str) -> tuple[bytes, list[Case]]:
    """The directory, and a case for each entry of a corpus file; see corpus/tables/ldap.yaml."""
    document = yaml.safe_load((CORPUS / name).read_text())
    cases = []
    for title, case in document["cases"].items():
        values = {**document["common"], **case.get("set", {})}
        text = "".join(f"{k} = {v}\n" for k, v in values.items() if v is not None)
        cases.append(
            Case(
                title,
                case.get("keys", document["keys"]),
                case.get("maps", ["ldap:{dir}/x.cf"]),
                {"x.cf": case.get("raw", text), **case.get("files", {})},
                LEVEL + case.get("main", ""),
                fold=case.get("fold", True),
                warnings=case.get("warnings", True),
            )
        )
    return (CORPUS / document["ldif"]).read_bytes(), cases


def text_cases(name: str) -> list[Case]:
    document = yaml.safe_load((CORPUS / name).read_text())
    return [Case(title, **{"main": LEVEL, **case}) for title, case in document["cases"].items()]


def test_tables_without_server(lab):
    check(Comparison(lab, session_opener()), text_cases("text.yaml"), "text.recorded.json")


def test_ldap(lab, slapd):
    ldif, cases = ldap_cases("ldap.yaml")
    slapd.reset(ldif)
    check(Comparison(lab, session_opener(), slapd.uri), cases, "ldap.recorded.json")


def check(comparison: Comparison, cases: list[Case], recording: str) -> None:
    """Compare; what the real postmap said must also be what tests/tables replays.

    MAILLDAP_RECORD=1 writes it anew.
    """
    differences = comparison.run(cases)
    assert not differences, "\n".join(differences)
    path = CORPUS / recording
    if RECORD:
        path.write_text(json.dumps(comparison.recorded, indent=1) + "\n")
    assert json.loads(path.read_text()) == comparison.recorded
