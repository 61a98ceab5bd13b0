"""The way out through a relay: authentication that does not happen, passwords that leak."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from mailldap.audit.configuration import Configuration
from mailldap.audit.finding import Finding
from mailldap.audit.postfix_rules.tables import ask_nobody
from mailldap.audit.services import Word, words_of
from mailldap.audit.source import SourceFile
from mailldap.errors import MailldapError
from mailldap.postfix.lines import LogicalLine
from mailldap.postfix.words import split_key
from mailldap.simulate.configured import table_context
from mailldap.tables.base import Failed, Found
from mailldap.tables.open import open_maps

#: postconf(5), smtp_tls_security_level.
LEVELS = frozenset(
    {"none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure"}
)
#: Levels at which the server is known before it gets the password.
_AUTHENTICATED = frozenset({"dane-only", "fingerprint", "verify", "secure"})
_LEVEL_NAMES = ("smtp_tls_security_level", "lmtp_tls_security_level", "smtpd_tls_security_level")
_TEXT_TABLES = frozenset({"hash", "texthash", "lmdb", "cdb", "btree", "dbm"})


def relayhost(conf: Configuration) -> str:
    """Return the first destination of relayhost, or an empty text."""
    return next(iter(conf.words("relayhost")), "")


def host_of(destination: str) -> str:
    """Return the host of a destination, without brackets and port, in lower case."""
    match = re.fullmatch(r"\[([^\]]*)\](?::.*)?|([^:]*)(?::.*)?", destination)
    return ((match[1] or match[2] or "") if match else destination).lower()


def level(conf: Configuration) -> str:
    """Return smtp's TLS level, with the parameters that it had before 2.3."""
    own = conf.value("smtp_tls_security_level").lower()
    if own:
        return own
    if conf.truth("smtp_enforce_tls"):
        return "verify" if conf.truth("smtp_tls_enforce_peername") else "encrypt"
    return "may" if conf.truth("smtp_use_tls") else ""


def level_to_relay(conf: Configuration) -> str | None:
    """Return the level that smtp_tls_policy_maps has for the relayhost, else the general one.

    None: a table that cannot be asked from here may have one (postconf(5), smtp_tls_policy_maps).
    """
    specs = conf.value("smtp_tls_policy_maps")
    if not specs:
        return level(conf)
    destination = relayhost(conf)
    keys = [destination]
    if re.fullmatch(r"[\w.-]+", destination):  # only names have parents
        keys += [destination[place:] for place in _dots(destination)]
    context = replace(
        table_context(conf.cf, ask_nobody, warn=lambda _text: None),
        read_file=lambda path: _content(conf, path),
    )
    try:
        with closing(open_maps(specs, context)) as maps:
            for answer in map(maps.find, filter(None, keys)):
                if isinstance(answer, Failed):
                    return None
                if isinstance(answer, Found):
                    return next(iter(answer.value.split()), "").lower()
    except MailldapError:
        return None
    return level(conf) if destination else None


def _dots(name: str) -> list[int]:
    return [place for place, character in enumerate(name) if character == "." and place]


def _content(conf: Configuration, path: str) -> bytes:
    file = conf.read(conf.locate(path))
    if file is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return file.content


def bad_level(conf: Configuration) -> Iterator[Finding]:
    """Find TLS levels that do not exist; the programs die of them."""
    if conf.main is None:
        return
    for name in _LEVEL_NAMES:
        setting = conf.setting(name)
        if setting is None or "#" in setting.value:
            continue
        value = conf.value(name).lower()
        known = {"", "none", "may", "encrypt"} if name.startswith("smtpd") else {"", *LEVELS}
        if value not in known:
            program = name.partition("_")[0]
            yield Finding(
                "bad-tls-level",
                "error",
                conf.main.name,
                setting.line,
                name,
                f"{value!r} is no TLS level: every {program} process dies at start",
                f"write one of {', '.join(sorted(known - {''}))}",
            )


def password_exposed(conf: Configuration) -> Iterator[Finding]:
    """Find levels that give the relay's password to anybody who answers in its place."""
    if conf.main is None or not conf.truth("smtp_sasl_auth_enable"):
        return
    if not relayhost(conf) and not conf.value("sender_dependent_relayhost_maps"):
        return
    chosen = level_to_relay(conf)
    if chosen is None:
        return
    # A comment behind the level kills smtp; what the level itself would do is said beside it.
    chosen = chosen.partition("#")[0].strip()
    if chosen in _AUTHENTICATED:
        return
    line = conf.line("smtp_tls_security_level", "smtp_use_tls", "smtp_sasl_auth_enable")
    options = {word.lower() for word in conf.words("smtp_sasl_security_options")}
    in_clear = chosen in {"", "none", "may", "dane"} and "noplaintext" not in options
    yield Finding(
        "password-in-clear" if in_clear else "password-unverified",
        "error" if in_clear else "warning",
        conf.main.name,
        line,
        "smtp_tls_security_level",
        (
            f"at level {chosen or 'none'} the password goes in clear text to any server that"
            " offers no STARTTLS, or behind anyone who removes the offer"
            if in_clear
            else f"at level {chosen or 'none'} nobody checks who the server is, so that"
            " whoever stands between gets the password"
        ),
        "set smtp_tls_security_level = secure"
        + ("" if not in_clear else " and smtp_sasl_security_options = noanonymous, noplaintext"),
    )


def no_mechanism(conf: Configuration) -> Iterator[Finding]:
    """Find the default of refusing plain passwords even over TLS."""
    if conf.main is None or not conf.truth("smtp_sasl_auth_enable"):
        return
    name = "smtp_sasl_tls_security_options"
    if "noplaintext" in {word.lower() for word in conf.words(name)}:
        yield Finding(
            "no-mechanism",
            "warning",
            conf.main.name,
            conf.line(name, "smtp_sasl_security_options", "smtp_sasl_auth_enable"),
            name,
            "plain passwords are refused over TLS too, and most services offer nothing else:"
            " mail is deferred with no mechanism available",
            f"set {name} = noanonymous",
        )


def no_password_table(conf: Configuration) -> Iterator[Finding]:
    """Find authentication without passwords, and passwords without authentication."""
    if conf.main is None:
        return
    table = conf.value("smtp_sasl_password_maps")
    if conf.truth("smtp_sasl_auth_enable") and not table:
        yield Finding(
            "no-password-table",
            "error",
            conf.main.name,
            conf.line("smtp_sasl_auth_enable"),
            "smtp_sasl_password_maps",
            "is not set while smtp_sasl_auth_enable is yes: every smtp process dies, and mail"
            " stays in the queue",
            "set smtp_sasl_password_maps (mailldap postfix generate relay)",
        )
    elif (
        table
        and conf.value("smtp_sasl_auth_enable").lower() == "no"
        and not any(
            (override := service.overrides.get("smtp_sasl_auth_enable"))
            and override.value.lower() == "yes"
            for service in conf.services
        )
    ):
        yield Finding(
            "authentication-off",
            "warning",
            conf.main.name,
            conf.line("smtp_sasl_password_maps"),
            "smtp_sasl_auth_enable",
            "is no, so that the passwords are never used and mail goes out unauthenticated",
            "set smtp_sasl_auth_enable = yes",
        )


@dataclass(frozen=True, slots=True)
class PasswordKey:
    """One key of a password table's source."""

    file: SourceFile
    source: LogicalLine
    word: Word


def password_keys(conf: Configuration) -> list[PasswordKey]:
    """Return the keys of the text tables behind smtp_sasl_password_maps that are here."""
    found = []
    for use in conf.tables_of("smtp_sasl_password_maps"):
        file = conf.read(conf.locate(use.path)) if use.kind in _TEXT_TABLES else None
        if file is None:
            continue
        for line in file.lines:
            pair = split_key(line.text)
            if pair and pair[1]:
                found.append(PasswordKey(file, line, next(words_of(pair[0]))))
    return found


def misnamed_key(conf: Configuration) -> PasswordKey | None:
    """Return the one key that names the relayhost's host and does not match, or None.

    smtp(8) looks for the host name alone and for the destination as relayhost writes it.
    """
    destination = relayhost(conf)
    keys = password_keys(conf)
    if not destination or not keys:
        return None
    names = {key.word.text.lower() for key in keys}
    if destination.lower() in names or host_of(destination) in names:
        return None
    close = [key for key in keys if host_of(key.word.text) == host_of(destination)]
    return close[0] if len(close) == 1 else None


def unmatched_key(conf: Configuration) -> Iterator[Finding]:
    """Find password tables without a key for the relayhost: mail goes out unauthenticated."""
    destination = relayhost(conf)
    if not destination or not conf.truth("smtp_sasl_auth_enable"):
        return
    keys = password_keys(conf)
    names = {key.word.text.lower() for key in keys}
    if not keys or destination.lower() in names or host_of(destination) in names:
        return
    if conf.truth("smtp_sender_dependent_authentication"):
        return  # senders' own keys may be all there is
    key = misnamed_key(conf)
    yield Finding(
        "password-key",
        "error",
        keys[0].file.name,
        key.source.line if key else keys[0].source.line,
        "smtp_sasl_password_maps",
        f"{'key ' + key.word.text if key else 'no key'} does not match relayhost {destination}:"
        " mail goes out without authentication",
        f"write {destination} as the key, exactly as relayhost has it",
    )


def wrapper_mode(conf: Configuration) -> Iterator[Finding]:
    """Find port 465 without TLS from the first byte, and that without a level that allows it."""
    if conf.main is None or not relayhost(conf):
        return
    wrapped = conf.truth("smtp_tls_wrappermode")
    if re.search(r":(465|smtps|submissions)$", relayhost(conf)) and not wrapped:
        yield Finding(
            "wrapper-mode",
            "error",
            conf.main.name,
            conf.line("relayhost"),
            "smtp_tls_wrappermode",
            "port 465 speaks TLS from the first byte; without wrapper mode both sides wait until"
            " they give up",
            "use port 587, or set smtp_tls_wrappermode = yes",
        )
    elif wrapped and level(conf) in {"", "none", "may"}:
        yield Finding(
            "wrapper-mode",
            "error",
            conf.main.name,
            conf.line("smtp_tls_wrappermode"),
            "smtp_tls_security_level",
            "wrapper mode needs level encrypt or higher; mail is deferred",
            "set smtp_tls_security_level = secure",
        )


def no_trust(conf: Configuration) -> Iterator[Finding]:
    """Find verification without a list of authorities: no certificate can hold."""
    if conf.main is None or level(conf) not in {"verify", "secure"}:
        return
    anchors = ("smtp_tls_CAfile", "smtp_tls_CApath", "smtp_tls_trust_anchor_file")
    if not any(conf.value(name) for name in anchors) and not conf.truth("tls_append_default_CA"):
        yield Finding(
            "no-trust",
            "error",
            conf.main.name,
            conf.line("smtp_tls_security_level"),
            "smtp_tls_CAfile",
            "is not set, so that no certificate can be verified: all outbound mail is deferred",
            "set smtp_tls_CAfile to the system's bundle, /etc/ssl/certs/ca-certificates.crt on"
            " Debian",
        )
