"""What a directory is to the rest of mailldap: a Reader, and for those who may, a Writer.

Two levels. :class:`Session` is the protocol as it is spoken: a request in, entries and a result
code out, nothing raised for a refusal; the simulated Postfix tables need exactly that.
:class:`Reader` and :class:`Writer` are for everybody else and turn result codes into the errors
of :mod:`mailldap.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from mailldap.errors import MailldapError, from_result
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Filter

if TYPE_CHECKING:
    from mailldap.ldap.block import Together
    from mailldap.ldap.change import Change


class Scope(IntEnum):
    """RFC 4511 §4.5.1.2."""

    BASE = 0
    ONE = 1
    SUB = 2


class Deref(IntEnum):
    """RFC 4511 §4.5.1.3; ldap_table(5), dereference."""

    NEVER = 0
    SEARCHING = 1
    FINDING = 2
    ALWAYS = 3


class SearchRequest(NamedTuple):
    """RFC 4511 §4.5.1. No attributes means all user attributes; limits of 0 mean none."""

    base: str
    scope: Scope
    filter: Filter
    attributes: tuple[str, ...] = ()
    size_limit: int = 0
    time_limit: int = 0
    deref: Deref = Deref.NEVER
    types_only: bool = False


@dataclass(slots=True)
class SearchResult:
    """Everything that came back for one request.

    ``entries`` may be filled although ``code`` is not 0 (sizeLimitExceeded). ``references`` are
    continuation references, one tuple of URIs each; ``referral`` belongs to code 10.
    """

    code: int = 0
    entries: list[Entry] = field(default_factory=list)
    references: list[tuple[str, ...]] = field(default_factory=list)
    matched_dn: str = ""
    text: str = ""
    referral: tuple[str, ...] = ()

    def raise_for_code(self) -> None:
        """Raise the error of a result code other than success; see errors.from_result."""
        if self.code:
            raise from_result(self.code, self.text, self.referral)


@runtime_checkable
class Session(Protocol):
    """One conversation with a directory, protocol level."""

    def run(self, request: SearchRequest) -> SearchResult:
        """Return what the directory answered, refusals included.

        Raises CouldNotAsk (or Unreachable) only when there was no answer.
        """
        ...

    def close(self) -> None:
        """End the conversation; harmless when it has ended already."""
        ...


@runtime_checkable
class Reader(Protocol):
    """A directory that can be asked."""

    @property
    def uri(self) -> str:
        """The URI that was opened, without secrets, for messages."""
        ...

    @property
    def base(self) -> str:
        """The suffix below which mail routing is kept."""
        ...

    def search(
        self,
        base: str,
        scope: Scope,
        filter: Filter | str,  # noqa: A002  the name that every LDAP interface gives it
        attributes: Sequence[str] = (),
        *,
        size_limit: int = 0,
    ) -> Iterator[Entry]:
        """Yield the matching entries in the directory's order.

        Raises NoSuchObject, SizeLimitExceeded (after the entries that were allowed), another
        LdapRefusal, FilterError for a text filter that does not parse, or CouldNotAsk.
        """
        ...

    def get(self, dn: str, attributes: Sequence[str] = ()) -> Entry | None:
        """Return the entry of that DN, or None where there is none."""
        ...

    def close(self) -> None:
        """Give up connections; harmless when closed already."""
        ...


@runtime_checkable
class Writer(Reader, Protocol):
    """A directory that takes changes. Only provision and admin hold one."""

    def apply(self, change: Change) -> None:
        """Make the change, wholly or not at all.

        Raises EntryExists, NoSuchObject, ValueExists, NoSuchValue, another LdapRefusal, or
        CouldNotAsk, after which the change may or may not have been made.
        """
        ...


@runtime_checkable
class Exclusive(Protocol):
    """A directory that can keep all other writers out for a while (the LDIF file's lock)."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Return a context in which reads are current and nobody else writes."""
        ...


@runtime_checkable
class Transactional(Protocol):
    """A directory that may make several changes as one (RFC 5805)."""

    @property
    def has_transactions(self) -> bool:
        """Whether apply_together would be tried rather than refused."""
        ...

    def apply_together(self, changes: Sequence[Change]) -> None:
        """Make all the changes or none; errors as Writer.apply."""
        ...


@runtime_checkable
class BulkReader(Protocol):
    """A directory that gives many entries quicker than as Entry objects."""

    def search_pages(self, base: str, scope: Scope, filter: Filter) -> Iterator[Together]:  # noqa: A002
        """Yield the matching entries with their user attributes, many at a time.

        Order and errors are those of Reader.search.
        """
        ...


@runtime_checkable
class BulkWriter(Protocol):
    """A directory that takes many changes quicker than one after the other."""

    def apply_batch(
        self,
        changes: Sequence[Change],
        *,
        following: Callable[[], Sequence[Change]] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[MailldapError | None]:
        """Make the changes in their order; return for each one tried None, or why it was refused.

        After a refusal, or when *stop* says so, no more are begun: the list is then shorter than
        *changes*. *following* may be called while the server is at work, and must not raise; what
        it returns may be sent ahead, and is made only if the next call is for these very objects.
        Raises CouldNotAsk when the directory went away; nobody knows then what was made.
        """
        ...

    def end_batches(self) -> None:
        """Give up what was sent ahead: the last batch has been made."""
        ...

    def get_many(self, dns: Sequence[str]) -> list[Entry | None]:
        """Return for each DN its entry, or None where there is none; errors as Reader.search."""
        ...


@dataclass(frozen=True, slots=True)
class SessionParameters:
    """How an LDAP table reaches its servers; names and defaults of ldap_table(5).

    ``hosts`` are URIs as server_host means them, normalised by the table's parser.
    """

    hosts: tuple[str, ...]
    timeout: int = 10
    version: int = 3
    bind: str = "simple"  # "none" | "simple" | "sasl"
    bind_dn: str = ""
    bind_pw: str = field(default="", repr=False)
    sasl_mechs: str = ""
    sasl_realm: str = ""
    sasl_authz_id: str = ""
    sasl_minssf: int = 0
    start_tls: bool = False
    tls_require_cert: bool = False
    tls_ca_cert_file: str = ""
    tls_ca_cert_dir: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_cipher_suite: str = ""
    dereference: int = 0
    chase_referrals: bool = False


class SessionOpener(Protocol):
    """Opens the conversation that a table needs; passed in, so that tables do no I/O of theirs."""

    def __call__(self, parameters: SessionParameters) -> Session:
        """Return an open session (connected and bound when ``bind`` is not "none").

        Raises CouldNotAsk with libldap's words where the servers cannot be reached, secured or
        bound to.
        """
        ...
