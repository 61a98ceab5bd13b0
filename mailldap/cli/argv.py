"""Global options, accepted before the noun and after the verb alike.

``mailldap -o json alias list`` and ``mailldap alias list -o json`` are the same command. Click
knows options per command only, so the global ones are moved to the front before it looks.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Global options that take a value, and those that take none; short ones as the OpenLDAP tools
#: have them.
_SHORT_WITH_VALUE = ("-H", "-D", "-y", "-b", "-Y", "-o")
_LONG_WITH_VALUE = frozenset(
    {
        "--uri",
        "--bind-dn",
        "--password-file",
        "--base",
        "--sasl",
        "--output",
        "--profile",
        "--config",
        "--schema",
    }
)
_FLAGS = frozenset(
    {
        "-W",
        "--ask-password",
        "-Z",
        "--start-tls",
        "-ZZ",
        "--require-tls",
        "-n",
        "--dry-run",
        "-v",
        "--verbose",
        "--allow-cleartext-password",
    }
)


def hoist(argv: Sequence[str]) -> list[str]:
    """Return *argv* with the global options first; nothing behind ``--`` is touched."""
    front: list[str] = []
    rest: list[str] = []
    position = 0
    while position < len(argv):
        word = argv[position]
        if word == "--":
            rest += argv[position:]
            break
        length = _length(word)
        (front if length else rest).extend(argv[position : position + max(length, 1)])
        position += max(length, 1)
    return front + rest


def _length(word: str) -> int:
    """Return how many words a global option takes: 0 when *word* is none."""
    if word in _FLAGS:
        return 1
    if word in _LONG_WITH_VALUE or word in _SHORT_WITH_VALUE:
        return 2
    name, equals, _ = word.partition("=")
    if equals and name in _LONG_WITH_VALUE:
        return 1
    # -Hldap://…, -ojson: a value glued to its option
    return 1 if word.startswith(_SHORT_WITH_VALUE) and not word.startswith("--") else 0
