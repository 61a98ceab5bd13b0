"""Values with their origin, and the merge of layers into Settings.

A layer maps dotted keys (``postfix.timeout``) to values as their source wrote them. The first
layer that has a key wins; what is wrong anywhere is reported together, each with its origin.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailldap.config.settings import (
    CyrusSettings,
    PostfixSettings,
    RelaySettings,
    SendersSettings,
    Settings,
)
from mailldap.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Value:
    """What a source says for one key, and where: ``mailldap.yaml:7`` or ``MAILLDAP_BASE``."""

    raw: Any
    origin: str
    #: Relative paths are relative to this folder.
    folder: Path = Path()


Layer = Mapping[str, Value]
Convert = Callable[[Value], Any]


def text(value: Value) -> str:
    """Return one line of text."""
    if not isinstance(value.raw, str | int | float) or isinstance(value.raw, bool):
        raise ValueError(f"should be text, not {value.raw!r}")  # noqa: TRY004  merge catches one
    result = str(value.raw)
    if "\n" in result or "\x00" in result:
        raise ValueError("should be one line")
    return result


def secret(value: Value) -> str:
    """Return a secret, of which no error shows anything."""
    try:
        return text(value)
    except ValueError:
        raise ValueError("should be one line of text") from None


def texts(value: Value) -> tuple[str, ...]:
    """Return a list of texts; one text is split at white space and commas."""
    if isinstance(value.raw, list):
        return tuple(text(Value(item, value.origin, value.folder)) for item in value.raw)
    return tuple(text(value).replace(",", " ").split())


def path(value: Value) -> Path:
    """Return a path, relative ones taken from the folder of the file that names it."""
    return value.folder / Path(text(value)).expanduser()


def path_text(value: Value) -> str:
    """Return a path that another program will read, as text."""
    return str(path(value))


def uris(value: Value) -> tuple[str, ...]:
    """Return directory URIs; ``ldif:`` paths are taken from the folder of the file."""
    items = [value.raw] if isinstance(value.raw, str) and value.raw[:5] == "ldif:" else None
    found = []
    for uri in items or texts(value):
        if uri.startswith("ldif:"):
            found.append(f"ldif:{value.folder / Path(uri[5:]).expanduser()}")
        else:
            found.append(uri)
    return tuple(found)


def boolean(value: Value) -> bool:
    """Return a truth value: yes/no, true/false, on/off, 1/0."""
    if isinstance(value.raw, bool):
        return value.raw
    word = str(value.raw).strip().lower()
    if word in {"yes", "true", "on", "1"}:
        return True
    if word in {"no", "false", "off", "0", ""}:
        return False
    raise ValueError(f"should be yes or no, not {value.raw!r}")


def number(low: float, high: float) -> Convert:
    """Return a converter for seconds between *low* and *high*."""

    def convert(value: Value) -> float:
        try:
            result = float(value.raw)
        except (TypeError, ValueError):
            raise ValueError(f"should be a number, not {value.raw!r}") from None
        if not low <= result <= high:
            raise ValueError(f"should be between {low:g} and {high:g}, not {result:g}")
        return result

    return convert


def whole(low: int, high: int) -> Convert:
    """Return a converter for whole numbers between *low* and *high*."""

    def convert(value: Value) -> int:
        try:
            result = int(str(value.raw))
        except ValueError:
            raise ValueError(f"should be a whole number, not {value.raw!r}") from None
        if not low <= result <= high:
            raise ValueError(f"should be between {low} and {high}, not {result}")
        return result

    return convert


def choice(*words: str) -> Convert:
    """Return a converter for one of *words*, without regard to case."""

    def convert(value: Value) -> str:
        wanted = str(value.raw).lower()
        for word in words:
            if word.lower() == wanted:
                return word
        raise ValueError(f"should be one of {', '.join(words)}, not {value.raw!r}")

    return convert


_RESTRICTIONS = (
    "reject_sender_login_mismatch",
    "reject_authenticated_sender_login_mismatch",
    "reject_known_sender_login_mismatch",
)

#: Every key with its converter and the field that takes it; the section is the part before the dot.
KEYS: dict[str, tuple[str, Convert]] = {
    "uri": ("uris", uris),
    "base": ("base", text),
    "people": ("people", text),
    "structural_class": ("structural_class", choice("account", "inetOrgPerson")),
    "bind_dn": ("bind_dn", text),
    "password_file": ("password_file", path),
    "password": ("password", secret),
    "sasl_external": ("sasl_external", boolean),
    "start_tls": ("start_tls", choice("never", "try", "must")),
    "ca_file": ("ca_file", path_text),
    "verify": ("verify", boolean),
    "timeout": ("timeout", number(0.1, 3600)),
    "connect_timeout": ("connect_timeout", number(0.1, 3600)),
    "allow_cleartext_password": ("allow_cleartext_password", boolean),
    "allow_shared": ("allow_shared", boolean),
    "schema": ("schema", lambda value: tuple(value.folder / p for p in map(Path, texts(value)))),
    "postfix.domains": ("domains", texts),
    "postfix.hosts": ("hosts", texts),
    "postfix.config_directory": ("config_directory", text),
    "postfix.bind_dn": ("bind_dn", text),
    "postfix.bind_password_file": ("bind_password_file", path),
    "postfix.timeout": ("timeout", whole(1, 60)),
    "postfix.size_limit": ("size_limit", whole(0, 100_000)),
    "postfix.start_tls": ("start_tls", boolean),
    "postfix.tls_ca_cert_file": ("tls_ca_cert_file", text),
    # A part that is wanted with its defaults: `relay: yes` or `relay: {}`.
    "postfix.senders": ("senders", boolean),
    "postfix.relay": ("relay", boolean),
    "postfix.cyrus": ("cyrus", boolean),
    "postfix.senders.format": ("format", choice("ldap", "texthash", "hash")),
    "postfix.senders.owner_attribute": ("owner_attribute", text),
    "postfix.senders.restriction": ("restriction", choice(*_RESTRICTIONS)),
    "postfix.senders.sasl_type": ("sasl_type", choice("cyrus", "dovecot")),
    "postfix.senders.sasl_path": ("sasl_path", text),
    "postfix.relay.host": ("host", text),
    "postfix.relay.username": ("username", text),
    "postfix.relay.password_file": ("password_file", path),
    "postfix.relay.level": ("level", choice("secure", "verify")),
    "postfix.relay.ca_file": ("ca_file", text),
    "postfix.relay.map": ("map", choice("hash", "texthash", "lmdb", "cdb")),
    "postfix.relay.direct": ("direct", texts),
    "postfix.cyrus.delivery": ("delivery", choice("lmtp", "pipe")),
    "postfix.cyrus.lmtp": ("lmtp", text),
    "postfix.cyrus.deliver": ("deliver", text),
    "postfix.cyrus.user": ("user", text),
}


_PARTS: dict[str, Callable[..., Any]] = {
    "senders": SendersSettings,
    "relay": RelaySettings,
    "cyrus": CyrusSettings,
}


def merge(layers: Sequence[Layer], source: Path | None = None) -> Settings:
    """Return Settings from *layers*, the first one strongest.

    Raises SettingsError, which lists every problem with its origin.
    """
    sections: dict[str, dict[str, Any]] = {
        "": {"source": source},
        "postfix": {},
        "postfix.senders": {},
        "postfix.relay": {},
        "postfix.cyrus": {},
    }
    problems = []
    for layer in layers:
        for key, value in layer.items():
            if key in sections and key not in KEYS:
                # Nothing, where everything below it is a comment; True is `{}`.
                if value.raw is not None and value.raw is not True:
                    problems.append(f"{value.origin}: {key} should be settings, indented below it")
                continue
            if key not in KEYS:
                near = difflib.get_close_matches(key, KEYS, n=1)
                meant = f"; did you mean {near[0]}?" if near else ""
                problems.append(f"{value.origin}: unknown setting {key}{meant}")
                continue
            field, convert = KEYS[key]
            section = sections[key.rpartition(".")[0]]
            if field in section or value.raw is None:
                continue
            try:
                section[field] = convert(value)
            except ValueError as error:
                problems.append(f"{value.origin}: {key} {error}")
                section[field] = None
    if problems:
        raise SettingsError(tuple(problems))
    postfix = sections["postfix"]
    for part, make in _PARTS.items():
        wanted = postfix.pop(part, None)
        chosen = sections[f"postfix.{part}"]
        postfix[part] = make(**chosen) if wanted or (chosen and wanted is None) else None
    return Settings(**sections[""], postfix=PostfixSettings(**postfix))
