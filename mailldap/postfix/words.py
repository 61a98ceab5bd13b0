"""How Postfix takes text apart: white space, lists, braces, names and values, letter case.

All of it is about bytes below 128; other characters of the ``surrogateescape`` text are never
white space and never a delimiter, whatever Unicode thinks of them.
"""

from __future__ import annotations

#: isspace(3) in the C locale.
SPACE = " \t\n\v\f\r"
#: Word separators of Postfix's lists.
COMMA_SPACE = ", \t\r\n"
#: Word separators where commas are text.
BLANKS = " \t\r\n"


def c_string(text: str) -> str:
    """Return *text* as C sees it: up to the first NUL."""
    return text.partition("\0")[0]


def split_list(text: str, separators: str = COMMA_SPACE) -> list[str]:
    """Return the words of a list; empty ones do not exist."""
    for separator in separators[1:]:
        text = text.replace(separator, separators[0])
    return [word for word in text.split(separators[0]) if word]


def next_word(text: str, separators: str = COMMA_SPACE) -> tuple[str, str] | None:
    """Return the first word and what follows its separator, or None when there is no word.

    Separators inside ``{…}`` belong to the word; braces need not balance.
    """
    text = text.lstrip(separators)
    if not text:
        return None
    level = 0
    for position, character in enumerate(text):
        if character == "{":
            level += 1
        elif character == "}" and level:
            level -= 1
        elif not level and character in separators:
            return text[:position], text[position + 1 :]
    return text, ""


def split_braced(text: str, separators: str = COMMA_SPACE) -> list[str]:
    """Return the words of a list in which ``{…}`` protects separators."""
    if "{" not in text:
        return split_list(text, separators)
    words = []
    while (step := next_word(text, separators)) is not None:
        word, text = step
        words.append(word)
    return words


def balanced(text: str) -> int:
    """Return the length of the ``{…}`` at the start of *text*; 0 when there is none."""
    if not text.startswith("{"):
        return 0
    level = 0
    for position, character in enumerate(text):
        if character == "{":
            level += 1
        elif character == "}":
            level -= 1
            if not level:
                return position + 1
    return 0


def unbrace(text: str, *, strip: bool) -> tuple[str, str | None]:
    """Return the text inside ``{…}``, and Postfix's complaint where the braces are wrong.

    *strip* drops white space next to the braces.
    """
    error = None
    if not text.startswith("{"):
        error = f"no '{{' at start of text in \"{text}\""
        inside = text
    elif not (length := balanced(text)):
        error = f"missing '}}' in \"{text}\""
        inside = text[1:]
    else:
        if length < len(text):
            error = f"syntax error after '}}' in \"{text}\""
        inside = text[1 : length - 1]
    return (inside.strip(SPACE) if strip else inside), error


def split_assignment(text: str) -> tuple[str, str] | str:
    """Return name and value of a logical line ``name = value``, or Postfix's complaint."""
    text = c_string(text)
    start = text.lstrip(SPACE)
    if not start or start.startswith("="):
        return "missing attribute name"
    end = next((i for i, c in enumerate(start) if c in SPACE or c == "="), len(start))
    rest = start[end:].lstrip(SPACE)
    if not rest.startswith("="):
        return "missing '=' after attribute name"
    return start[:end], rest[1:].strip(SPACE)


def split_key(text: str) -> tuple[str, str] | None:
    """Return the key and the rest of a table line, or None where a quote stays open.

    The key ends at the first white space outside double quotes; a backslash protects the next
    character. Quotes and backslashes stay in the key. Source: postmap(1), TABLE FILE FORMAT.
    """
    end, closed = _end_of_quoted(text, SPACE)
    if not closed:
        return None
    return text[:end], text[end + 1 :].strip(SPACE)


def split_quoted_assignment(text: str) -> tuple[str, str] | str:
    """Return key and value of ``key = value`` with a possibly quoted key, or a complaint."""
    start = text.lstrip(SPACE)
    if not start:
        return "no key found; expected format: key = value"
    end, closed = _end_of_quoted(start, SPACE + "=")
    if not closed:
        return "unbalanced '\"'"
    rest = start[end:].lstrip(SPACE)
    if not rest.startswith("="):
        return "missing '=' after attribute name"
    return start[:end], rest[1:].strip(SPACE)


def _end_of_quoted(text: str, ends: str) -> tuple[int, bool]:
    """Return where an unquoted character of *ends* stands, and whether all quotes closed."""
    quoted = False
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
            if position >= len(text):
                break
        elif character in ends:
            if not quoted:
                break
        elif character == '"':
            quoted = not quoted
        position += 1
    return min(position, len(text)), not quoted


def lower_ascii(text: str) -> str:
    """Return *text* with A to Z in lower case and nothing else changed."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogateescape").lower().decode("utf-8", "surrogateescape")


def fold(text: str, *, utf8: bool) -> str:
    """Return *text* as Postfix compares it: Unicode full case folding, or ASCII only.

    With *utf8* the folding is ICU's default one, without the Turkic exceptions; bytes that are
    not UTF-8 stay as they are.
    """
    return text.casefold() if utf8 and not text.isascii() else lower_ascii(text)


def is_utf8(text: str) -> bool:
    """Return whether the bytes behind *text* are UTF-8 as RFC 3629 has it."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def number_of(digits: str) -> int:
    """Return the number that decimal digits spell; all that C cannot hold are one, beyond 2**64.

    int() refuses texts of thousands of digits, zeros in front included.
    """
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= 20 else 10**20


def to_int(text: str) -> int | None:
    """Return the C int that strtol(3) reads from the whole of *text*, or None."""
    digits = text.lstrip(SPACE)
    number = digits[1:] if digits[:1] in {"+", "-"} else digits
    if not (number.isascii() and number.isdigit()):
        return None
    value = -number_of(number) if digits.startswith("-") else number_of(number)
    return value if -(2**31) <= value < 2**31 else None


def to_bool(text: str) -> bool | None:
    """Return what ``yes`` or ``no`` in any case means, or None."""
    return {"yes": True, "no": False}.get(lower_ascii(text))
