"""Where libpcre2 is not installed, Python's re stands in for what means the same to both."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.tables import perl_regex
from mailldap.tables.perl_regex import (
    CASELESS,
    DOTALL,
    MULTILINE,
    UNGREEDY,
    PerlError,
    _library,
    _Pcre2,
    _Python,
    compile_pattern,
)

needs_pcre = pytest.mark.skipif(_library() is None, reason="libpcre2 is not installed")
PIECES = st.sampled_from(
    ["a", "b", "X", "@", ".", "^", "$", "(a)", "(b|ab)", "(?:a|b)", "[a-c]", "[^@.]", "*", "+", "?", "*?", "{2}", "{1,2}",
     "|", "\\.", "\\d", "\\w+", "\\b", "(?=a)", "(?!b)", "\\/", " ", "(a*)(ab)*", "[\\d.]", "\\A", "-", "[x-]", "é"]
)  # fmt: skip


@needs_pcre
@given(
    st.lists(PIECES, min_size=1, max_size=5).map("".join),
    st.text(alphabet="abcXx@.1 \n-", max_size=8),
    st.sampled_from([0, CASELESS, CASELESS | DOTALL, CASELESS | DOTALL | MULTILINE]),
)
def test_what_is_accepted_means_the_same(pattern, text, options):
    try:
        ours = _Python(pattern.encode(), options)
    except PerlError:
        return
    theirs = _Pcre2(_library(), pattern.encode(), options)
    assert ours.groups == theirs.groups
    assert cut(ours, text) == cut(theirs, text)


def cut(pattern, text: str) -> list[bytes] | None:
    spans = pattern.match(text.encode())
    return spans and [text.encode()[a:b] if 0 <= a < b else b"" for a, b in spans]


@pytest.mark.parametrize(
    ("pattern", "options"),
    [("(?<n>a)", 0), ("a", UNGREEDY), ("\\Qa\\E", 0), ("(?i)a", 0), ("\\h", 0), ("é", 0), ("[[:alpha:]]", 0), ("\\Z", 0)],
)  # fmt: skip
def test_what_is_not_the_same_is_refused(pattern, options):
    with pytest.raises(PerlError, match="needs libpcre2"):
        _Python(pattern.encode(), options)


def test_python_stands_in(monkeypatch):
    monkeypatch.setattr(perl_regex, "_library", lambda: None)
    compiled = compile_pattern(b"^(.*)@(.*)$", CASELESS)
    assert compiled.match(b"a@b") == [(0, 3), (0, 1), (2, 3)]
    with pytest.raises(PerlError, match="error in regex"):
        compile_pattern(b"(a", 0)
