"""smtpd_sender_login_maps: who may send as whom, from LDAP or as a text table."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mailldap.config.settings import SendersSettings, Settings
from mailldap.directory.base import Reader, Scope
from mailldap.errors import BadData, ConfigError
from mailldap.ldap.entry import Entry
from mailldap.postfix.generate.files import GeneratedFile
from mailldap.postfix.generate.seal import seal
from mailldap.postfix.generate.tables import SENDERS_FILE, file_reference, table_reference
from mailldap.postfix.generate.text import Line, attribute_name, main_value

MAP_FILE = "sender_login_maps"
COMMENT = (
    "Who may send as whom. The refusal stands first in a list of its own: behind any permit_\n"
    "it would never be reached."
)
#: The attributes whose values are addresses that an entry owns.
_OWNED = ("mail", "mailAlternateAddress")


def sender_lines(settings: Settings) -> list[Line]:
    """Return the main.cf lines that refuse senders whom the login does not own.

    postconf(5): smtpd_sender_login_maps, smtpd_sender_restrictions. AUTH is switched on, without
    which the restriction is ignored, and offered over TLS only. Raises ConfigError.
    """
    senders = settings.postfix.senders or SendersSettings()
    if senders.format == "ldap":
        reference = table_reference(settings, SENDERS_FILE)
    else:
        reference = file_reference(settings, senders.format, MAP_FILE)
    lines = [
        ("smtpd_sasl_auth_enable", "yes"),
        ("smtpd_sender_login_maps", reference),
        ("smtpd_sender_restrictions", senders.restriction),
        ("smtpd_tls_auth_only", "yes"),
    ]
    if senders.sasl_type is not None:
        lines.append(("smtpd_sasl_type", senders.sasl_type))
    if senders.sasl_path is not None:
        lines.append(
            ("smtpd_sasl_path", main_value("postfix.senders.sasl_path", senders.sasl_path))
        )
    return lines


def senders_map(settings: Settings, reader: Reader | None) -> GeneratedFile:
    """Return the text table of every owned address in the directory, ``address login,login``.

    Lower-cased as Postfix looks addresses up, sorted. Raises ConfigError without a directory,
    BadData naming the entry whose login or address such a table cannot hold, and what the
    reader raises.
    """
    senders = settings.postfix.senders or SendersSettings()
    owner = attribute_name("postfix.senders.owner_attribute", senders.owner_attribute)
    if reader is None:
        raise ConfigError(f"a {senders.format} table of senders is made from a directory")
    entries = reader.search(
        settings.require_base(), Scope.SUB, "(objectClass=mailRecipient)", (*_OWNED, owner)
    )
    owners = _owners(entries, owner)
    body = "".join(f"{key} {','.join(sorted(logins))}\n" for key, logins in sorted(owners.items()))
    return GeneratedFile(
        name=MAP_FILE,
        content=seal("senders", body.encode("utf-8")),
        index="hash" if senders.format == "hash" else None,
    )


def _owners(entries: Iterable[Entry], owner: str) -> dict[str, set[str]]:
    owners: dict[str, set[str]] = {}
    for entry in entries:
        logins = {_text(entry, owner, value) for value in entry.values(owner)}
        for login in logins:
            if re.search(r"[\s,]", login):
                raise BadData(
                    f"{entry.dn}: {owner} {login!r} holds a blank or comma;"
                    " Postfix would read several logins"
                )
        for attribute in _OWNED:
            for value in entry.values(attribute):
                key = _text(entry, attribute, value).strip().lower()
                if not _is_one_key(key):
                    raise BadData(
                        f"{entry.dn}: {attribute} {key!r} cannot be a key of a text table"
                    )
                if logins:
                    owners.setdefault(key, set()).update(logins)
    return owners


def _text(entry: Entry, attribute: str, value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise BadData(f"{entry.dn}: {attribute} is not UTF-8: {value!r}") from None
    if not text or not all(c.isprintable() or c == " " for c in text):
        raise BadData(f"{entry.dn}: {attribute} {text!r} holds what a text table cannot")
    return text


def _is_one_key(key: str) -> bool:
    """Blanks may stand inside double quotes only, and ``#`` would begin a comment (postmap(1))."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", key)
    return not key.startswith("#") and not re.search(r'[\s"]', outside)
