"""The way out through a submission service: relayhost, its password and its certificate."""

from __future__ import annotations

import re

from mailldap.config.secret import read_secret
from mailldap.config.settings import RelaySettings, Settings
from mailldap.errors import ConfigError
from mailldap.postfix.generate.files import GeneratedFile, Secrets
from mailldap.postfix.generate.seal import seal
from mailldap.postfix.generate.services import Service
from mailldap.postfix.generate.tables import file_reference
from mailldap.postfix.generate.text import Line, cf_value, domain, main_value

PASSWORD_FILE = "sasl_passwd"  # noqa: S105  a file's name
COMMENT = (
    "All other mail leaves through this submission service: encrypted, its certificate checked,\n"
    "and the password never in clear text."
)
#: ``[host]:port``, ``[host]``, ``host:port`` or ``host``: postconf(5), relayhost.
_HOST = re.compile(r"(\[[A-Za-z0-9.:_-]+\]|[A-Za-z0-9._-]+)(?::([a-z0-9-]+))?")
_WRAPPED = {"465", "smtps", "submissions"}
#: The transport for what must not go through a service that speaks TLS from the first byte.
DIRECT_SERVICE = "smtp-direct"


def relay_lines(settings: Settings) -> list[Line]:
    """Return the main.cf lines for ``postfix.relay``.

    Domains of ``relay.direct`` keep their own way: transport_maps sends them past the relayhost
    and smtp_tls_policy_maps asks no verified certificate of them. Raises ConfigError.
    """
    relay = _relay(settings)
    lines = [
        ("relayhost", relay.host),
        ("smtp_sasl_auth_enable", "yes"),
        ("smtp_sasl_password_maps", file_reference(settings, relay.map, PASSWORD_FILE)),
        # The second list is for TLS, the first for everything else: no plain text there.
        ("smtp_sasl_security_options", "noanonymous, noplaintext"),
        ("smtp_sasl_tls_security_options", "noanonymous"),
        ("smtp_tls_CAfile", main_value("postfix.relay.ca_file", relay.ca_file)),
        ("smtp_tls_security_level", relay.level),
    ]
    direct = sorted(_direct_domain(name) for name in relay.direct)
    if is_wrapped(relay):
        lines.append(("smtp_tls_wrappermode", "yes"))
    if direct:
        transport = f"{DIRECT_SERVICE}:" if is_wrapped(relay) else "smtp:"
        lines.append(("transport_maps", _inline(direct, transport)))
        if not is_wrapped(relay):
            lines.append(("smtp_tls_policy_maps", _inline(direct, "may")))
    return lines


def relay_services(settings: Settings) -> list[Service]:
    """Return the master.cf entries that relay_lines refers to."""
    relay = _relay(settings)
    if not (is_wrapped(relay) and relay.direct):
        return []
    return [
        Service(
            DIRECT_SERVICE,
            "smtp",
            (
                "-o smtp_tls_wrappermode=no",
                "-o smtp_tls_security_level=may",
                "-o smtp_sasl_auth_enable=no",
            ),
        )
    ]


def relay_password(settings: Settings, secrets: Secrets) -> GeneratedFile:
    """Return sasl_passwd; its key is the relayhost as it is written there.

    smtp(8) looks the destination up as it stands in relayhost, so that ``[host]`` or
    ``host:port`` for ``[host]:port`` would send mail without authentication. Raises ConfigError
    where user name or password are missing or cannot be written.
    """
    relay = _relay(settings)
    username = cf_value("postfix.relay.username", relay.username)
    if ":" in username:
        raise ConfigError("postfix.relay.username: Postfix ends the user name at the first colon")
    password = secrets.relay_password
    if password is None and relay.password_file is not None:
        password = read_secret(relay.password_file)
    if password is None:
        raise ConfigError(
            f"no password for {username} at {relay.host}", hint="set postfix.relay.password_file"
        )
    cf_value("the password of postfix.relay", password, secret=True)
    body = f"{relay.host} {username}:{password}\n"
    return GeneratedFile(
        name=PASSWORD_FILE,
        content=seal("relay", body.encode("utf-8")),
        mode=0o600,
        secret=True,
        index=None if relay.map == "texthash" else relay.map,
    )


def is_wrapped(relay: RelaySettings) -> bool:
    """Return whether the service speaks TLS from the first byte (port 465, RFC 8314 §3.3)."""
    match = _HOST.fullmatch(relay.host)
    return match is not None and match[2] in _WRAPPED


def _relay(settings: Settings) -> RelaySettings:
    relay = settings.postfix.relay or RelaySettings()
    if not _HOST.fullmatch(relay.host):
        raise ConfigError(
            f"postfix.relay.host: {relay.host!r} is not a next hop",
            hint="write [smtp.example.net]:587; the brackets switch the MX lookup off",
        )
    return relay


def _direct_domain(name: str) -> str:
    dot = "." if name.startswith(".") else ""
    return dot + domain("postfix.relay.direct", name.removeprefix("."))


def _inline(keys: list[str], value: str) -> str:
    return f"inline:{{{', '.join(f'{key}={value}' for key in keys)}}}"
