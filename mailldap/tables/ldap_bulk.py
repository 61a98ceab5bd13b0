"""Many keys put to one LDAP table.

A table of the usual form is asked for fifty keys by one search, several of them under way; where
that could answer otherwise than key by key, keys are searched singly, but many at a time, or one
after the other. See docs/speed.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import islice
from time import monotonic

from mailldap.directory.answers import parse_entry
from mailldap.directory.base import Deref, SearchRequest
from mailldap.directory.bulk_search import Asserted, OrBatch, OrSearch, asserted, shows_all
from mailldap.directory.session import LibldapSession
from mailldap.directory.skeleton import Skeleton
from mailldap.directory.snapshot import Snapshot
from mailldap.directory.together import Arrived
from mailldap.errors import CouldNotAsk
from mailldap.ldap.block import Block, Together
from mailldap.ldap.entry import Attributes
from mailldap.ldap.filter import And
from mailldap.tables.base import Answer, Found, NotFound
from mailldap.tables.ldap_result import Query, request_of
from mailldap.tables.ldap_table import LdapTable
from mailldap.tables.shape import is_plain, shape_of

#: Fewer keys than this are asked one by one.
_MANY = 30
_BATCH = 50
_BATCHES_UNDER_WAY = 16
#: Fewer keys are not worth a snapshot, whatever the number of entries.
_SNAPSHOT = 500
#: An entry of a snapshot costs about a third of a key of a batch.
_ENTRIES_A_KEY = 3
#: Seconds after which a snapshot is too old to answer from.
_FRESH = 60
#: OpenLDAP hangs up on an anonymous client with more than 100 requests pending
#: (slapd.conf(5), conn_max_pending).
_SEARCHES_UNDER_WAY = 80

Say = Callable[[str], None]


class LdapAsker:
    """Asks one LDAP table for many keys."""

    def __init__(self, table: LdapTable, say: Say | None) -> None:
        self._table = table
        self._say = say or (lambda _text: None)
        self._shape = shape_of(table.config)
        self._plain = self._shape is not None and is_plain(table.config, self._shape)
        self._wanted = [name.lower() for name in table.config.attributes.ordinary]
        self._used: dict[bytes, bool] = {}
        #: Whether an attribute had a name that no attribute has.
        self._odd = False
        self._search: OrSearch[Answer | None] | None = None
        self._skeleton = Skeleton()
        self._planned = False
        self._snapshot: Snapshot[Answer] | None = None
        self._taken = 0.0
        #: How many keys have to be expected for another try.
        self._worth = _SNAPSHOT

    def answers(self, keys: Sequence[str], to_come: int) -> list[Answer]:
        """Return the answers of ``table.get`` for *keys*.

        *to_come* is about how many keys are to come, these included.
        """
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
                    self._leave_out(pending, answers)
                    if self._has_snapshot(session, self._search, to_come):
                        self._remember(pending, answers)
                        pending = {key: None for key in pending if key not in answers}
                    self._ask_together(session, self._search, pending, answers)
                self._ask_singly(session, pending, answers)
        except CouldNotAsk:
            pass  # the rest, one by one, shows what is the matter, key by key
        return [answers[key] if key in answers else table.get(key) for key in keys]

    def _can_stream(self) -> bool:
        config = self._table.config
        return (
            not config.session.chase_referrals
            and not config.attributes.special
            and config.session.timeout >= -1
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
            len(of) == 1 or shows_all(session, self._request(of), shape.constants, of)
        ):
            self._search = OrSearch(of, shape.constants)
            self._say(f"{name}: one search for {_BATCH} keys")
        else:
            attributes = " and ".join(shape.attributes)
            self._say(f"{name}: how {attributes} compare is not shown: {singly}")

    def _request(self, of: Iterable[Asserted] = ()) -> SearchRequest:
        """Return what all searches of a plain table share, to be shown the attributes *of* too."""
        config = self._table.config
        base = config.templates.expand_query(config.search_base, "x", str)
        attributes = config.attributes.all
        if attributes:
            attributes = (*attributes, *(one.attribute for one in of))
        deref = Deref(config.session.dereference)
        return SearchRequest(base or "", config.scope, And(()), attributes, deref=deref)

    def _leave_out(self, pending: Iterable[str], answers: dict[str, Answer]) -> None:
        """Answer the keys whose domain is not one of the table's."""
        table = self._table
        if table.config.domain is None:
            return
        known: dict[str, Answer | None] = {}
        for key, value in self._plain_keys(pending, answers):
            prepared = value.decode()
            at = prepared.rfind("@")
            domain = prepared[at:] if at > 0 else ""
            if domain not in known:
                known[domain] = table.outside(prepared)
            outside = known[domain]
            if outside is not None:
                # A list that cannot be read says so for each key.
                answers[key] = outside if isinstance(outside, NotFound) else table.get(key)

    def _has_snapshot(
        self, session: LibldapSession, search: OrSearch[Answer | None], to_come: int
    ) -> bool:
        """Tell whether there is a snapshot, after taking one where it seems worth it.

        Nobody tells how many entries there are: the server is asked to stop where they are too
        many for the keys.
        """
        if self._snapshot is not None and monotonic() - self._taken < _FRESH:
            return True
        self._snapshot = None
        if to_come < self._worth or not all(one.certain for one in search.of):
            return False
        self._taken = monotonic()
        snapshot: Snapshot[Answer] = Snapshot(search.of)
        limit = _ENTRIES_A_KEY * to_come
        name = self._table.name
        if snapshot.fill(session, self._request(), search.constants, limit, self._make):
            self._say(f"{name}: a snapshot of {snapshot.entries} entries")
            self._snapshot = snapshot
            return True
        self._say(f"{name}: no snapshot for about {to_come} keys: {snapshot.fault}")
        self._worth = 4 * to_come if snapshot.too_large else sys.maxsize
        return False

    def _make(self, entries: Together) -> Sequence[Answer | None]:
        """Return :meth:`_answer` for each entry alone."""
        if self._odd or not isinstance(entries, Block):
            return [self._answer(attributes) for _, attributes in entries]
        used = [
            column for name, columns in entries.attributes if self._uses(name) for column in columns
        ]
        if not used:
            return [NotFound() for _ in entries.dns]
        rows = zip(*used, strict=True)
        joined = used[0] if len(used) == 1 else [b",".join(filter(None, row)) for row in rows]
        texts = b"\n".join(joined).decode().split("\n")
        return [Found(text) if text else NotFound() for text in texts]

    def _remember(self, pending: Iterable[str], answers: dict[str, Answer]) -> None:
        """Answer what the snapshot can tell; what it does not hold, the server may hide."""
        assert self._snapshot is not None
        keys, values = self._plain_keys_at_once(pending, answers)
        found = zip(keys, self._snapshot.get_each(values), strict=True)
        answers.update([(key, answer) for key, answer in found if answer is not None])

    def _ask_together(
        self,
        session: LibldapSession,
        search: OrSearch[Answer | None],
        pending: Iterable[str],
        answers: dict[str, Answer],
    ) -> None:
        """Answer what can be answered by OR filters.

        An entry may match one key by what it shows and another by what it hides. So keys without
        an entry are put once more, together: where nothing comes back, there is nothing.
        """
        open_ = zip(*self._plain_keys_at_once(pending, answers), strict=True)
        missed = self._put_together(session, search, open_, answers)
        self._put_together(session, search, iter(missed), answers)

    def _put_together(
        self,
        session: LibldapSession,
        search: OrSearch[Answer | None],
        keys: Iterator[tuple[str, bytes]],
        answers: dict[str, Answer],
    ) -> list[tuple[str, bytes]]:
        """Answer keys by OR filters; return those without an entry beside others with some."""
        request = self._request(search.of)
        missed: list[tuple[str, bytes]] = []
        searches = (
            (batch, session.encode(request, batch.filter)) for batch in _batches(search, keys)
        )
        for come in session.stream_together(searches, _BATCHES_UNDER_WAY, self._skeleton):
            if isinstance(come, Arrived):
                search.enter(come.marks, come.entries, self._make(come.entries))
            elif not come.result.code and not come.result.references:
                # Else a limit, perhaps, that one search would not meet.
                self._settle(come.mark, answers, missed)
        return missed

    def _settle(
        self,
        batch: OrBatch[Answer | None],
        answers: dict[str, Answer],
        missed: list[tuple[str, bytes]],
    ) -> None:
        """Answer the keys of a batch whose entries are all here."""
        if batch.unexplained:
            return
        size_limit = self._table.config.size_limit
        nothing = not any(batch.found) and not batch.alone
        for number, (asked, found) in enumerate(zip(batch.asked, batch.found, strict=True)):
            if nothing:
                answers[asked[0]] = NotFound()
            elif number in batch.alone:
                continue
            elif not found:
                missed.append(asked)
            elif not size_limit or len(found) <= size_limit:
                answer = found[0] if len(found) == 1 else _joined(found)
                if answer is not None:
                    answers[asked[0]] = answer

    def _plain_keys(
        self, pending: Iterable[str], answers: Container[str]
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the open keys that need no warning and no second thought, and what is asserted."""
        fold = self._table.context.fold
        for key in pending:
            if key and key not in answers and key.isascii() and "\0" not in key:
                yield key, (key.lower() if fold else key).encode()

    def _plain_keys_at_once(
        self, pending: Iterable[str], answers: Container[str]
    ) -> tuple[Sequence[str], Sequence[bytes]]:
        """Return what :meth:`_plain_keys` yields."""
        keys = list(pending)
        text = "\n".join(keys)
        if not answers and text.isascii() and "\0" not in text and all(keys):
            values = (text.lower() if self._table.context.fold else text).encode().split(b"\n")
            if len(values) == len(keys):
                return keys, values
        pairs = list(self._plain_keys(keys, answers))
        return [key for key, _ in pairs], [value for _, value in pairs]

    def _answer(self, attributes: Attributes) -> Answer | None:
        """Return what a plain table makes of an entry.

        None where a warning is due, or where an entry is an odd one; see as_asked_for.
        """
        used = self._used
        values: list[bytes] = []
        taken = 0
        for name, own in attributes:
            if used.get(name) or (name not in used and self._uses(name)):
                values += own
                taken += 1
        if self._odd or (
            taken > 1 and len({name.lower() for name, _ in attributes}) < len(attributes)
        ):
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

    def _uses(self, name: bytes) -> bool:
        """Tell whether the table takes the values of an attribute description."""
        own = name.decode("utf-8", "surrogateescape").lower()
        self._odd |= b"\0" in name
        self._used[name] = any(own == w or own.startswith(w + ";") for w in self._wanted)
        return self._used[name]

    def _ask_singly(
        self, session: LibldapSession, pending: Iterable[str], answers: dict[str, Answer]
    ) -> None:
        """Answer the rest by searches of their own; what fails is left to one by one."""
        for (key, question), result, entries in session.stream(
            self._singles(session, pending, answers), _SEARCHES_UNDER_WAY, parse_entry
        ):
            if result.code in {0, 32} and not result.references:
                answers[key] = self._table.answered(key, question, result.code, entries)

    def _singles(
        self, session: LibldapSession, pending: Iterable[str], answers: dict[str, Answer]
    ) -> Iterator[tuple[tuple[str, Query], bytes]]:
        for key in pending:
            if key in answers:
                continue
            question = self._table.asked(key)
            if not isinstance(question, Query):
                answers[key] = question
                continue
            request = request_of(self._table.config, question)
            if isinstance(request, SearchRequest):
                yield (key, question), session.encode(request)


def _joined(found: Sequence[Answer | None]) -> Answer | None:
    """Return the answer of several entries, in their order; None where one has none."""
    if None in found:
        return None
    texts = [answer.value for answer in found if isinstance(answer, Found)]
    return Found(",".join(texts)) if texts else NotFound()


def _batches(
    search: OrSearch[Answer | None], keys: Iterator[tuple[str, bytes]]
) -> Iterator[OrBatch[Answer | None]]:
    while together := list(islice(keys, _BATCH)):
        yield search.batch(together)
