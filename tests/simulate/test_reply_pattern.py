"""Patterns behind ``=`` of a DNS list: which of them end smtpd."""

import pytest

from mailldap.errors import ConfigError
from mailldap.simulate.reply_pattern import require_pattern

#: tests/real/test_smtpd.py shows both to the real one.
GOOD = [
    "0" * 5000 + "7.0.0.[" + "0" * 5000 + "2..4]",
    "127.0.0.2", "127.0.0.[2;4..7]", "[127.0.0.2]", "[127].[0].0.[1..1]", "007.0000.1.255",
    "[127.0.0.[2;3]]", "[1;2].0.0.[3]",
]  # fmt: skip
BAD = [
    "", "127.0.0", "127.0.0.256", "127.0.0.1.2", "127.0.0.[4..2]", "127.0.0.[]", "[127.0.0.2",
    "127.0.0.[2,3]", "127.0.0.[2;]", "1.2.3.4 ", "450}", "127.0.0.[1..]", "[]", "1.2.3.4=5",
    "127.0.0.[2.3]", "[1.2.3.4]x",
]  # fmt: skip


@pytest.mark.parametrize("pattern", GOOD)
def test_patterns(pattern) -> None:
    require_pattern(f"list.example={pattern}")
    require_pattern("list.example")


@pytest.mark.parametrize("pattern", BAD)
def test_no_patterns(pattern) -> None:
    with pytest.raises(ConfigError, match="RBL reply error"):
        require_pattern(f"list.example={pattern}")
