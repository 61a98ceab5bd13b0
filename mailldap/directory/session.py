"""A conversation as Postfix 3.7 has it through libldap 2.5 (dict_ldap.c, ldap_table(5)).

What is kept exactly: which failure moves on to the next server and which does not, what each
timeout covers, what is repeated, how certificates are looked at, and the words of each failure.
No ldap3: a lookup must not pay for its import.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from mailldap.directory import wire
from mailldap.directory.answers import Result
from mailldap.directory.base import Deref, Scope, SearchRequest, SearchResult, SessionParameters
from mailldap.directory.channel import Channel
from mailldap.directory.exchange import run_search, stream_searches
from mailldap.directory.libldap.connect import open_channel, start_tls
from mailldap.directory.libldap.referral import Chase
from mailldap.directory.libldap.uri import LibldapUri, parse_uri_list
from mailldap.directory.libldap_text import (
    AUTH_UNKNOWN,
    NOT_SUPPORTED,
    PARAM_ERROR,
    SERVER_DOWN,
    TIMEOUT,
    api_error,
    err2string,
)
from mailldap.errors import ApiError
from mailldap.ldap.filter import Present

if TYPE_CHECKING:
    from mailldap.directory.libldap.tls import TlsRules
    from mailldap.directory.skeleton import Skeleton
    from mailldap.directory.together import Arrived, Ended, EntryStream

_T = TypeVar("_T")
_E = TypeVar("_E")

_NO_SUCH_ATTRIBUTE = 16
_NO_SUCH_OBJECT = 32
_MECHANISM = re.compile("[A-Z0-9_-]+")


def open_session(parameters: SessionParameters) -> LibldapSession:
    """Return a session, connected and bound where ``bind`` is not "none".

    Raises ApiError with Postfix's words.
    """
    session = LibldapSession(parameters)
    session.ensure_open()
    return session


class LibldapSession:
    """A Session; it opens itself again after a failure, as Postfix does at the next lookup."""

    def __init__(self, parameters: SessionParameters) -> None:
        self._parameters = parameters
        self._hosts: tuple[LibldapUri, ...] = ()
        self._tls: TlsRules | None = None
        self._channel: Channel | None = None
        self._uri: LibldapUri | None = None
        #: Whether dict_ldap_connect() has succeeded; without a bind nothing is connected yet.
        self._open = False

    # -- opening (dict_ldap_connect) -----------------------------------------------------------

    @property
    def _server_host(self) -> str:
        return " ".join(self._parameters.hosts)

    def ensure_open(self) -> None:
        """Connect, secure and bind, unless that has been done and has not failed since.

        Raises ApiError: its message is Postfix's warning without the function's name.
        """
        if self._open:
            return
        parameters = self._parameters
        hosts = parse_uri_list(self._server_host)
        if hosts is None:
            text = err2string(PARAM_ERROR)
            raise ApiError(PARAM_ERROR, text, f"Unable to init LDAP server {self._server_host}")
        self._hosts = hosts
        if parameters.start_tls or any(uri.scheme == "ldaps" for uri in hosts):
            self._tls = _tls_rules(parameters)
        if parameters.start_tls:
            self._start_tls()
        if parameters.bind != "none":
            self._bind()
        self._open = True

    def _connected(self, deadline: float | None = None) -> Channel:
        if self._channel is None:
            self._channel, self._uri = open_channel(
                self._hosts, self._parameters.timeout, self._tls, deadline
            )
        return self._channel

    def _start_tls(self) -> None:
        """Connect and secure, all of it under one alarm clock."""
        deadline = self._deadline()
        try:
            channel = self._connected(deadline)
            assert self._tls is not None
            assert self._uri is not None
            start_tls(channel, self._tls, self._uri.host, deadline)
        except ApiError as error:
            self.close()
            alarm = deadline is not None and monotonic() >= deadline
            reason = api_error(TIMEOUT) if alarm else error
            raise _worded("Unable to set STARTTLS: {result}: {text}", reason) from error

    def _bind(self) -> None:
        parameters = self._parameters
        try:
            if parameters.bind == "sasl":
                self._bind_external()
            else:
                self._bind_simple()
        except ApiError as error:
            self.close()
            name = parameters.bind_dn or "empty or implicit"
            raise _worded(
                f"Unable to bind to server {self._server_host} with dn {name}: "
                "{result} ({text})",
                error,
            ) from error

    def _bind_simple(self) -> None:
        parameters = self._parameters
        channel = self._connected()
        operation = wire.bind_simple(parameters.bind_dn, parameters.bind_pw, parameters.version)
        _check(channel.call(operation, self._deadline()))

    def _bind_external(self) -> None:
        """Bind by SASL EXTERNAL, which has no timeout; no other mechanism is known here."""
        parameters = self._parameters
        channel = self._connected()
        if parameters.version < 3:
            raise api_error(NOT_SUPPORTED)
        assert self._uri is not None
        mechanisms = _MECHANISM.findall(parameters.sasl_mechs.upper())
        mechanisms = mechanisms or self._offered_mechanisms(channel)
        local = self._uri.scheme == "ldapi"
        if "EXTERNAL" not in mechanisms or not (local or parameters.tls_cert):
            text = err2string(AUTH_UNKNOWN)
            raise ApiError(
                AUTH_UNKNOWN,
                text,
                f"{text}: of SASL's mechanisms mailldap speaks EXTERNAL, which needs ldapi:// or "
                "a client certificate",
            )
        authorization = parameters.sasl_authz_id.encode("utf-8", "surrogateescape")
        _check(channel.call(wire.bind_sasl("EXTERNAL", authorization), None))

    def _offered_mechanisms(self, channel: Channel) -> list[str]:
        request = SearchRequest(
            "", Scope.BASE, Present("objectClass"), ("supportedSASLMechanisms",)
        )
        result = run_search(channel, request, None).result
        if result.code:
            raise api_error(result.code, result.text)
        names = [
            name.upper()
            for entry in result.entries
            for name in entry.texts("supportedSASLMechanisms")
        ]
        if not names:
            raise api_error(_NO_SUCH_ATTRIBUTE)
        return names

    def _deadline(self) -> float | None:
        timeout = self._parameters.timeout
        return None if timeout < 0 else monotonic() + timeout

    # -- searching (dict_ldap_lookup, search_st) ------------------------------------------------

    def run(self, request: SearchRequest) -> SearchResult:
        """Return what the server answered.

        A lost connection is made anew once. Every other failure, and every result but success
        and noSuchObject, ends the connection. Raises ApiError: message ``Search error N: TEXT``,
        or that of :meth:`ensure_open`.
        """
        self.ensure_open()
        try:
            result = self._search(request)
        except ApiError as error:
            self.close()
            if error.result != SERVER_DOWN:
                raise _worded("Search error {result}: {text}", error) from error
            self.ensure_open()
            try:
                result = self._search(request)
            except ApiError as again:
                self.close()
                raise _worded("Search error {result}: {text}", again) from again
        if result.code not in {0, _NO_SUCH_OBJECT}:
            self.close()
        return result

    def _search(self, request: SearchRequest) -> SearchResult:
        parameters = self._parameters
        if parameters.timeout == 0:
            raise api_error(PARAM_ERROR)
        request = self._adjusted(request)
        channel = self._connected()
        deadline = self._deadline()
        result = run_search(channel, request, deadline).result
        if parameters.chase_referrals and (result.references or result.referral):
            with Chase(parameters.timeout, self._tls, deadline) as chase:
                return chase.follow(request, result)
        return result

    def encode(
        self, request: SearchRequest, filter_: bytes | None = None, *, timed: bool = True
    ) -> bytes:
        """Return the search request with the table's dereference and, if *timed*, timeout in it.

        *filter_* is an encoded filter that takes the place of the request's.
        """
        adjusted = self._adjusted(request)
        return wire.search(adjusted if timed else adjusted._replace(time_limit=0), filter_)

    def _adjusted(self, request: SearchRequest) -> SearchRequest:
        return request._replace(
            time_limit=max(self._parameters.timeout, 0),
            deref=request.deref or Deref(self._parameters.dereference),
        )

    def stream(
        self,
        questions: Iterable[tuple[_T, bytes]],
        window: int,
        parse: Callable[[bytes, int, int], _E],
    ) -> Iterator[tuple[_T, SearchResult, list[_E]]]:
        """Put encoded searches, *window* of them unanswered; yield each with its answer.

        Answers come as the server finishes them, their entries, read by *parse*, beside them. A
        result other than success is handed over and changes nothing; references are left alone.
        Raises ApiError where the conversation fails: questions without an answer have to be put
        again.
        """
        with self._conversation() as channel:
            yield from stream_searches(channel, questions, window, self._deadline, parse)

    def stream_together(
        self, questions: Iterable[tuple[_T, bytes]], window: int, skeleton: Skeleton
    ) -> Iterator[Arrived[_T] | Ended[_T]]:
        """Put encoded searches as :meth:`stream` does; yield what comes in as it comes.

        *skeleton* is what searches for the same attributes share.
        """
        from mailldap.directory.together import stream_together  # where many entries are read

        with self._conversation() as channel:
            yield from stream_together(channel, questions, window, self._deadline, skeleton)

    @contextmanager
    def entries(self, operation: bytes) -> Iterator[EntryStream]:
        """Put one encoded search, whose entries are read as they come.

        A search that is left before its end ends the connection. Raises ApiError, from reading
        too; each wait has the table's timeout.
        """
        from mailldap.directory.skeleton import Skeleton
        from mailldap.directory.together import EntryStream

        with self._conversation() as channel:
            sent = channel.send(operation, self._deadline())
            stream = EntryStream(channel, sent, self._deadline, Skeleton())
            yield stream
            if not stream.complete:
                self.close()

    @contextmanager
    def _conversation(self) -> Iterator[Channel]:
        """Give the open channel to searches whose answers come by and by; end it at a failure.

        What is left before its end (GeneratorExit, too) has answers on their way.
        """
        self.ensure_open()
        if self._parameters.timeout == 0:
            raise api_error(PARAM_ERROR)
        try:
            yield self._connected()
        except BaseException as error:
            self.close()
            if isinstance(error, ApiError):
                raise _worded("Search error {result}: {text}", error) from error
            raise

    def close(self) -> None:
        """Unbind; the next search opens everything anew."""
        self._open = False
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _tls_rules(parameters: SessionParameters) -> TlsRules:
    from mailldap.directory.libldap.tls import TlsRules  # 15 ms, where a table uses TLS

    try:
        return TlsRules(parameters)
    except OSError as error:
        # NEWCTX fails with -1 whatever the reason was.
        raise _worded(
            "Unable to allocate new TLS context {result}: {text}",
            api_error(SERVER_DOWN, str(error)),
        ) from error


def _check(result: Result) -> None:
    if result.code:
        raise api_error(result.code, result.text)


def _worded(words: str, error: ApiError) -> ApiError:
    """Return the failure in Postfix's words, with ours as the hint."""
    return ApiError(
        error.result,
        error.text,
        words.format(result=error.result, text=error.text),
        hint=error.message if error.message != error.text else None,
    )
