"""The part of a connection that ldap3 does: open, secure, bind. Imported when one is opened.

ldap3 leaves the checking of certificates to a copy of an old Python function that newer Pythons
no longer have; here OpenSSL itself checks chain and name, and the name is sent to the server
(RFC 6066 §3).
"""

from __future__ import annotations

import math
import re
import ssl
from typing import TYPE_CHECKING, Any

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPSocketOpenError

from mailldap.directory.ldap3_errors import convert
from mailldap.directory.uri import ServerUri
from mailldap.errors import ConfigError, CouldNotAsk, LdapRefusal, MailldapError, Unreachable

if TYPE_CHECKING:
    from mailldap.directory.server_options import ServerOptions


_UNRESOLVED = "the name does not resolve"
_PREAMBLE = re.compile(r"^socket [a-z ]+: (?:\[Errno [0-9]+\] )?")


class _Tls(ldap3.Tls):
    """ldap3's TLS set-up with the context that we made."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(validate=context.verify_mode)
        self._context = context
        #: Why there is no TLS: ldap3 goes on with a text that has this in two pairs of quotes.
        self.failure: ssl.SSLError | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        try:
            connection.socket = self._context.wrap_socket(
                connection.socket,
                server_hostname=connection.server.host,
                do_handshake_on_connect=do_handshake,
            )
        except ssl.SSLError as error:
            self.failure = error
            raise


def tls_context(options: ServerOptions) -> ssl.SSLContext:
    """Return the rules of the options for certificates. Raises ConfigError."""
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the CA file cannot be used: {error}",
            file=options.ca_file,
            hint="it must hold PEM certificates",
        ) from error
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def connect(uri: ServerUri, options: ServerOptions) -> ldap3.Connection:
    """Return a connection to *uri* that is open, secured and bound as the options say.

    Raises Unreachable, ConfigError, CouldNotAsk, or the LdapRefusal with which the server
    refused StartTLS ("must") or the bind.
    """
    connection = None
    if options.bind_dn and options.start_tls == "never":
        options.check_cleartext(uri, secured=uri.scheme != "ldap")
    try:
        connection = _connection(uri, options)
        connection.open(read_server_info=False)
        if options.start_tls != "never" and uri.scheme == "ldap":
            _start_tls(connection, uri, options)
        if options.bind_dn or options.sasl_external:
            options.check_cleartext(uri, secured=connection.tls_started or uri.scheme != "ldap")
            _bind(connection, uri, options)
    except Exception as error:
        if connection is not None:
            connection.strategy.close()
            if isinstance(tls := connection.server.tls, _Tls) and tls.failure:
                raise _no_tls(tls.failure, uri) from error
        raise _ours(error, uri) from error
    return connection


def _no_tls(failure: ssl.SSLError, uri: ServerUri) -> Unreachable:
    """Return the error for a handshake that failed, in OpenSSL's words."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return Unreachable(
            f"{uri}: its certificate is not accepted: {failure.verify_message.rstrip('.')}",
            hint="`ca_file:` in mailldap.yaml names the authority; the name must be the server's",
        )
    reason = (failure.reason or str(failure)).lower().replace("_", " ")
    hint = "ldaps:// is for a port that speaks TLS from the first byte; -ZZ is StartTLS on ldap://"
    return Unreachable(f"{uri}: no TLS: {reason}", hint=hint if uri.scheme == "ldaps" else None)


def _ours(error: Exception, uri: ServerUri) -> MailldapError:
    """Return our error; what is neither ours nor ldap3's is its surprise at a bent answer."""
    if isinstance(error, MailldapError):
        return error
    if isinstance(error, LDAPException):
        return convert(_plain(error), str(uri))
    return CouldNotAsk(f"{uri}: malformed answer ({type(error).__name__}: {error})")


def _connection(uri: ServerUri, options: ServerOptions) -> ldap3.Connection:
    needs_tls = uri.scheme == "ldaps" or options.start_tls != "never"
    server = ldap3.Server(
        str(uri) if uri.scheme == "ldapi" else uri.host,
        port=uri.port or None,
        use_ssl=uri.scheme == "ldaps",
        tls=_Tls(tls_context(options)) if needs_tls else None,
        get_info=ldap3.NONE,
        connect_timeout=options.connect_timeout,
    )
    credentials: dict[str, Any] = {}
    if options.sasl_external:
        # Empty credentials, not none: without an initial response slapd asks for one, and ldap3
        # takes that for the end (RFC 4422 §5.1).
        credentials = {
            "authentication": ldap3.SASL,
            "sasl_mechanism": ldap3.EXTERNAL,
            "sasl_credentials": "",
        }
    elif options.bind_dn:
        # As bytes: ldap3 puts text through SASLprep, which the OpenLDAP tools do not.
        password = (options.password or "").encode()
        credentials = {"user": options.bind_dn, "password": password}
    return ldap3.Connection(
        server,
        auto_referrals=False,
        check_names=False,
        raise_exceptions=True,
        receive_timeout=math.ceil(options.timeout),
        **credentials,
    )


def _bind(connection: Any, uri: ServerUri, options: ServerOptions) -> None:
    try:
        connection.bind(read_server_info=False)
    except LDAPException as error:
        ours = convert(_plain(error), str(uri))
        if isinstance(ours, LdapRefusal):
            who = "SASL EXTERNAL" if options.sasl_external else options.bind_dn
            ours.hint = f"it refused the bind as {who} to {uri}"
        raise ours from error


def _start_tls(connection: Any, uri: ServerUri, options: ServerOptions) -> None:
    try:
        connection.start_tls(read_server_info=False)
    except LDAPException as error:
        ours = convert(_plain(error), str(uri))
        if not isinstance(ours, LdapRefusal):
            raise
        if options.start_tls == "must":
            raise Unreachable(f"{uri}: StartTLS was refused: {ours}") from error
        connection.starting_tls = False


def _plain(error: LDAPException) -> LDAPException:
    """Return the one reason behind ldap3's list of reasons, one an address."""
    if len(error.args) == 2 and isinstance(error.args[1], list) and error.args[1]:
        reasons = dict.fromkeys(str(reason) for reason, _address in error.args[1])
        return LDAPSocketOpenError("; ".join(map(_brief, reasons)))
    if type(error).__mro__[1] is LDAPSocketOpenError or type(error) is LDAPSocketOpenError:
        text = str(error)
        return LDAPSocketOpenError(
            _UNRESOLVED if text == "invalid server address" else _brief(text)
        )
    return error


def _brief(reason: str) -> str:
    """Return the reason without ldap3's way of saying that a socket was not opened."""
    return _PREAMBLE.sub("", reason)
