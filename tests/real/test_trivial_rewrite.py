"""Class, transport, next hop and rewriting: the real trivial-rewrite beside `route`."""

from tests.real.postfix_generate import route_case
from tests.real.test_cleanup import check_generated, check_recordings


def test_recordings_are_what_trivial_rewrite_answers(lab) -> None:
    check_recordings(lab, "classes")


def test_generated_routes(lab) -> None:
    check_generated(lab, route_case)
