"""Alias expansion: real smtpd and cleanup, the queue file read back, beside `resolve`."""

import os
import random

import pytest

from tests.real import postfix_corpus
from tests.real.postfix_compare import ask, compare
from tests.real.postfix_generate import resolve_case

# Read here: a test sees an environment without them.
RECORD = "MAILLDAP_RECORD" in os.environ
FUZZING = "MAILLDAP_FUZZ" in os.environ
CONFIGURATIONS = int(os.environ.get("MAILLDAP_FUZZ") or 60)
START = int(os.environ.get("MAILLDAP_SEED") or (random.randrange(10**6) if FUZZING else 1))


@pytest.mark.parametrize("name", ["aliases", "recipients", "howtos"])
def test_recordings_are_what_postfix_answers(lab, name) -> None:
    check_recordings(lab, name)


def check_recordings(lab, name: str) -> None:
    cases = postfix_corpus.cases(name)
    answers = ask(lab, cases)
    for case, answer in zip(cases, answers, strict=True):
        assert "error" not in answer, (case.name, answer)
    found = {case.name: answer for case, answer in zip(cases, answers, strict=True)}
    if RECORD:
        postfix_corpus.record(name, found)
    recorded = postfix_corpus.recorded(name)
    assert recorded.keys() == found.keys()
    for case, answer in found.items():
        assert [_without_id(a) for a in answer["answers"]] == [
            _without_id(a) for a in recorded[case]["answers"]
        ], case


def _without_id(answer):
    """A queue file has a name of its own each time."""
    if isinstance(answer, dict) and (answer["data"] or "").startswith("2"):
        return {**answer, "data": "queued"}
    return answer


def check_generated(lab, make) -> None:
    seeds = range(START, START + CONFIGURATIONS)
    print(f"{make.__name__}: MAILLDAP_SEED={START} MAILLDAP_FUZZ={CONFIGURATIONS}")
    for first in range(0, len(seeds), 100):
        found = compare(lab, [make(seed) for seed in seeds[first : first + 100]])
        assert not found, f"seed {START}: {len(found)} differences, first\n{found[0]}"


def test_generated_expansions(lab) -> None:
    check_generated(lab, resolve_case)
