"""TLS as libldap does it for Postfix: what is checked, and by which name (ldap_table(5)).

Imported only where a table uses TLS: the import of ssl costs more than a whole lookup.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from mailldap.directory.base import SessionParameters


class TlsRules:
    """One table's TLS settings, ready for use.

    tls_cipher_suite is not applied: Debian's libldap reads GnuTLS priority strings there, which
    OpenSSL does not know. Where GnuTLS is on this machine, what it refuses is refused.
    """

    def __init__(self, parameters: SessionParameters) -> None:
        """Raise OSError (ssl.SSLError is one) for files that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        self._checked = parameters.tls_require_cert
        if self._checked:
            context.verify_mode = ssl.CERT_REQUIRED
        else:
            context.verify_mode = ssl.CERT_NONE
            # A certificate that nobody looks at may be of any strength.
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        if parameters.tls_ca_cert_file:
            Path(parameters.tls_ca_cert_file).read_bytes()
            with suppress(ssl.SSLError):  # a file without certificates trusts nobody
                context.load_verify_locations(cafile=parameters.tls_ca_cert_file)
        if parameters.tls_ca_cert_dir:
            context.load_verify_locations(capath=parameters.tls_ca_cert_dir)
        if not parameters.tls_ca_cert_file and not parameters.tls_ca_cert_dir:
            context.set_default_verify_paths()
        if parameters.tls_cert:
            context.load_cert_chain(parameters.tls_cert, parameters.tls_key or None)
        if parameters.tls_cipher_suite and is_priority_string(parameters.tls_cipher_suite) is False:
            raise OSError(f"GnuTLS does not know tls_cipher_suite = {parameters.tls_cipher_suite}")
        self._context = context

    def wrap(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        """Return *sock* secured; *sock* must have a timeout. Raises OSError.

        The name that is checked is *host*, but ``localhost`` stands for the machine's own name
        (ldap_int_hostname).
        """
        name = host
        if self._checked and (not host or host.lower() == "localhost"):
            name = own_name()
        wrapped = self._context.wrap_socket(sock, server_hostname=_sni(host))
        if self._checked and not name_matches(wrapped.getpeercert() or {}, name):
            wrapped.close()
            raise ssl.SSLCertVerificationError(
                f"TLS: hostname does not match name in peer certificate: {name}"
            )
        return wrapped


def is_priority_string(text: str) -> bool | None:
    """Tell whether GnuTLS takes *text* (gnutls_priority_init(3)), None where there is no GnuTLS."""
    import ctypes  # 10 ms, where a table names ciphers

    try:
        library = ctypes.CDLL("libgnutls.so.30")
        cache, place = ctypes.c_void_p(), ctypes.c_char_p()
        raw = text.encode("utf-8", "surrogateescape")
        code = library.gnutls_priority_init(ctypes.byref(cache), raw, ctypes.byref(place))
        if not code:
            library.gnutls_priority_deinit(cache)
    except (OSError, AttributeError):
        return None
    return bool(code == 0)


def _sni(host: str) -> str | None:
    """Return the server name to send: no address, no empty name (RFC 6066 §3)."""
    if not host or _address(host) is not None:
        return None
    return host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


@cache
def own_name() -> str:
    """Return this machine's full name as libldap finds it (ldap_pvt_get_fqdn)."""
    name = socket.gethostname()
    try:
        found = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)
    except OSError:
        return name
    return found[0][3] or name


def name_matches(certificate: dict[str, Any], name: str) -> bool:
    """Tell whether libldap takes the certificate for *name*'s.

    A subjectAltName of the kind of the name, exact or with one leading ``*`` label; else the
    last commonName, whether or not there are other names.
    """
    address = _address(name)
    for kind, value in certificate.get("subjectAltName", ()):
        if address is not None:
            if kind == "IP Address" and _address(value.strip()) == address:
                return True
        elif kind == "DNS" and _covers(value, name):
            return True
    names = [
        value
        for rdn in certificate.get("subject", ())
        for attribute, value in rdn
        if attribute == "commonName"
    ]
    return bool(names) and _covers(names[-1], name)


def _covers(pattern: str, name: str) -> bool:
    pattern, name = pattern.lower(), name.lower()
    if pattern == name:
        return True
    _label, dot, domain = name.partition(".")
    return bool(dot) and pattern == f"*.{domain}"
