"""Tables that nobody has thought of: ours and the real postmap say the same about each key."""

import random

import pytest

from mailldap.directory.open import session_opener
from tests.real import generate_ldap, generate_text
from tests.real.postmap import Comparison
from tests.real.seeds import seeds


@pytest.mark.parametrize("seed", seeds(3, 80))
def test_ldap_tables(lab, slapd, seed):
    rng = random.Random(seed)
    slapd.reset(generate_ldap.directory(rng, slapd.uri))
    comparison = Comparison(lab, session_opener(), slapd.uri)
    cases = [generate_ldap.case(rng, f"seed {seed}, case {number}") for number in range(80)]
    assert_same(comparison.run(cases))


@pytest.mark.parametrize("seed", seeds(2, 110))
def test_tables_without_server(lab, seed):
    rng = random.Random(seed)
    cases = [generate_text.case(rng, f"seed {seed}, case {number}") for number in range(110)]
    assert_same(Comparison(lab, session_opener()).run(cases))


def assert_same(differences: list[str]) -> None:
    assert not differences, f"{len(differences)} tables differ\n" + "\n".join(differences[:20])
