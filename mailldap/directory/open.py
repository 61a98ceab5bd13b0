"""From URIs to directories: ``ldif:PATH`` is a file, the rest are servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mailldap.directory.base import (
    SearchRequest,
    SearchResult,
    Session,
    SessionOpener,
    SessionParameters,
    Writer,
)
from mailldap.errors import ApiError, ConfigError, UsageError

if TYPE_CHECKING:
    from mailldap.ldap.schema import Schema

_FILE = "ldif:"


def open_directory(
    uris: Sequence[str] | str,
    *,
    base: str | None = None,
    schema: Schema | None = None,
    **options: Any,
) -> Writer:
    """Return the directory that *uris* name: one ``ldif:PATH``, or servers tried in order.

    *options* are the other fields of ServerOptions; a file needs none of them and ignores them.
    *schema* is what a file is checked by (servers have their own). A server is not contacted
    before it is used. Raises ConfigError naming the value for a URI that means nothing, and for
    a file what LdifDirectory raises.
    """
    wanted = (uris,) if isinstance(uris, str) else tuple(uris)
    path = _file(wanted)
    if path is not None:
        from mailldap.directory.ldif_file import LdifDirectory

        return LdifDirectory(path, base=base, schema=schema)
    from mailldap.directory.server import LdapServer
    from mailldap.directory.server_options import ServerOptions

    return LdapServer(ServerOptions(wanted, base=base or "", **options))


def _file(uris: Sequence[str]) -> str | None:
    """Return the path where the URIs are one ldif: URI, None where they are servers."""
    files = [uri for uri in uris if uri[: len(_FILE)].lower() == _FILE]
    if not files:
        return None
    if len(uris) > 1:
        raise UsageError(f"{files[0]} cannot be one of several directories")
    path = files[0][len(_FILE) :]
    if not path:
        raise ConfigError(f"no file is named: {files[0]!r}", hint="ldif:PATH")
    return path


class _Kept:
    """The embedded directory as a conversation that many tables share and none ends."""

    def __init__(self, directory: Session) -> None:
        self._directory = directory

    def run(self, request: SearchRequest) -> SearchResult:
        return self._directory.run(request)

    def close(self) -> None:
        """Leave the directory to the other tables."""


def is_file(uris: Sequence[str] | str) -> bool:
    """Return whether *uris* name a file, not servers. Errors as open_directory."""
    return _file((uris,) if isinstance(uris, str) else tuple(uris)) is not None


def same_session(directory: Session) -> SessionOpener:
    """Return an opener whose tables all ask *directory*, which none of them closes."""
    kept = _Kept(directory)
    return lambda _parameters: kept


def session_opener(
    override: str | Sequence[str] | None = None,
    *,
    base: str | None = None,
    schema: Schema | None = None,
    **options: Any,
) -> SessionOpener:
    """Return the opener that tables use.

    Tables with equal parameters share one conversation, as the maps of one Postfix process do.
    With *override* every table asks that directory instead of its own servers: its hosts, bind
    and TLS settings are replaced by *override* and *options* (bind_dn, password, sasl_external,
    start_tls, ca_file, verify and allow_cleartext_password of ServerOptions). Raises ConfigError
    for an override that means nothing or cannot work.
    """
    if not override:
        return _Shared()
    uris = (override,) if isinstance(override, str) else tuple(override)
    if _file(uris) is not None:
        directory = open_directory(uris, base=base, schema=schema)
        assert isinstance(directory, Session)
        return same_session(directory)
    from mailldap.directory.server_options import ServerOptions

    return _Elsewhere(ServerOptions(uris, **options))


class _Shared:
    """Opens each conversation once (POSTFIX: dict_ldap_conn_find)."""

    def __init__(self) -> None:
        self._sessions: dict[SessionParameters, Session] = {}

    def __call__(self, parameters: SessionParameters) -> Session:
        from mailldap.directory.session import LibldapSession

        session = self._sessions.get(parameters)
        if session is None:
            session = self._sessions[parameters] = LibldapSession(parameters)
        assert isinstance(session, LibldapSession)
        session.ensure_open()
        return session


class _Elsewhere:
    """Opens the servers of the command line in place of the table's."""

    def __init__(self, options: Any) -> None:
        self._options = options
        self._servers = options.servers()
        self._shared = _Shared()
        self._start_tls: bool = options.start_tls != "never"

    def __call__(self, parameters: SessionParameters) -> Session:
        try:
            return self._shared(self._replaced(parameters))
        except ApiError as error:
            # -Z: go on in clear text where the server answered, and refused StartTLS.
            if self._options.start_tls != "try" or not self._start_tls or error.result <= 0:
                raise
            self._start_tls = False
        return self._shared(self._replaced(parameters))

    def _replaced(self, parameters: SessionParameters) -> SessionParameters:
        options = self._options
        for uri in self._servers:
            options.check_cleartext(uri, secured=self._start_tls or uri.scheme != "ldap")
        simple = "simple" if options.bind_dn else "none"
        return replace(
            parameters,
            hosts=tuple(map(str, self._servers)),
            version=3,
            bind="sasl" if options.sasl_external else simple,
            bind_dn=options.bind_dn or "",
            bind_pw=options.password or "",
            sasl_mechs="EXTERNAL" if options.sasl_external else "",
            sasl_realm="",
            sasl_authz_id="",
            sasl_minssf=0,
            start_tls=self._start_tls,
            tls_require_cert=options.verify,
            tls_ca_cert_file=options.ca_file or "",
            tls_ca_cert_dir="",
            tls_cert="",
            tls_key="",
            tls_cipher_suite="",
        )
