"""Searches over a tree of entries, answered as slapd with back-mdb answers (RFC 4511 §4.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mailldap.directory.base import Deref, Scope, SearchRequest, SearchResult
from mailldap.directory.candidates import candidates
from mailldap.directory.operational import (
    SUBSCHEMA_KEY,
    derived_attributes,
    is_derived,
    is_searchable,
    root_dse,
    subschema,
)
from mailldap.directory.referral import rewrite
from mailldap.directory.selection import Selection
from mailldap.directory.tree import BY_NUMBER, Node, Tree, parent_key
from mailldap.errors import DNError
from mailldap.ldap.entry import Entry
from mailldap.ldap.matching import attributes_of, compile_filter
from mailldap.ldap.schema import Schema

_SIZE_LIMIT, _REFERRAL, _NO_SUCH_OBJECT, _BAD_DN = 4, 10, 32, 34
_ALIAS_PROBLEM, _DEREF_PROBLEM = 33, 36
#: slapd.conf(5), maxderefdepth.
_MAX_DEREF_DEPTH = 15


def search(tree: Tree, request: SearchRequest) -> SearchResult:
    """Return what slapd would answer to *request*, refusals included."""
    return _Search(tree, request).run()


class _Refused(Exception):
    """The answer without entries; never leaves this module."""

    def __init__(self, result: SearchResult) -> None:
        super().__init__(result.text)
        self.result = result


class _Search:
    def __init__(self, tree: Tree, request: SearchRequest) -> None:
        self.tree = tree
        self.schema: Schema = tree.schema
        self.request = request
        self.selection = Selection(request.attributes, tree.schema, types_only=request.types_only)
        self.predicate = compile_filter(request.filter, tree.schema)
        self.needs_derived = any(
            description is not None and is_derived(description.name)
            for description in map(tree.schema.describe, attributes_of(request.filter))
        )
        self.referrals = tree.of_class(b"referral")
        self.result = SearchResult()

    def run(self) -> SearchResult:
        key = base_key(self.request.base, self.tree)
        if key is None:
            return SearchResult(_BAD_DN, text="invalid DN")
        if not key and not self.tree.nodes.get(""):
            return self._single(root_dse(self.tree), in_scope=self.request.scope is Scope.BASE)
        if key == SUBSCHEMA_KEY and key not in self.tree.nodes:
            in_scope = self.request.scope is not Scope.ONE
            return self._single(subschema(self.schema), in_scope=in_scope, exists=True)
        try:
            base = self._find_base(key)
        except _Refused as refused:
            return refused.result
        for node in self._in_scope(base):
            if not self._answer(node):
                break
        return self.result

    def _single(self, entry: Entry, *, in_scope: bool, exists: bool = False) -> SearchResult:
        if not in_scope:
            return SearchResult() if exists else SearchResult(_NO_SUCH_OBJECT)
        if self.predicate(entry):
            self.result.entries.append(self.selection.apply(entry))
        return self.result

    def _find_base(self, key: str) -> str:
        """Return the key of the base, aliases on the way followed where the request says so."""
        tree, finding = self.tree, self.request.deref & Deref.FINDING
        for _ in range(_MAX_DEREF_DEPTH + 1):
            above = _nearest(key, tree)
            if above is None:
                raise _Refused(SearchResult(_NO_SUCH_OBJECT))
            node = tree.nodes.get(above)
            if node is None:
                if above == key:
                    return key
                raise _Refused(SearchResult(_NO_SUCH_OBJECT))
            if finding and node in tree.of_class(b"alias"):
                target = self._aliased(node)
                if above != key:
                    key = key.removesuffix(above) + target.key
                    continue
                node, key = target, target.key
            elif above != key and node not in self.referrals:
                raise _Refused(SearchResult(_NO_SUCH_OBJECT, matched_dn=tree.spelled(node)))
            if node not in self.referrals:
                return key
            entry = tree.entry(node)
            referral = rewrite(entry, self.request.base, self.request.scope, self.schema)
            code = _REFERRAL if referral else _NO_SUCH_OBJECT
            raise _Refused(SearchResult(code, matched_dn=entry.dn, referral=referral))
        raise _Refused(SearchResult(_DEREF_PROBLEM, text="maximum deref depth exceeded"))

    def _aliased(self, node: Node) -> Node:
        """Return what the alias stands for in the end. Raises _Refused."""
        seen: set[int] = set()
        while node in self.tree.of_class(b"alias"):
            matched = self.tree.spelled(node)
            if len(seen) >= _MAX_DEREF_DEPTH:
                text = "maximum deref depth exceeded"
                raise _Refused(SearchResult(_DEREF_PROBLEM, matched_dn=matched, text=text))
            if node.number in seen:
                text = "circular alias"
                raise _Refused(SearchResult(_ALIAS_PROBLEM, matched_dn=matched, text=text))
            seen.add(node.number)
            values = self.tree.entry(node).texts("aliasedObjectName")
            key = base_key(values[0], self.tree) if values else None
            target = self.tree.nodes.get(key) if key is not None else None
            if target is None:
                text = "aliasedObject not found"
                raise _Refused(SearchResult(_ALIAS_PROBLEM, matched_dn=matched, text=text))
            node = target
        return node

    def _in_scope(self, base: str) -> Iterable[Node]:
        """Return the nodes in scope that may matter: candidates of the filter, and referrals."""
        tree, scope = self.tree, self.request.scope
        if scope is Scope.BASE:
            node = tree.nodes.get(base)
            return (node,) if node else ()
        searching = bool(self.request.deref & Deref.SEARCHING)
        aliases = tree.of_class(b"alias") if searching else frozenset[Node]()
        scopes = {base}
        if aliases:
            scopes |= self._alias_scopes(base, aliases)
        found = candidates(self.request.filter, tree)
        if found is None:
            one_level = scope is Scope.ONE and len(scopes) == 1
            found_in: Iterable[Node] = tree.children(base) if one_level else tree.in_order()
        else:
            found_in = sorted(found | self.referrals, key=BY_NUMBER)
        within = self._within(scopes, base)
        finding = bool(self.request.deref & Deref.FINDING)
        return (
            node
            for node in found_in
            if within(node) and (node not in aliases or (node.key == base and not finding))
        )

    def _within(self, scopes: set[str], base: str) -> Callable[[Node], bool]:
        if self.request.scope is Scope.ONE:
            targets = scopes - {base}

            def right_below(node: Node) -> bool:
                return node.key in targets or parent_key(node.key) == base

            return right_below
        suffixes = tuple("," + key if key else "" for key in scopes)

        def below(node: Node) -> bool:
            return node.key in scopes or node.key.endswith(suffixes)

        return below

    def _alias_scopes(self, base: str, aliases: frozenset[Node]) -> set[str]:
        """Return the keys that aliases in scope lead to, and aliases below those, and so on."""
        one = self.request.scope is Scope.ONE
        found: set[str] = set()
        pending = [base]
        left = set(aliases)
        while pending:
            start = pending.pop(0)
            suffix = "," + start
            here = [
                alias
                for alias in sorted(left, key=BY_NUMBER)
                if (parent_key(alias.key) == start if one else alias.key.endswith(suffix))
            ]
            left.difference_update(here)
            for alias in here:
                try:
                    target = self._aliased(alias).key
                except _Refused:
                    continue
                known = {base, *found}
                inside = any(target.endswith("," + key) for key in known)
                if target in known or (inside and not one):
                    continue
                found.add(target)
                if not one:
                    pending.append(target)
        return found

    def _answer(self, node: Node) -> bool:
        """Add what *node* contributes to the result; False when the search is over."""
        tree, result, request = self.tree, self.result, self.request
        entry = tree.entry(node)
        if request.scope is not Scope.BASE and node in self.referrals:
            scope = Scope.BASE if request.scope is Scope.ONE else Scope.SUB
            uris = rewrite(entry, None, scope, self.schema)
            if uris:
                result.references.append(uris)
            return True
        full = judged = entry
        if self.needs_derived or self.selection.wants_operational:
            derived = derived_attributes(tree, node, entry)
            full = Entry(entry.dn, entry.attributes + derived)
            if self.needs_derived:
                searchable = tuple(pair for pair in derived if is_searchable(pair[0]))
                judged = Entry(entry.dn, entry.attributes + searchable)
        if not self.predicate(judged):
            return True
        if request.size_limit and len(result.entries) >= request.size_limit:
            result.code = _SIZE_LIMIT
            return False
        result.entries.append(self.selection.apply(full))
        return True


def base_key(text: str, tree: Tree) -> str | None:
    """Return the key of a DN that a request spells; None where slapd would call it invalid.

    An invalid one has a key all the same where the tree, read from foreign data, holds such a DN.
    """
    try:
        return tree.schema.dn_forms(text)[1]
    except DNError:
        pass
    try:
        key = tree.schema.dn_forms(text, strict=False)[1]
    except DNError:
        return None
    return key if key in tree.nodes else None


def _nearest(key: str, tree: Tree) -> str | None:
    """Return the nearest key at or above *key* that exists, as an entry or in between."""
    while key:
        if key in tree.nodes:
            return key
        if tree.base.endswith("," + key):
            return None
        if tree.is_glue(key):
            return key
        key = parent_key(key)
    return "" if "" in tree.nodes else None
