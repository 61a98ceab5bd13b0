"""Global options, accepted before the noun and after the verb alike.

``mailldap -o json alias list`` and ``mailldap alias list -o json`` are the same command. The
parser knows options per command only, so the global ones are moved to the front before it looks.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailldap.errors import UsageError

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
_SHORT_FLAGS = frozenset("WZnv")
_LONG_FLAGS = frozenset(
    {
        "--ask-password",
        "--start-tls",
        "--require-tls",
        "--dry-run",
        "--verbose",
        "--allow-cleartext-password",
    }
)
#: Options of single commands that take a value: the word behind one is never a global option.
_LOCAL_WITH_VALUE = frozenset(
    {
        "-a",
        "--address",
        "-c",
        "--client",
        "--deliver",
        "--dir",
        "--form",
        "--helo",
        "--name",
        "--postfix-version",
        "-r",
        "--rejects",
        "--routing",
        "--sender",
        "--service",
        "-t",
        "--table",
        "--to",
    }
)


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the global options of *argv* and all other words, each in their order.

    Nothing behind ``--`` is touched. The first of the other words is the noun; ``help`` in its
    place is ``--help`` at the end. Raises UsageError for an option at the end whose value is
    missing.
    """
    front: list[str] = []
    rest: list[str] = []
    position = 0
    while position < len(argv):
        word = argv[position]
        if word == "--":
            rest += argv[position:]
            break
        length = _length(word)
        if length > len(argv) - position:
            raise UsageError(f"{word} needs a value", hint="`mailldap --help` shows what there is")
        taken = length or (2 if word in _LOCAL_WITH_VALUE else 1)
        (front if length else rest).extend(argv[position : position + taken])
        position += taken
    if rest[:1] == ["help"]:
        rest = [*rest[1:], "--help"]
    return front, rest


def _length(word: str) -> int:
    """Return how many words a global option takes: 0 when *word* is none."""
    if word in _LONG_FLAGS:
        return 1
    if word in _LONG_WITH_VALUE or word in _SHORT_WITH_VALUE:
        return 2
    if word.startswith("--"):
        name, equals, _ = word.partition("=")
        return 1 if equals and name in _LONG_WITH_VALUE else 0
    # -Hldap://…, -ojson: a value glued to its option; -nv: several flags in one word
    flags = word[1:]
    cluster = word.startswith("-") and flags and set(flags) <= _SHORT_FLAGS
    return 1 if cluster or word.startswith(_SHORT_WITH_VALUE) else 0
