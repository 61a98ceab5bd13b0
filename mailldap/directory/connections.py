"""The servers of one directory, tried in order, and the connection to one of them."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from mailldap.directory.base import Scope, SearchRequest
from mailldap.directory.channel import Channel
from mailldap.directory.exchange import run_search
from mailldap.directory.keeper import Keeper
from mailldap.directory.server_options import ServerOptions
from mailldap.directory.uri import ServerUri
from mailldap.errors import ApiError, CouldNotAsk, MailldapError, Unreachable
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Present

if TYPE_CHECKING:
    import ldap3

_T = TypeVar("_T")

#: Our message ids start here: ldap3 counts its own from 1.
_FIRST_ID = 1 << 20


class Connection:
    """An ldap3 connection and our channel on its socket."""

    def __init__(self, uri: ServerUri, options: ServerOptions) -> None:
        from mailldap.directory.ldap3_connect import connect  # 60 ms, when used

        self.uri = uri
        self.ldap3: ldap3.Connection = connect(uri, options)
        self.channel = Channel(self.ldap3.socket, first_id=_FIRST_ID)
        self.root_dse: Entry | None = None
        self._keeper: Keeper | None = None

    @property
    def peer(self) -> object:
        """The address of the other side; None when it has gone."""
        try:
            return self.ldap3.socket.getpeername()
        except OSError:
            return None

    def fetch_root_dse(self, deadline: float) -> Entry:
        """Return the root DSE, asked for once a connection."""
        if self.root_dse is None:
            request = SearchRequest("", Scope.BASE, Present("objectClass"), ("*", "+"))
            result = run_search(self.channel, request, deadline).result
            result.raise_for_code()
            self.root_dse = result.entries[0] if result.entries else Entry("", ())
        return self.root_dse

    def keep(self) -> None:
        """See to it that the server does not see us go while it makes a transaction."""
        if self._keeper is None:
            self._keeper = Keeper(self.channel.fileno())

    def close(self) -> None:
        """Unbind and close; in the middle of a transaction leave the connection to a keeper."""
        busy = self.channel.busy
        if busy:
            self.keep()
        if self._keeper is not None:
            self._keeper.dismiss(at_once=not busy)
            self._keeper = None
        self.channel.close()
        self.ldap3.strategy.close()


class Connections:
    """The connection to the first server that can be reached, and on request a second one.

    The servers are tried when a connection is needed: at the first question, and when the last
    connection broke. A refused bind is an answer and ends the trying.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._uris = options.servers()
        self._options = options
        #: The connection in use.
        self.current: Connection | None = None
        self._second: Connection | None = None
        self._alone = False

    @property
    def uri(self) -> str:
        """The URI of the server in use, of the first one before that."""
        return str(self.current.uri if self.current else self._uris[0])

    def connected(self) -> Connection:
        """Return a connection that lives. Raises Unreachable, LdapRefusal or ConfigError."""
        if self.current is not None:
            if not self.current.channel.stale:
                return self.current
            self.disconnect()
        failures: list[CouldNotAsk] = []
        for uri in self._uris:
            try:
                self.current = Connection(uri, self._options)
            except CouldNotAsk as error:
                failures.append(error)
            else:
                return self.current
        hints = (failure.hint for failure in failures if failure.hint)
        raise Unreachable(
            "; ".join(failure.message for failure in failures), hint=next(hints, None)
        )

    def second(self) -> Connection | None:
        """Return another connection to the server in use; None where there can be none."""
        first = self.current
        if self._second is None and first is not None and not self._alone:
            try:
                self._second = Connection(first.uri, self._options)
            except MailldapError:
                self._alone = True
            else:
                self._second.root_dse = first.root_dse
                if self._second.peer != first.peer:  # the name leads to several servers
                    self.stay_alone()
        return self._second

    def switch(self) -> Connection:
        """Return the second connection, which is the one in use now, and the other way round."""
        assert self._second is not None
        self.current, self._second = self._second, self.current
        return self.current

    def stay_alone(self) -> None:
        """Close the second connection, for good."""
        self._alone = True
        self._close_second()

    def _close_second(self) -> None:
        if self._second is not None:
            self._second.close()
            self._second = None

    def disconnect(self) -> None:
        """Unbind; harmless when that was done."""
        self._close_second()
        if self.current is not None:
            self.current.close()
            self.current = None

    def deadline(self) -> float:
        """Return when an answer that is asked for now is due, on the monotonic clock."""
        return monotonic() + self._options.timeout

    def ask(self, question: Callable[[Connection], _T], *, repeat: bool = True) -> _T:
        """Put a question; once more over a new connection where the first broke off.

        A change is not repeated: nobody knows whether it was made. Raises CouldNotAsk, what
        :meth:`connected` raises, and what *question* does.
        """
        connection = self.connected()
        if repeat:
            try:
                return question(connection)
            except ApiError as error:
                if error.result != -1:
                    raise self._lost(connection, error) from error
            self.disconnect()
            connection = self.connected()
        return self.ask_of(connection, question)

    def ask_of(self, connection: Connection, question: Callable[[Connection], _T]) -> _T:
        """Put a question that only *connection* can answer. Raises as :meth:`ask`."""
        try:
            return question(connection)
        except ApiError as error:
            raise self._lost(connection, error) from error

    def _lost(self, connection: Connection, error: ApiError) -> CouldNotAsk:
        self.disconnect()
        return CouldNotAsk(f"{connection.uri}: {error.message}")
