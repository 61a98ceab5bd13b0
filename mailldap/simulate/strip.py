"""The resolver's first step: take our own domain off an address until another one shows.

``user%other@here`` is mail for other, ``"user@other"@here`` too; what is left at the end has a
domain that is not ours, or is ours for good. Source: Postfix 3.7, resolve_addr() in
trivial-rewrite/resolve.c; postconf(5), resolve_dequoted_address, resolve_null_domain.
"""

from __future__ import annotations

from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.rfc822 import Kind, Token, internalize, operator, quote, scan
from mailldap.simulate.local import LocalDomains
from mailldap.simulate.rewrite import Rewriting, appended, find_last, is_null, without_trailing_dot
from mailldap.tables.base import Failed


class StripFailed(Exception):
    """The resolver cannot say: a table failed, or the address never ends."""


def strip_local(
    address: str, rewriting: Rewriting, local: LocalDomains, main: MainCf
) -> tuple[str, bool]:
    """Return the address that remains, and whether its domain is another's.

    It is in internal form and has a domain. Raises StripFailed where mydestination cannot be asked.
    """
    return _Stripping(address, rewriting, local, main).run()


class _Stripping:
    def __init__(
        self, address: str, rewriting: Rewriting, local: LocalDomains, main: MainCf
    ) -> None:
        self.address = address
        self.rewriting = rewriting
        self.local = local
        self.main = main
        self.tree = scan(quote(address))
        #: The last domain of ours that was taken off, with its ``@``.
        self.saved: list[Token] = []

    def run(self) -> tuple[str, bool]:
        limit = len(self.address.encode("utf-8", "surrogateescape")) + 100
        for _ in range(limit + 1):
            self._tidy_end()
            at = find_last(self.tree, "@")
            if at is not None:
                if at + 1 < len(self.tree) and not self._is_local(self.tree[at + 1 :]):
                    return internalize(self.tree), True
                self.tree, self.saved = self.tree[:at], self.tree[at:]
            if self._again():
                continue
            if not self.saved:
                self.tree = appended(self.tree, [operator("@"), *scan(self.main.get("myhostname"))])
                continue
            return internalize(appended(self.tree, self.saved)), False
        raise StripFailed(f"resolve_addr: <{self.address}>: giving up after {limit + 1} iterations")

    def _tidy_end(self) -> None:
        tree = self.tree
        if find_last(tree, "@") is not None:
            tree = without_trailing_dot(tree)
        if tree and tree[-1].is_op("@") and self.main.get_bool("resolve_null_domain"):
            tree = tree[:-1]
        self.tree = tree

    def _is_local(self, domain: list[Token]) -> bool:
        answer = self.local.contains(internalize(domain))
        if isinstance(answer, Failed):
            raise StripFailed(answer.message)
        return answer

    def _again(self) -> bool:
        """Bring out a domain that hides in what is left; return whether there may be one."""
        rules = self.rewriting
        if (
            find_last(self.tree, "@") is not None
            or (rules.swap_bangpath and find_last(self.tree, "!") is not None)
            or (rules.allow_percent_hack and find_last(self.tree, "%") is not None)
        ):
            self.tree = rules.tokens(self.tree)
            return True
        if self._crack():
            return True
        if not self.tree or is_null(self.tree):
            self.tree = scan(self.main.get("empty_address_recipient"))
            return True
        return False

    def _crack(self) -> bool:
        """Look for routing operators inside a quoted local part."""
        if len(self.tree) != 1 or self.tree[0].kind is not Kind.QUOTED:
            return False
        if not self.main.get_bool("resolve_dequoted_address"):
            return False
        text = self.tree[0].text
        at = text.rfind("@")
        if at < 0 and self.rewriting.allow_percent_hack:
            at = text.rfind("%")
            if at >= 0:
                text = f"{text[:at]}@{text[at + 1 :]}"
        if at >= 0:
            text = quote(text)
        elif not self.rewriting.swap_bangpath or "!" not in text:
            return False
        self.tree = self.rewriting.tokens(scan(text))
        return True
