"""Any main.cf: the mend keeps what every parameter means, and every byte that it need not touch."""

import re
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailldap.audit.check import check
from mailldap.audit.fix import plan_fixes
from mailldap.postfix.main_cf import MainCf
from tests.audit.sets import CLEAN, LOGIN, MAIN, write

WORDS = st.sampled_from([
    "permit_mynetworks", "permit_sasl_authenticated", "permit", "reject_unauth_destination",
    "reject_sender_login_mismatch", "reject_known_sender_login_mismatch", "reject",
    "check_sender_access hash:/x", "warn_if_reject reject_authenticated_sender_login_mismatch",
])  # fmt: skip
GAPS = st.sampled_from([", ", ",", " ", "\n  ", ",\n\t", " ,\n# note\n  ", ",\n\n  # note\n  "])


@st.composite
def restriction_lists(draw):
    text = "smtpd_recipient_restrictions =" + draw(st.sampled_from([" ", "", "\n  "]))
    words = draw(st.lists(WORDS, min_size=1, max_size=7))
    text += "".join(w + draw(GAPS) for w in words[:-1]) + words[-1]
    return text + draw(st.sampled_from(["\n", "", "\n# end\n", ",\n", "\nbiff = no\n"]))


def restrictions(text: str) -> list[str]:
    value = MainCf.parse(text).explicit("smtpd_recipient_restrictions")
    return value.replace(",", " ").split()


def mended(tmp_path: Path, text: str) -> str:
    """What the mend makes of a main.cf."""
    folder = write(tmp_path, {**CLEAN, "main.cf": text})
    changes = {c.path.name: c.content.decode() for c in plan_fixes(folder).changes}
    assert set(changes) <= {"main.cf"}
    after = changes.get("main.cf", text)
    write(tmp_path, {"main.cf": after})
    return after


ANY = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None
)


@ANY
@given(restriction_lists(), st.booleans())
def test_restrictions_only_change_places(tmp_path, text, crlf):
    text = (MAIN + LOGIN + text).replace("\n", "\r\n" if crlf else "\n")
    after = mended(tmp_path, text)
    old, new = restrictions(text), restrictions(after)

    def checks(words):
        return [w for w in words if "mismatch" in w or w == "warn_if_reject"]

    def others(words):
        return [w for w in words if w not in checks(words)]

    assert checks(new) == checks(old)
    assert others(new) == others(old)
    assert "permit-before-mismatch" not in {f.code for f in check(tmp_path)}
    kept = [line for line in text.splitlines() if line.startswith("#") or "note" in line]
    assert [line for line in after.splitlines() if line in kept] == kept


VALUES = st.text(alphabet="abc,#{}= \t$", max_size=12)


@ANY
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["relay_domains", "mynetworks", "nonsense", "biff", "relayhost"]),
            st.lists(VALUES, min_size=1, max_size=3),
        ),
        max_size=4,
    )
)
def test_any_file_is_mended_once_and_loses_no_comment(tmp_path, lines):
    text = "".join(f"{name} = " + "\n  ".join(values) + "\n" for name, values in lines)
    after = mended(tmp_path, MAIN + text)
    assert sorted(re.findall(r"[abc]", after)) == sorted(re.findall(r"[abc]", MAIN + text))
    assert plan_fixes(tmp_path).changes == ()
    assert {"inline-comment", "unknown-parameter"}.isdisjoint(f.code for f in check(tmp_path))
