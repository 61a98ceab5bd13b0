"""Query and result templates: ``%s``, ``%u``, ``%d``, ``%S``, ``%U``, ``%D``, ``%1`` to ``%9``.

Source: ldap_table(5), query_filter, search_base and result_format; Postfix's db_common.c. What a
template demands of keys counts for all templates of a table together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

#: A template taken apart: literal texts, and directives as (letter,).
Parts = tuple[str | tuple[str], ...]


class TemplateError(Exception):
    """A ``%`` with nothing that Postfix knows after it."""


class Template(NamedTuple):
    """One template; ``dynamic`` says whether its expansion depends on the key."""

    text: str
    parts: Parts
    dynamic: bool


class Templates:
    """The templates of one table, and what they demand of keys and values."""

    def __init__(self) -> None:
        self.key_domain = False
        self.key_user = False
        self.value_domain = False
        self.value_user = False
        self.labels = 0

    def query(self, text: str) -> Template:
        """Return the parsed template of a filter or search base. Raises TemplateError."""
        template = _parse(text)
        for letter in _letters(template):
            self.key_user |= letter == "u"
            self.key_domain |= letter == "d"
        self._demands_of_key(template)
        return template

    def result(self, text: str) -> Template:
        """Return the parsed template of results. Raises TemplateError."""
        template = _parse(text)
        for letter in _letters(template):
            self.value_user |= letter == "u"
            self.value_domain |= letter == "d"
        self._demands_of_key(template)
        return template

    def _demands_of_key(self, template: Template) -> None:
        for letter in _letters(template):
            self.key_user |= letter == "U"
            self.key_domain |= letter == "D" or letter.isdigit()
            if letter.isdigit():
                self.labels = max(self.labels, int(letter))

    def expand_query(self, template: Template, key: str, quote: Callable[[str], str]) -> str | None:
        """Return the template with the parts of *key*, or None where the key does not qualify.

        *key* is not empty; *quote* is applied to each inserted part.
        """
        user, domain = _split(key) if self.key_domain or self.key_user else (key, None)
        if self._unfit(user, domain):
            return None
        labels = _labels(domain)
        if len(labels) < self.labels:
            return None
        values = {"s": key, "S": key, "u": user, "U": user, "d": domain, "D": domain}
        return _fill(template, values, labels, quote)

    def expand_result(self, template: Template, value: str, key: str) -> str | None:
        """Return the template with the parts of *value* and *key*; None skips the value.

        *value* and *key* are not empty.
        """
        needs_parts = self.value_domain or self.value_user
        user, domain = _split(value) if needs_parts else (value, None)
        if self.value_domain and not domain:
            return None
        if self.value_user and domain is not None and not user:
            return None
        key_user, key_domain = _split(key) if self.key_domain or self.key_user else (key, None)
        labels = _labels(key_domain)
        values = {"s": value, "u": user, "d": domain, "S": key, "U": key_user, "D": key_domain}
        return _fill(template, values, labels, None)

    def _unfit(self, user: str, domain: str | None) -> bool:
        """Return whether the key lacks a part that some template inserts."""
        if self.key_domain and not domain:
            return True
        return self.key_user and domain is not None and not user


def _parse(text: str) -> Template:
    parts: list[str | tuple[str]] = []
    position = 0
    dynamic = False
    while (percent := text.find("%", position)) >= 0:
        parts.append(text[position:percent])
        letter = text[percent + 1 : percent + 2]
        if letter == "%":
            parts.append("%")
        elif letter and letter in "sSuUdD123456789":
            parts.append((letter,))
            dynamic = True
        else:
            raise TemplateError(text)
        position = percent + 2
    parts.append(text[position:])
    return Template(text, tuple(part for part in parts if part), dynamic)


def _letters(template: Template) -> list[str]:
    return [part[0] for part in template.parts if isinstance(part, tuple)]


def _split(address: str) -> tuple[str, str | None]:
    """Return local part and domain at the last ``@``; the whole text and None without one."""
    local, at, domain = address.rpartition("@")
    return (local, domain) if at else (address, None)


def _labels(domain: str | None) -> list[str]:
    """Return the labels of a domain, the empty ones left out."""
    return [label for label in domain.split(".") if label] if domain else []


def _fill(
    template: Template,
    values: dict[str, str | None],
    labels: list[str],
    quote: Callable[[str], str] | None,
) -> str:
    filled = []
    for part in template.parts:
        if isinstance(part, str):
            filled.append(part)
            continue
        letter = part[0]
        value = labels[-int(letter)] if letter.isdigit() else values[letter]
        assert value is not None, letter  # keys and values without it have been skipped
        filled.append(quote(value) if quote else value)
    return "".join(filled)
