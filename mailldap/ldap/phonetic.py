"""The approximate match of text (``~=``) as OpenLDAP does it: word by word, by Metaphone.

Metaphone (Lawrence Philips, 1990) writes an English word as its consonants' sounds; slapd keeps
the first four and has a few rules of its own, which are kept here, odd ones included.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_MAX_SOUNDS = 4
_MAX_LETTERS = 31
_WORD = re.compile("[A-Za-z]*")
_VOWELS = frozenset("AEIOU")
_FRONT = frozenset("EIY")
_KEPT = frozenset("FJLMNR")
#: Letters after which H is silent.
_SILENCE_H = frozenset("CGPST")
_FIRST = {"PN": "N", "KN": "N", "GN": "N", "AE": "E", "WR": "R", "WH": "W"}


def sounds_like(value: bytes, asserted: bytes) -> bool:
    """Tell whether the words of *asserted* sound like words of *value*, in the same order."""
    spoken = [_sounds(word) for word in ascii_of(value).split(" ")]
    at = 0
    for word in ascii_of(asserted).split(" "):
        if not word:
            continue
        try:
            at = spoken.index(_sounds(word), at) + 1
        except ValueError:
            return False
    return at > 0


def ascii_of(value: bytes) -> str:
    """Return *value* decomposed, without what is not ASCII then: é is e, ß is nothing."""
    text = value.decode("utf-8", "ignore")
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return text


@lru_cache(maxsize=4096)
def _sounds(word: str) -> str:
    """Return the Metaphone of the letters that *word* begins with."""
    match = _WORD.match(word)
    letters = match[0].upper()[:_MAX_LETTERS] if match else ""
    letters = _FIRST.get(letters[:2], letters[:2]) + letters[2:]
    if letters.startswith("X"):
        letters = "S" + letters[1:]
    sounds = ""
    at = 0
    while at < len(letters) and len(sounds) < _MAX_SOUNDS:
        letter = letters[at]
        if letter == "X" and at:
            # The letter after an X is spent on the S of its KS.
            sounds += "KS"
            at += 1
        elif letter == "C" or letters[at - 1 : at] != letter:
            sounds += _sound(letters, at)
        at += 1
    return sounds[:_MAX_SOUNDS]


def _sound(letters: str, at: int) -> str:  # noqa: PLR0911  one return a letter
    """Return what the letter there adds to the sounds: one of them, or nothing."""
    letter = letters[at]
    before, after, second = letters[at - 1 : at], letters[at + 1 : at + 2], letters[at + 2 : at + 3]
    if letter in _KEPT or (at == 0 and letter in _VOWELS):
        return letter
    match letter:
        case "B":
            return "B" if not after and before != "M" else ""
        case "C":
            return _sound_of_c(before, after, second, at)
        case "D":
            return "J" if after == "G" and second in _FRONT else "T"
        case "G":
            silent = (
                (after == "J" and second not in _VOWELS)
                or letters[at + 1 : at + 4] == "NED"
                or (before == "D" and after in _FRONT)
            )
            return "" if silent else "G" if after in _FRONT and second != "G" else "K"
        case "H":
            heard = before not in _SILENCE_H and (before not in _VOWELS or after in _VOWELS)
            return "H" if heard else ""
        case "K":
            return "K" if before != "C" else ""
        case "P":
            return "F" if after == "H" else "P"
        case "S":
            return "X" if after == "H" or letters[at + 1 : at + 3] in {"IO", "IA"} else "S"
        case "T":
            return _sound_of_t(after, second)
        case "W" | "Y":
            return letter if after in _VOWELS else ""
    return {"Q": "K", "V": "F", "X": "S", "Z": "S"}.get(letter, "")


def _sound_of_c(before: str, after: str, second: str, at: int) -> str:
    if before == "S" and after in _FRONT:
        return ""
    if after == "I" and second == "A":
        return "X"
    if after in _FRONT:
        return "S"
    if after == "H":
        return "K" if before == "S" or (at == 0 and second not in _VOWELS) else "X"
    return "K"


def _sound_of_t(after: str, second: str) -> str:
    if after == "I" and second in {"O", "A"}:
        return "X"
    if after == "H":
        return "0"
    return "" if after == "C" and second == "H" else "T"
