"""Answers of the real programs, recorded, and mailldap's to the same questions.

The replay needs no container: directory.ldif stands in for the servers.
"""

import pytest

from tests.real.replay.ask import Asker
from tests.real.replay.cases import FAMILIES, Place, load
from tests.real.replay.record import directory, empty, record


def disagreements(family: str, cases: list[dict], asker: Asker, folder, uri: str) -> list[str]:
    found = []
    for case in cases:
        place = Place(family, case, folder / case["name"], uri)
        for question, real in case["ask"]:
            ours = asker(family, place, question)
            if ours != real:
                found.append(f"{case['name']}: {question!r}\n  real {real!r}\n  ours {ours!r}")
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_recorded_answers_are_given(family: str, tmp_path) -> None:
    uri = "ldap://127.0.0.1:1"
    (tmp_path / "directory.ldif").write_bytes(directory(uri))
    cases = [case for case in load(family)["cases"] if case.get("servers") != "slapd"]
    asker = Asker(f"ldif:{tmp_path}/directory.ldif")
    found = disagreements(family, cases, asker, tmp_path, uri)
    assert not found, f"{len(found)} of {family} differ:\n" + "\n".join(found)


def test_the_recordings_are_the_real_programs(lab, slapd) -> None:
    """Of postmap; those of the daemons are made anew by hand (record.py), and by test_cleanup."""
    if lab.container is None:
        pytest.skip("recorded in containers only")
    cases = load("lookups")["cases"]
    new = record("lookups", cases, lab, slapd)
    changed = [
        f"{case['name']}: {question!r}\n  recorded {old!r}\n  now {now!r}"
        for case, pairs in zip(cases, new, strict=True)
        for (question, old), (_, now) in zip(case["ask"], pairs, strict=True)
        if old != now
    ]
    assert not changed, "\n".join(changed)


def test_servers_are_asked_as_recorded(slapd, tmp_path) -> None:
    """The cases in which the server itself matters, and every other over the wire."""
    slapd.reset(directory(slapd.uri))
    try:
        found = [
            line
            for family in ("lookups", "expansions")
            for line in disagreements(
                family, _with_tables(family), Asker(), tmp_path / family, slapd.uri
            )
        ]
    finally:
        empty(slapd)
    assert not found, "\n".join(found)


def _with_tables(family: str) -> list[dict]:
    return [case for case in load(family)["cases"] if "@URI@" in str(case) or "cf" in case]


def test_every_case_has_a_name_of_its_own_and_answers() -> None:
    for family in FAMILIES:
        cases = load(family)["cases"]
        assert len({case["name"] for case in cases}) == len(cases) > 50
        assert all(case["ask"] for case in cases)
        if family in {"expansions", "routes"}:  # where null is no answer
            assert all(answer is not None for case in cases for _, answer in case["ask"])
