"""Many keys put to tables at once: the answers of one by one, several times as quick.

LDAP tables of the usual form are asked for fifty keys by one search, several of them under way;
where that could answer otherwise than key by key, keys are searched singly, but many at a time,
or one after the other. See docs/speed.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from mailldap.directory.base import Deref, SearchRequest
from mailldap.directory.bulk_search import OrBatch, OrSearch, asserted, shows_all
from mailldap.directory.session import LibldapSession
from mailldap.errors import CouldNotAsk, FilterError
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import And, Equality, Filter, Or, parse_libldap
from mailldap.tables.base import Answer, Found, NotFound, Table
from mailldap.tables.ldap_config import LdapConfig
from mailldap.tables.ldap_result import Query, as_asked_for
from mailldap.tables.ldap_table import LdapTable
from mailldap.tables.open import Lookup
from mailldap.tables.template import Template

#: Keys that are read and answered together.
CHUNK = 5000
#: Fewer keys than this are asked one by one.
_MANY = 30
_BATCH = 50
_BATCHES_UNDER_WAY = 4
#: OpenLDAP hangs up on an anonymous client with more than 100 requests pending
#: (slapd.conf(5), conn_max_pending).
_SEARCHES_UNDER_WAY = 80

Say = Callable[[str], None]


def lookup_many(
    lookup: Lookup, keys: Iterable[str], *, chunk: int = CHUNK, say: Say | None = None
) -> Iterator[tuple[str, Answer]]:
    """Yield each key with what :meth:`Lookup.get` answers for it, in the order of *keys*.

    *say* is told, in words, how LDAP tables are asked. Memory is that of one *chunk* of keys and
    their answers. Raises ConfigError as open_table.
    """
    asked: dict[int, Callable[[Sequence[str]], list[Answer]]] = {}
    following = iter(keys)
    while batch := list(islice(following, chunk)):
        answers: list[Answer] = [NotFound()] * len(batch)
        open_ = list(range(len(batch)))
        position = 0
        while open_ and (table := lookup.table(position)) is not None:
            if position not in asked:
                asked[position] = _asker(table, say)
            for index, answer in zip(
                open_, asked[position]([batch[index] for index in open_]), strict=True
            ):
                answers[index] = lookup.checked(table, batch[index], answer)
            open_ = [index for index in open_ if isinstance(answers[index], NotFound)]
            position += 1
        yield from zip(batch, answers, strict=True)


def _asker(table: Table, say: Say | None) -> Callable[[Sequence[str]], list[Answer]]:
    if isinstance(table, LdapTable):
        return _LdapAsker(table, say).answers
    return lambda keys: [table.get(key) for key in keys]


@dataclass(frozen=True, slots=True)
class _Shape:
    """A query_filter as (&(constant)…(|(attribute=template)…)), templates one an attribute."""

    constants: tuple[Filter, ...]
    attributes: tuple[str, ...]
    templates: tuple[Template, ...]


class _LdapAsker:
    """Asks one LDAP table for many keys."""

    def __init__(self, table: LdapTable, say: Say | None) -> None:
        self._table = table
        self._say = say or (lambda _text: None)
        self._shape = _shape(table.config)
        self._plain = self._shape is not None and _is_plain(table.config, self._shape)
        self._wanted = [name.lower() for name in table.config.attributes.ordinary]
        self._used: dict[str, bool] = {}
        #: Whether an attribute had a name that no attribute has.
        self._odd = False
        self._search: OrSearch | None = None
        self._planned = False

    def answers(self, keys: Sequence[str]) -> list[Answer]:
        """Return the answers of ``table.get`` for *keys*."""
        table = self._table
        if len(keys) < _MANY or table.context.probe is not None or not self._can_stream():
            return [table.get(key) for key in keys]
        answers: dict[str, Answer] = {}
        # Equal keys have equal answers, and are asked once.
        pending = dict.fromkeys(keys)
        try:
            session = table.session()
            if isinstance(session, LibldapSession):
                if not self._planned:
                    self._plan(session)
                if self._search is not None:
                    self._ask_together(session, self._search, pending, answers)
                self._ask_singly(session, pending, answers)
        except CouldNotAsk:
            pass  # the rest, one by one, shows what is the matter, key by key
        return [answers[key] if key in answers else table.get(key) for key in keys]

    def _can_stream(self) -> bool:
        config = self._table.config
        return (
            config.domain is None
            and not config.session.chase_referrals
            and not config.attributes.special
            and config.session.timeout != 0
            and config.size_limit >= 0
        )

    def _plan(self, session: LibldapSession) -> None:
        """Find out whether keys can be asked together. Raises CouldNotAsk."""
        self._planned = True
        shape, name = self._shape, self._table.name
        singly = f"a search for each key, {_SEARCHES_UNDER_WAY} at a time"
        if shape is None or not self._plain:
            self._say(f"{name}: {singly}")
            return
        of = asserted(session, shape.attributes)
        if of is not None and (
            len(of) == 1 or shows_all(session, self._request(), shape.constants, of)
        ):
            self._search = OrSearch(of, shape.constants)
            self._say(f"{name}: one search for {_BATCH} keys")
        else:
            attributes = " and ".join(shape.attributes)
            self._say(f"{name}: how {attributes} compare is not shown: {singly}")

    def _request(self) -> SearchRequest:
        """Return what all searches of a plain table share."""
        config, shape = self._table.config, self._shape
        assert shape is not None
        base = config.templates.expand_query(config.search_base, "x", str)
        attributes = config.attributes.all
        if attributes:
            attributes = (*attributes, *shape.attributes)
        deref = Deref(config.session.dereference)
        return SearchRequest(base or "", config.scope, And(()), attributes, deref=deref)

    def _ask_together(
        self,
        session: LibldapSession,
        search: OrSearch,
        pending: Iterable[str],
        answers: dict[str, Answer],
    ) -> None:
        """Answer what can be answered by OR filters."""
        request = self._request()
        size_limit = self._table.config.size_limit
        searches = (
            ((batch, keys), session.encode(request, batch.filter))
            for batch, keys in self._batches(search, pending)
        )
        for (batch, keys), result in session.stream(searches, _BATCHES_UNDER_WAY):
            if result.code or result.references:
                continue  # a limit, perhaps, that one search would not meet
            divided = batch.divide(result.entries)
            if divided is None:
                continue
            parts, alone = divided
            for number, key in enumerate(keys):
                entries = parts[number]
                if number not in alone and (not size_limit or len(entries) <= size_limit):
                    answer = self._answer(entries)
                    if answer is not None:
                        answers[key] = answer

    def _batches(
        self, search: OrSearch, pending: Iterable[str]
    ) -> Iterator[tuple[OrBatch, list[str]]]:
        """Yield batches of the keys that need no warning and no second thought."""
        fold, width = self._table.context.fold, len(search)
        keys: list[str] = []
        values: list[list[bytes]] = []
        for key in pending:
            if not key or not key.isascii() or "\0" in key:
                continue
            keys.append(key)
            values.append([(key.lower() if fold else key).encode()] * width)
            if len(keys) == _BATCH:
                yield search.batch(values), keys
                keys, values = [], []
        if keys:
            yield search.batch(values), keys

    def _answer(self, entries: Sequence[Entry]) -> Answer | None:
        """Return what a plain table makes of *entries*.

        None where a warning is due, or where an entry is an odd one.
        """
        used = self._used
        values: list[bytes] = []
        for entry in entries:
            taken = 0
            for name, own in entry.attributes:
                if used.get(name) or (name not in used and self._uses(name)):
                    values += own
                    taken += 1
            if self._odd or (taken > 1 and as_asked_for(entry) is not entry.attributes):
                return None
        if not values:
            return NotFound()
        joined = b",".join(values)
        if b"\0" in joined or b"" in values:
            return None
        try:
            return Found(joined.decode())
        except UnicodeDecodeError:
            return None

    def _uses(self, name: str) -> bool:
        """Tell whether the table takes the values of an attribute description."""
        own = name.lower()
        self._odd |= "\0" in name
        self._used[name] = any(own == w or own.startswith(w + ";") for w in self._wanted)
        return self._used[name]

    def _ask_singly(
        self, session: LibldapSession, pending: Iterable[str], answers: dict[str, Answer]
    ) -> None:
        """Answer the rest by searches of their own; what fails is left to one by one."""
        for (key, question), result in session.stream(
            self._singles(session, pending, answers), _SEARCHES_UNDER_WAY
        ):
            if result.code in {0, 32} and not result.references:
                answers[key] = self._table.answered(key, question, result.code, result.entries)

    def _singles(
        self, session: LibldapSession, pending: Iterable[str], answers: dict[str, Answer]
    ) -> Iterator[tuple[tuple[str, Query], bytes]]:
        config = self._table.config
        deref = Deref(config.session.dereference)
        for key in pending:
            if key in answers:
                continue
            question = self._table.asked(key)
            if not isinstance(question, Query):
                answers[key] = question
                continue
            if not question.filter:
                continue
            try:
                request = SearchRequest(
                    question.base,
                    question.scope,
                    parse_libldap(question.filter),
                    question.attributes,
                    config.size_limit,
                    deref=deref,
                )
            except FilterError:
                continue
            yield (key, question), session.encode(request)


def _is_plain(config: LdapConfig, shape: _Shape) -> bool:
    """Tell whether the table inserts keys whole and gives values as they are."""
    attributes = config.attributes
    return (
        all(len(t.parts) == 1 and t.parts[0] in {("s",), ("S",)} for t in shape.templates)
        and not config.search_base.dynamic
        and config.result_format.text == "%s"
        and not (config.templates.key_domain or config.templates.key_user)
        and not (attributes.terminal or attributes.leaf or attributes.special)
        and config.expansion_limit <= 0
    )


def _shape(config: LdapConfig) -> _Shape | None:
    """Return the form of the query_filter, None where it is not the usual one.

    Each directive becomes a mark of two private characters around its letter; the filter with the
    marks is then read as any other.
    """
    template = config.query_filter
    if "\ue000" in template.text or not template.dynamic:
        return None
    text = "".join(
        part if isinstance(part, str) else f"\ue000{part[0]}\ue001" for part in template.parts
    )
    try:
        whole = parse_libldap(text)
    except FilterError:
        return None
    parts = whole.filters if isinstance(whole, And) else (whole,)
    constants = tuple(part for part in parts if not _marked(part))
    dynamic = [part for part in parts if _marked(part)]
    if len(dynamic) != 1:
        return None
    items = dynamic[0].filters if isinstance(dynamic[0], Or) else (dynamic[0],)
    attributes: list[str] = []
    templates: list[Template] = []
    for item in items:
        if not isinstance(item, Equality) or not _marked(item) or "\ue000" in item.attribute:
            return None
        attributes.append(item.attribute)
        templates.append(_template(item.value))
    return _Shape(constants, tuple(attributes), tuple(templates))


def _marked(part: Filter) -> bool:
    return "\ue000" in repr(part) or "\\xee\\x80\\x80" in repr(part)


def _template(value: bytes) -> Template:
    """Return the template behind a value with marks."""
    parts: list[str | tuple[str]] = []
    for piece in value.decode("utf-8", "surrogateescape").split("\ue000"):
        letter, mark, rest = piece.partition("\ue001")
        if mark:
            parts.append((letter,))
        else:
            rest = letter
        if rest:
            parts.append(rest)
    return Template("", tuple(parts), dynamic=True)
