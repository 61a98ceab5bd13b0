"""What all tables share: UTF-8 rules, letter case, traces.

Source: Postfix's dict_utf8.c and dict(3); ldap_table(5), postconf(5) smtputf8_enable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from mailldap.postfix.words import c_string, fold, is_utf8, lower_ascii
from mailldap.tables.base import Answer, Failed, Found, NotFound, Probe, TableContext

_BAD_UTF8 = "malformed UTF-8 or invalid codepoint"


class BaseTable(ABC):
    """A table that answers keys which this class has prepared as Postfix does.

    ``fixed`` is false for tables of patterns: callers do not show them parts of addresses, and
    their keys are never folded here. ``folds`` tells whether the table lower-cases keys by itself
    where smtputf8_enable is off.
    """

    fixed = True
    folds = False

    def __init__(self, kind: str, path: str, context: TableContext) -> None:
        self.kind = kind
        self.path = path
        self.context = context

    @property
    def name(self) -> str:
        """``type:name`` as Postfix prints it."""
        return f"{self.kind}:{self.path}"

    @property
    def logged_name(self) -> str:
        """The name in warnings about keys and values."""
        return self.name

    def get(self, key: str) -> Answer:
        """Return the answer for *key*, folded and checked as the context asks for."""
        key = c_string(key)
        prepared = self.prepare(key)
        answer = NotFound() if prepared is None else self.checked(key, self.find(prepared))
        if self.context.probe:
            self.context.probe(self.describe(key, answer))
        return answer

    def prepare(self, key: str) -> str | None:
        """Return the key that is looked up, or None (after a warning) if it cannot exist."""
        context = self.context
        if context.utf8:
            if not is_utf8(key):
                context.warn(f'{self.logged_name}: non-UTF-8 key "{key}": {_BAD_UTF8}')
                return None
            return fold(key, utf8=True) if context.fold and self.fixed else key
        return lower_ascii(key) if context.fold and self.folds else key

    def checked(self, key: str, answer: Answer) -> Answer:
        """Return *answer*, or a failure if its value may not be used."""
        if self.context.utf8 and isinstance(answer, Found) and not is_utf8(answer.value):
            message = (
                f'{self.logged_name}: key "{key}": non-UTF-8 value "{answer.value}": {_BAD_UTF8}'
            )
            self.context.warn(message)
            return Failed(message, "config")
        return answer

    @abstractmethod
    def find(self, key: str) -> Answer:
        """Return the answer for a key that :meth:`prepare` has made."""

    def describe(self, key: str, answer: Answer) -> Probe:
        """Return what traces show of the last lookup."""
        return Probe(
            self.name,
            key,
            result=answer.value if isinstance(answer, Found) else None,
            error=answer.message if isinstance(answer, Failed) else None,
        )

    def close(self) -> None:  # noqa: B027  most have nothing to close
        """Give up connections; harmless when closed already."""
