"""Rewriting of addresses to canonical form, trivial-rewrite(8)'s first service.

Everything that Postfix looks up in a virtual, canonical or login table has gone through here.
Source: Postfix 3.7, trivial-rewrite/rewrite.c; the parameters named below in postconf(5).
"""

from __future__ import annotations

from dataclasses import dataclass

from mailldap.errors import ConfigError
from mailldap.postfix.lines import decode
from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.rfc822 import Kind, Token, internalize, operator, quote, scan, unquote
from mailldap.postfix.words import SPACE, c_string
from mailldap.tables.base import TableContext


def origin(main: MainCf, context: TableContext) -> str:
    """Return myorigin; where it names a file, as Debian's Postfix allows, that file's first line.

    Raises ConfigError where there is no such line. Source: mail_params.c, MYORIGIN_FROM_FILE;
    what other parameters see as $myorigin remains the path.
    """
    value = main.get("myorigin")
    if not context.debian or not value.startswith("/"):
        return value
    line = main.location("myorigin")
    try:
        content = decode(context.read_file(value))
    except OSError as error:
        raise ConfigError(
            f"myorigin: open file {value}: {error.strerror}", file=main.name, line=line
        ) from error
    first = c_string(content.partition("\n")[0]).strip(SPACE)
    if not first:
        raise ConfigError(f"myorigin file {value} is empty", file=main.name, line=line)
    return first


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The parameters that rewriting obeys."""

    myorigin: str
    mydomain: str
    remote_domain: str = ""
    append_at_myorigin: bool = True
    append_dot_mydomain: bool = False
    swap_bangpath: bool = True
    allow_percent_hack: bool = True

    @classmethod
    def of(cls, main: MainCf, myorigin: str) -> Rewriting:
        """Return the parameters that *main* sets; *myorigin* is what :func:`origin` gave."""
        return cls(
            myorigin=myorigin,
            mydomain=main.get("mydomain"),
            remote_domain=main.get("remote_header_rewrite_domain"),
            append_at_myorigin=main.get_bool("append_at_myorigin"),
            append_dot_mydomain=main.get_bool("append_dot_mydomain"),
            swap_bangpath=main.get_bool("swap_bangpath"),
            allow_percent_hack=main.get_bool("allow_percent_hack"),
        )

    def external(self, address: str, *, remote: bool = False) -> str:
        """Return an address in external form rewritten, in external form.

        Envelope addresses are always rewritten in the local context; *remote* is the context of
        headers from other hosts, where remote_header_rewrite_domain takes the place of
        myorigin and mydomain.
        """
        if not address:
            return address
        return quote(internalize(self.tokens(scan(address), remote=remote)))

    def internal(self, address: str, *, remote: bool = False) -> str:
        """Return an address in internal form rewritten, in internal form."""
        return unquote(self.external(quote(address), remote=remote))

    def rules(self, address: str) -> tuple[str, ...]:
        """Return what rewrites an address in external form: parameters, or words for the rest."""
        used: list[str] = []
        self.tokens(scan(address), used=used)
        return tuple(used)

    def tokens(
        self, tree: list[Token], *, remote: bool = False, used: list[str] | None = None
    ) -> list[Token]:
        """Return the tokens of one address rewritten; rewrite_tree(). *used*: see rules."""
        used = [] if used is None else used
        if is_null(tree):
            return tree
        if len(tree) == 1 and tree[0].is_op("@"):
            used.append("no address")
            return [Token(Kind.QUOTED, "", grouped=True)]
        whole, tree = tree, self._without_route(tree)
        if len(tree) < len(whole):
            used.append("source route dropped")
        origin = self.remote_domain if remote else self.myorigin
        domain = self.remote_domain if remote else self.mydomain
        if find_last(tree, "@") is None:
            tree = self._with_domain(tree, origin, used)
        at = find_last(tree, "@")
        if self.append_dot_mydomain and domain and at is not None and at + 1 < len(tree):
            rest = tree[at:]
            if not any(t.kind is Kind.LITERAL or t.is_op(".") for t in rest):
                tree = appended(tree, [operator("."), *scan(domain)])
                used.append("append_dot_mydomain")
        whole, tree = tree, without_trailing_dot(tree)
        if len(tree) < len(whole):
            used.append("trailing dot dropped")
        return tree

    def _without_route(self, tree: list[Token]) -> list[Token]:
        """Drop ``@a,@b:`` in front of an address, but not where nothing follows."""
        if tree and tree[0].is_op("@"):
            for index, token in enumerate(tree):
                if token.is_op(":"):
                    return tree[index + 1 :] or tree
        return tree

    def _with_domain(self, tree: list[Token], origin: str, used: list[str]) -> list[Token]:
        """Give an address without ``@`` a domain."""
        bang = next((i for i, t in enumerate(tree) if t.is_op("!")), None)
        if self.swap_bangpath and bang is not None:
            site, user = tree[:bang], tree[bang + 1 :]
            mark = site[0].grouped if site else True
            used.append("swap_bangpath")
            return [t.as_grouped(mark) for t in [*user, operator("@")]] + site
        percent = find_last(tree, "%")
        if self.allow_percent_hack and percent is not None:
            at = Token(Kind.OPERATOR, "@", grouped=tree[percent].grouped)
            used.append("allow_percent_hack")
            return [*tree[:percent], at, *tree[percent + 1 :]]
        if self.append_at_myorigin and origin:
            used.append("append_at_myorigin")
            return appended(tree, [operator("@"), *scan(origin)])
        return tree


def is_null(tree: list[Token]) -> bool:
    """Return whether *tree* is the null address, ``""``."""
    return len(tree) == 1 and tree[0].kind is Kind.QUOTED and not tree[0].text


def find_last(tree: list[Token], character: str) -> int | None:
    """Return the index of the last such operator, or None."""
    for index in range(len(tree) - 1, -1, -1):
        if tree[index].is_op(character):
            return index
    return None


def appended(tree: list[Token], more: list[Token]) -> list[Token]:
    """Return *tree* with tokens added, which take over the mark of its last token."""
    mark = tree[-1].grouped if tree else True
    return tree + [token.as_grouped(mark) for token in more]


def without_trailing_dot(tree: list[Token]) -> list[Token]:
    """Return *tree* without a dot at its end, unless a dot or ``@`` stands before it."""
    if len(tree) > 1 and tree[-1].is_op(".") and not tree[-2].is_op(".@"):
        return tree[:-1]
    return tree
