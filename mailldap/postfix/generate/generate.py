"""``postfix generate``: from settings to the files of one kind."""

from __future__ import annotations

from collections.abc import Sequence

from mailldap.config.settings import SendersSettings, Settings
from mailldap.directory.base import Reader
from mailldap.postfix.generate import cyrus, relay, senders, tables, virtual
from mailldap.postfix.generate.files import GeneratedFile, Kind, Secrets
from mailldap.postfix.generate.services import Service, render_services
from mailldap.postfix.generate.text import Line, render

MAIN_FILE = "main.cf"
_NO_SECRETS = Secrets()


def generate(
    kind: Kind,
    settings: Settings,
    *,
    secrets: Secrets = _NO_SECRETS,
    deliver: str | None = None,
    reader: Reader | None = None,
    for_display: bool = False,
) -> list[GeneratedFile]:
    """Return the files of *kind*; the first one is what the kind is about.

    *deliver* is the path of Cyrus's deliver(8) where the settings name none (default: found on
    this machine). *reader* is the directory, needed for a sender table that is not LDAP's own.
    *for_display* leaves sasl_passwd out, for which a password would be needed.
    ``main`` is the main.cf lines alone; ``all`` is every table, and main.cf and master.cf lines.
    A part of the settings that is not there (senders, relay, cyrus) is left out of ``main`` and
    ``all``; asked for by name it is made from its defaults.

    Raises ConfigError where the settings cannot be written as Postfix files, SecretExposed for a
    password file that others can read, and what the reader raises.
    """
    if kind == "main":
        return [_main("main", main_groups(settings))]
    if kind == "all":
        files = [tables.aliases_table(settings, secrets)]
        if settings.postfix.senders:
            files.append(_senders_table(settings, secrets, reader))
        if settings.postfix.relay and not for_display:
            files.append(relay.relay_password(settings, secrets))
        if settings.postfix.cyrus:
            files.append(tables.local_table(settings, secrets))
        files.append(_main("main", main_groups(settings)))
        return files + _fragments(settings, deliver)
    if kind == "aliases":
        return [tables.aliases_table(settings, secrets)]
    if kind == "senders":
        lines = _main("senders", [(senders.COMMENT, senders.sender_lines(settings))])
        return [_senders_table(settings, secrets, reader), lines]
    if kind == "relay":
        return [
            _main("relay", [(relay.COMMENT, relay.relay_lines(settings))]),
            *([] if for_display else [relay.relay_password(settings, secrets)]),
            *_master("relay", relay.relay_services(settings)),
        ]
    return [
        _main("cyrus", [(cyrus.COMMENT, cyrus.cyrus_lines(settings))]),
        *_master("cyrus", cyrus.cyrus_services(settings, deliver)),
        tables.local_table(settings, secrets),
    ]


def main_groups(settings: Settings) -> list[tuple[str, Sequence[Line]]]:
    """Return the main.cf lines of everything configured, in groups with their comments."""
    groups: list[tuple[str, Sequence[Line]]] = [(virtual.COMMENT, virtual.virtual_lines(settings))]
    if settings.postfix.senders:
        groups.append((senders.COMMENT, senders.sender_lines(settings)))
    if settings.postfix.relay:
        groups.append((relay.COMMENT, relay.relay_lines(settings)))
    if settings.postfix.cyrus:
        groups.append((cyrus.COMMENT, cyrus.cyrus_lines(settings)))
    return groups


def main_parameters(settings: Settings) -> dict[str, str]:
    """Return the same lines as parameter and value, sorted; for ``postconf -e``."""
    return dict(sorted(line for _, lines in main_groups(settings) for line in lines))


def master_services(settings: Settings, deliver: str | None = None) -> list[Service]:
    """Return the master.cf entries that the main.cf lines refer to."""
    found: list[Service] = []
    if settings.postfix.relay:
        found += relay.relay_services(settings)
    if settings.postfix.cyrus:
        found += cyrus.cyrus_services(settings, deliver)
    return found


def _senders_table(settings: Settings, secrets: Secrets, reader: Reader | None) -> GeneratedFile:
    chosen = settings.postfix.senders or SendersSettings()
    if chosen.format == "ldap":
        return tables.senders_table(settings, secrets)
    return senders.senders_map(settings, reader)


def _main(kind: str, groups: Sequence[tuple[str, Sequence[Line]]]) -> GeneratedFile:
    content = render(kind, groups)
    if kind == "main":
        return GeneratedFile(MAIN_FILE, content, beside="main-all.cf")
    return GeneratedFile(f"main-{kind}.cf", content)


def _master(kind: str, services: list[Service]) -> list[GeneratedFile]:
    """Return the entries as a file of their own: they are no master.cf without the stock ones."""
    if not services:
        return []
    return [GeneratedFile(f"master-{kind}.cf", render_services(kind, services))]


def _fragments(settings: Settings, deliver: str | None) -> list[GeneratedFile]:
    found: list[GeneratedFile] = []
    if settings.postfix.relay:
        found += _master("relay", relay.relay_services(settings))
    if settings.postfix.cyrus:
        found += _master("cyrus", cyrus.cyrus_services(settings, deliver))
    return found
