"""The steps between questions: what was done to an address, by which rule, in which order."""

import pytest

from mailldap.postfix.main_cf import MainCf
from mailldap.simulate.simulator import Simulator
from mailldap.tables.base import TableContext

MAIN = """
compatibility_level = 3.6
myhostname = mail.example.com
mydomain = example.com
myorigin = example.com
mydestination = example.com
local_recipient_maps =
recipient_delimiter = +
virtual_alias_domains = a.example
"""


def simulator(*lines):
    main = MainCf.parse(MAIN + "".join(f"{line}\n" for line in lines))
    context = TableContext(open_session=lambda _p: pytest.fail("asked"), parameter=main.lookup)
    return Simulator(main, context)


def steps(address, *lines):
    found = simulator(*lines).resolve(address)
    assert all(0 <= step.lookups <= len(found.trace) for step in found.steps)
    assert [s.lookups for s in found.steps] == sorted(s.lookups for s in found.steps)
    return [(s.kind, s.rule, s.before, ", ".join(s.after), s.level) for s in found.steps]


APPEND = "append_at_myorigin"
MAPS = "virtual_alias_maps"
PROPAGATE = "propagate_unmatched_extensions"


@pytest.mark.parametrize(
    ("address", "rule", "after"),
    [
        ("ann", APPEND, "ann@example.com"),
        ("site!ann", "swap_bangpath", "ann@site"),
        ("ann%b.example", "allow_percent_hack", "ann@b.example"),
        ("ann@b.example.", "trailing dot dropped", "ann@b.example"),
        ("<@r.example:ann@b.example>", "source route dropped", "ann@b.example"),
    ],
)
def test_rewriting_names_its_parameter(address, rule, after):
    assert steps(address) == [("rewrite", rule, address.strip("<>"), after, 0)]


def test_two_rules_are_one_step():
    assert steps("ann%host", "append_dot_mydomain = yes") == [
        (
            "rewrite",
            "allow_percent_hack, append_dot_mydomain",
            "ann%host",
            "ann@host.example.com",
            0,
        )
    ]


def test_an_address_that_is_as_it_should_be_has_no_steps():
    assert steps("ann@b.example") == []


def test_expansion_tells_levels_extensions_and_identity():
    table = (
        "virtual_alias_maps = inline:{ team@a.example=ann, ann@example.com=sue@a.example, "
        "{ sue@a.example = sue@a.example, x@b.example } }"
    )
    assert steps("team+x@a.example", table) == [
        ("rewrite", APPEND, "ann", "ann@example.com", 0),
        ("extension", PROPAGATE, "ann@example.com", "ann+x@example.com", 0),
        ("alias", MAPS, "team+x@a.example", "ann+x@example.com", 1),
        ("extension", PROPAGATE, "sue@a.example", "sue+x@a.example", 0),
        ("alias", MAPS, "ann+x@example.com", "sue+x@a.example", 2),
        ("extension", PROPAGATE, "x@b.example", "x+x@b.example", 0),
        ("alias", MAPS, "sue+x@a.example", "sue+x@a.example, x+x@b.example", 3),
        ("identity", MAPS, "sue+x@a.example", "sue+x@a.example", 3),
    ]


def test_an_extension_that_is_left_out_is_told():
    lines = ("virtual_alias_maps = inline:{t@a.example=x@b.example}", f"{PROPAGATE} =")
    assert steps("t+y@a.example", *lines) == [
        ("extension", PROPAGATE, "x@b.example", "x@b.example", 0),
        ("alias", MAPS, "t+y@a.example", "x@b.example", 1),
    ]


def test_domains_copies_and_duplicates():
    found = steps(
        "t@a.example",
        "virtual_alias_maps = inline:{ @a.example=@b.example }",
        "recipient_bcc_maps = inline:{ t@a.example=t@b.example }",
        "enable_original_recipient = no",
    )
    assert found == [
        ("domain", f"{MAPS}: a domain keeps the local part", "@b.example", "t@b.example", 0),
        ("alias", MAPS, "t@a.example", "t@b.example", 1),
        ("copy", "recipient_bcc_maps", "t@a.example", "t@b.example", 0),
        ("duplicate", "duplicate_filter_limit", "t@b.example", "", 0),
    ]


def test_canonical_maps_and_masquerading():
    found = steps(
        "old@example.com",
        "recipient_canonical_maps = inline:{ old@example.com=new@h.b.example }",
        "masquerade_domains = b.example",
        "masquerade_classes = envelope_recipient",
    )
    assert found == [
        ("canonical", "recipient_canonical_maps", "old@example.com", "new@h.b.example", 1),
        ("masquerade", "masquerade_domains", "new@h.b.example", "new@b.example", 0),
    ]


def test_route_tells_what_the_resolver_makes_of_an_address():
    found = simulator().route("a%b.example@example.com")
    assert [(s.before, s.after) for s in found.steps] == [
        ("a%b.example@example.com", ("a@b.example",))
    ]


def test_each_query_has_its_own_steps():
    postfix = simulator()
    assert postfix.resolve("ann").steps
    assert postfix.resolve("ann@example.com").steps == ()
