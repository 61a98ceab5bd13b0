"""The written cases, answered as the real Postfix answered when they were recorded."""

import pytest

from tests.real import postfix_corpus
from tests.real.postfix_compare import differences

CASES = [
    pytest.param(name, case, id=f"{name}: {case.name}")
    for name in postfix_corpus.names()
    for case in postfix_corpus.cases(name)
]
RECORDED = {name: postfix_corpus.recorded(name) for name in postfix_corpus.names()}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_answers_are_those_of_postfix(name, case) -> None:
    real = RECORDED[name][case.name]
    assert len(real["answers"]) == len(case.ask)
    assert not "\n".join(map(str, differences(case, real)))


def test_the_recordings_tell_different_answers_apart() -> None:
    """A comparison that accepted anything would accept the answers of the neighbour."""
    for name in postfix_corpus.names():
        for case in postfix_corpus.cases(name):
            answers = RECORDED[name][case.name]["answers"]
            shifted = answers[1:] + answers[:1]
            expected = sum(
                a != b and case.ask[0]["do"] == question["do"]
                for a, b, question in zip(answers, shifted, case.ask, strict=True)
            )
            if expected > 2 and len({q["do"] for q in case.ask}) == 1:
                assert list(differences(case, {"answers": shifted})), case.name
