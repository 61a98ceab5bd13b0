"""What ``mailldap.connect()`` returns: a directory of mail, opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, Unpack

from mailldap.config.settings import ConnectOptions, Settings
from mailldap.directory.base import (
    BulkReader,
    Scope,
    Session,
    SessionOpener,
    SessionParameters,
    Writer,
)
from mailldap.directory.configured import open_writer
from mailldap.directory.open import is_file, same_session, session_opener
from mailldap.errors import UsageError
from mailldap.ldap.entry import Entry, is_secret, without_secrets
from mailldap.ldap.filter import Present
from mailldap.ldap.ldif import PageFormat, format_change, format_entry
from mailldap.model.recipient import MailRecipient
from mailldap.provision import aliases, recipients, routing
from mailldap.provision.bulk import ImportOptions, ImportReport, Refused, import_ldif
from mailldap.provision.journal import DryRun, Recorder
from mailldap.provision.result import Result

if TYPE_CHECKING:  # the Postfix that is simulated is half of all modules, and often not asked
    from mailldap.postfix.main_cf import MainCf
    from mailldap.simulate.result import Resolution
    from mailldap.simulate.simulator import Simulator
    from mailldap.tables.base import Answer, TableContext
    from mailldap.tables.open import Lookup


class Recipients:
    """Whole mailRecipient entries."""

    def __init__(self, writer: Writer, settings: Settings) -> None:
        self._writer = writer
        self._settings = settings

    def add(
        self,
        uid: str,
        *,
        addresses: Sequence[str],
        routing: Sequence[str],
        name: str | None = None,
        allow_shared: bool | None = None,
    ) -> Result:
        """Make the entry of a recipient; see provision.recipients.add_recipient."""
        settings = self._settings
        return recipients.add_recipient(
            self._writer,
            uid,
            addresses=addresses,
            routing=routing,
            name=name,
            people=settings.people,
            structural_class=settings.structural_class,
            allow_shared=settings.allow_shared if allow_shared is None else allow_shared,
        )

    def entry(self, recipient: str) -> Entry:
        """Return the entry of *recipient* (uid, address or DN) as the directory holds it.

        Raises NoSuchRecipient or Ambiguous.
        """
        return recipients.find_recipient(self._writer, recipient)

    def get(self, recipient: str) -> MailRecipient:
        """Return *recipient* with its attributes typed. Raises NoSuchRecipient or Ambiguous."""
        return MailRecipient.from_entry(self.entry(recipient))

    def entries(self) -> Iterator[Entry]:
        """Yield every mailRecipient entry below the base, in the directory's order."""
        return recipients.recipients(self._writer)

    def some(self, recipient: str | None = None) -> Iterator[Entry]:
        """Yield the entry of *recipient*, or of all where it is None."""
        return _entries(self._writer, recipient)

    def __iter__(self) -> Iterator[MailRecipient]:
        return map(MailRecipient.from_entry, self.entries())

    def set(self, recipient: str, values: Mapping[str, Sequence[str]]) -> list[Result]:
        """Set other attributes; see provision.recipients.set_recipient."""
        return recipients.set_recipient(self._writer, recipient, values)

    def rename(self, recipient: str, new_uid: str) -> Result:
        """Give *recipient* another uid; see provision.recipients.rename_recipient."""
        return recipients.rename_recipient(self._writer, recipient, new_uid)

    def remove(self, recipient: str) -> Result:
        """Remove the whole entry. Raises NoSuchRecipient or Ambiguous."""
        return recipients.remove_recipient(self._writer, recipient)


class Aliases:
    """The addresses of recipients."""

    def __init__(self, writer: Writer, settings: Settings) -> None:
        self._writer = writer
        self._settings = settings

    def add(
        self, recipient: str, *addresses: str, allow_shared: bool | None = None
    ) -> list[Result]:
        """Give addresses to *recipient*, all or none; see provision.aliases.add_aliases."""
        shared = self._settings.allow_shared if allow_shared is None else allow_shared
        return aliases.add_aliases(self._writer, recipient, addresses, allow_shared=shared)

    def remove(self, recipient: str, *addresses: str) -> list[Result]:
        """Take addresses away; see provision.aliases.remove_aliases."""
        return aliases.remove_aliases(self._writer, recipient, addresses)

    def move(self, address: str, *, to: str) -> Result:
        """Move an address to another recipient; see provision.aliases.move_alias."""
        return aliases.move_alias(self._writer, address, to)

    def list(self, recipient: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield (address, DN of its owner), of one recipient or of all."""
        for entry in _entries(self._writer, recipient):
            for name in ("mail", "mailAlternateAddress"):
                yield from ((value, entry.dn) for value in entry.texts(name))


class Routing:
    """Where the mail of recipients goes."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def add(self, recipient: str, *addresses: str) -> list[Result]:
        """Add routing addresses; see provision.routing.add_routing."""
        return routing.add_routing(self._writer, recipient, addresses)

    def remove(self, recipient: str, *addresses: str) -> list[Result]:
        """Remove routing addresses; see provision.routing.remove_routing."""
        return routing.remove_routing(self._writer, recipient, addresses)

    def set(self, recipient: str, *addresses: str) -> list[Result]:
        """Make these the only routing addresses; see provision.routing.set_routing."""
        return routing.set_routing(self._writer, recipient, addresses)

    def list(self, recipient: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield (routing address, DN), of one recipient or of all."""
        for entry in _entries(self._writer, recipient):
            yield from ((value, entry.dn) for value in entry.texts(routing.ATTRIBUTE))


def _entries(writer: Writer, recipient: str | None) -> Iterator[Entry]:
    if recipient is None:
        return recipients.recipients(writer)
    return iter([recipients.find_recipient(writer, recipient)])


class MailDirectory:
    """A directory of mailRecipient entries, and what Postfix makes of it.

    A context manager; leaving it closes the connection.
    """

    def __init__(
        self, writer: Writer, settings: Settings, *, dry_run: bool = False, record: bool = False
    ) -> None:
        self._journal = DryRun(writer) if dry_run else Recorder(writer) if record else None
        self.directory = writer
        self.settings = settings if settings.base else replace(settings, base=writer.base)
        chosen = self._journal or writer
        self.recipients = Recipients(chosen, settings)
        self.aliases = Aliases(chosen, settings)
        self.routing = Routing(chosen)
        self._simulator: Simulator | None = None

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        dry_run: bool = False,
        record: bool = False,
        need_base: bool = True,
    ) -> Self:
        """Return the directory that *settings* name; with *dry_run* nothing is written.

        With *record* the changes are kept for :meth:`changes_ldif`, as they are in a dry run.
        Without *need_base* a server is not asked for its suffix where the settings name none.
        Raises ConfigError, Unreachable, CouldNotAsk or LdapRefusal.
        """
        writer = open_writer(settings, need_base=need_base)
        return cls(writer, settings, dry_run=dry_run, record=record)

    def changes_ldif(self) -> str:
        """Return the changes made since the last call as LDIF (RFC 2849), or those planned.

        Empty where none are kept; see :meth:`open`.
        """
        if self._journal is None:
            return ""
        changes = self._journal.changes[:]
        self._journal.changes.clear()
        return "".join(map(format_change, changes))

    def export(self, *, recipients_only: bool = False, passwords: bool = False) -> Iterator[Entry]:
        """Yield the entries below the base as they arrive, in the directory's order.

        Every user attribute is there; userPassword only with *passwords*. Raises what the
        directory refuses, after the entries that it gave.
        """
        wanted = recipients.IS_RECIPIENT if recipients_only else Present("objectClass")
        for entry in self.directory.search(self.directory.base, Scope.SUB, wanted):
            yield entry if passwords else without_secrets(entry)

    def export_ldif(
        self, *, recipients_only: bool = False, passwords: bool = False
    ) -> Iterator[str]:
        """Yield the entries of :meth:`export` as LDIF (RFC 2849), in pieces of whole entries."""
        directory = self.directory
        if not isinstance(directory, BulkReader):
            entries = self.export(recipients_only=recipients_only, passwords=passwords)
            yield from map(format_entry, entries)
            return
        wanted = recipients.IS_RECIPIENT if recipients_only else Present("objectClass")
        pages = PageFormat() if passwords else PageFormat(is_secret)
        for page in directory.search_pages(directory.base, Scope.SUB, wanted):
            yield from pages.format(page)

    def import_ldif(
        self,
        stream: BinaryIO,
        name: str = "LDIF",
        *,
        go_on: bool = False,
        progress: Callable[[ImportReport, int], None] | None = None,
        on_refused: Callable[[Refused], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> ImportReport:
        """Bring the entries and changes of *stream* in; see provision.bulk.import_ldif.

        *name* stands for the file in messages; the rest as in provision.bulk.ImportOptions.
        Refusals and faults are in the report; raises CouldNotAsk when the directory went away,
        and the same call then finishes the rest.
        """
        writer = self._journal or self.directory
        return import_ldif(writer, stream, name, ImportOptions(go_on, progress, on_refused, stop))

    def resolve(self, address: str) -> Resolution:
        """Return where mail for *address* goes: alias expansion, then routing of each result.

        Simulates a Postfix that has the files that the settings would generate.
        """
        return self.simulator.resolve(address)

    def route(self, address: str, sender: str | None = None) -> Resolution:
        """Return class, transport and next hop of one address, without alias expansion."""
        return self.simulator.route(address, sender)

    def lookup(self, key: str) -> Answer:
        """Return what the generated alias table answers for *key*, as postmap -q would."""
        return self.tables.get(key)

    def lookup_many(
        self, keys: Iterable[str], *, say: Callable[[str], None] | None = None
    ) -> Iterator[tuple[str, Answer]]:
        """Yield each key with what :meth:`lookup` answers; see tables.bulk.lookup_many."""
        from mailldap.tables.bulk import lookup_many

        return lookup_many(self.tables, keys, say=say)

    @property
    def simulator(self) -> Simulator:
        """The Postfix that has the files which the settings would generate, asked here.

        Its tables ask this directory, as Postfix's own identity. Raises ConfigError.
        """
        if self._simulator is None:
            from mailldap.simulate.simulator import Simulator

            self._simulator = Simulator(*self._generated)
        return self._simulator

    @cached_property
    def _generated(self) -> tuple[MainCf, TableContext]:
        from mailldap.simulate.generated import generated_postfix

        return generated_postfix(self.settings, self._opener())

    @cached_property
    def tables(self) -> Lookup:
        """The generated virtual_alias_maps, asked as postmap asks them. Raises ConfigError."""
        main, context = self._generated
        from mailldap.tables.open import Lookup

        return Lookup(main.get_maps("virtual_alias_maps"), context)

    def _opener(self) -> SessionOpener:
        if is_file(self.settings.uris):
            assert isinstance(self.directory, Session)
            return same_session(self.directory)
        shared = session_opener()
        hosts = self.settings.uris

        def here(parameters: SessionParameters) -> Session:
            return shared(replace(parameters, hosts=hosts))

        return here

    def __repr__(self) -> str:
        return f"<MailDirectory {self.directory.uri} {self.settings.base}>"

    def close(self) -> None:
        """Give up connections; harmless when closed already."""
        if self._simulator is not None:
            self._simulator.close()
        self.directory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def connect(
    uri: str | Sequence[str], *, base: str | None = None, **options: Unpack[ConnectOptions]
) -> MailDirectory:
    """Return the mail directory at *uri*: ``ldif:PATH`` or LDAP URIs that are tried in order.

    *options* are fields of :class:`mailldap.Settings` (bind_dn, password, start_tls, …); nothing
    is read from the environment or from configuration files. Raises UsageError for an option
    that does not exist, and what opening the directory raises.
    """
    for name in options.keys() - ConnectOptions.__annotations__.keys():
        near = get_close_matches(name, ConnectOptions.__annotations__, n=1)
        hint = f"did you mean {near[0]}?" if near else None
        raise UsageError(f"connect() has no option {name!r}", hint=hint)
    given: dict[str, Any] = dict(options)
    if (secret := options.get("password_file")) is not None:
        given["password_file"] = Path(secret)
    if schema := options.get("schema"):
        given["schema"] = (Path(schema),) if isinstance(schema, str) else tuple(map(Path, schema))
    uris = (uri,) if isinstance(uri, str) else tuple(uri)
    return MailDirectory.open(Settings(uris=uris, base=base, **given))
