"""``lookup``, ``resolve`` and ``route``: what Postfix would answer, and do."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailldap.cli.postfix_side import (
    ConfigDirectory,
    PostfixVersion,
    config_directory,
    simulator,
    table_context,
)
from mailldap.cli.run import Run, can_answer, leave, run_of
from mailldap.cli.stdio import warn
from mailldap.errors import ConfigError, UsageError
from mailldap.output.escape import visible

if TYPE_CHECKING:
    from mailldap.simulate.result import Resolution
    from mailldap.simulate.simulator import Simulator
    from mailldap.tables.base import Answer, Probe, TableContext
    from mailldap.tables.open import Lookup

    #: Keys, and the answer for each.
    Answers = tuple[Sequence[str], Sequence[Answer]]

_STATUS = {"deliver": 0, "reject": 1, "defer": 75}


def register(app: typer.Typer) -> None:
    """Add the commands of this file to *app*."""
    app.command("lookup")(lookup)
    app.command("resolve")(resolve)
    app.command("route")(route)


def lookup(
    ctx: typer.Context,
    keys: Annotated[list[str], typer.Argument(metavar="KEY…", help="- reads keys from stdin")],
    tables: Annotated[
        list[str] | None,
        typer.Option("--table", "-t", metavar="MAP", help="a file or type:name; tried in order"),
    ] = None,
    directory: ConfigDirectory = None,
    keep_case: Annotated[
        bool, typer.Option("-f", help="do not fold the key to lower case")
    ] = False,
    version: PostfixVersion = "debian",
) -> None:
    """Ask tables as postmap -q does.

    Without --table those of virtual_alias_maps are asked, or the table that the configuration
    would generate where there is no Postfix.
    """
    run = run_of(ctx)
    run.no_ldif()
    bulk = _is_bulk(keys)
    with ExitStack() as opened:
        chosen = config_directory(run, directory)
        context = table_context(run, chosen, fold=not keep_case, version=version, started=True)
        if run.options.verbose and not bulk:
            context.probe = partial(_tell, run)
        asked = _tables(run, chosen, tables or [], opened, context)
        if bulk:
            from mailldap.tables.bulk import CHUNK, lookup_chunks

            # Who types keys wants to see each answer.
            chunk = 1 if can_answer() else CHUNK
            answers = lookup_chunks(asked, _StdinKeys(), chunk=chunk, say=run.talk)
        else:
            answers = (((key,), (asked.get(key),)) for key in keys)
        status = _answers(run, answers, alone=len(keys) == 1 and not bulk)
    leave(status)


def _tables(
    run: Run,
    chosen: str | None,
    tables: Sequence[str],
    opened: ExitStack,
    context: TableContext,
) -> Lookup:
    """Return the tables that are asked; *opened* closes what that needs."""
    from mailldap.postfix.words import split_braced
    from mailldap.tables.open import Lookup

    specs = [_typed(name) for name in tables]
    if not specs:
        specs = split_braced(context.parameter("virtual_alias_maps") or "")
    if specs:
        for spec in specs:
            _tell_prefix(spec)
        lookup = Lookup(specs, context)
        opened.callback(lookup.close)
        return lookup
    if chosen is None and run.settings.uris:
        return opened.enter_context(run.connect()).tables
    raise ConfigError(
        "no table is named, and virtual_alias_maps is empty",
        hint="--table ldap:/etc/postfix/ldap-aliases.cf names one, -c DIR the files",
    )


def _tell(run: Run, probe: Probe) -> None:
    """Say what a table was asked, and what came."""
    from mailldap.output.text import probe_lines

    for line in (probe.table, *probe_lines(probe)):
        run.talk(line)


def _typed(name: str) -> str:
    """Return MAP with its type: a .cf file is an LDAP table, as no other type has such files."""
    if name.endswith(".cf") and ":" not in name:
        return f"ldap:{name}" if name.startswith(("/", ".")) else f"ldap:./{name}"
    return name


def _tell_prefix(spec: str) -> None:
    """Say that ``ldap:NAME`` is no file, where one of that name is here (ldap_table(5))."""
    kind, _, name = spec.removeprefix("proxy:").partition(":")
    if kind == "ldap" and not name.startswith(("/", ".")) and Path(name).is_file():
        warn(
            f"warning: ldap:{name} is taken from main.cf ({name}_server_host, …), as in Postfix;"
            f" the file of that name is ldap:./{name}"
        )


def _is_bulk(arguments: Sequence[str]) -> bool:
    """Tell whether what is asked about comes from stdin."""
    if "-" in arguments and len(arguments) > 1:
        raise UsageError("- stands alone", hint="give arguments, or lines on stdin")
    return arguments == ["-"]


class _StdinKeys:
    """The lines of stdin; of a file, ``operator.length_hint`` tells about how many there are."""

    def __init__(self) -> None:
        if sys.stdin is None:
            raise UsageError("there is no stdin to read keys from")
        self._stream = sys.stdin.buffer

    def __iter__(self) -> Iterator[str]:
        lines = io.TextIOWrapper(self._stream, "utf-8", "surrogateescape", newline="\n")
        return map(methodcaller("removesuffix", "\n"), lines)

    def __length_hint__(self) -> int:
        state = os.fstat(self._stream.fileno())
        if not stat.S_ISREG(state.st_mode):
            return 0
        at = self._stream.tell()
        sample = os.pread(self._stream.fileno(), 1 << 16, at)
        return sample.count(b"\n") * max(state.st_size - at, 0) // max(len(sample), 1)


def _answers(run: Run, answers: Iterable[Answers], *, alone: bool) -> int:
    """Print the answers and return the exit status."""
    from mailldap.tables.base import Failed, Found

    kinds: set[type[Answer]] = set()

    def noted() -> Iterator[Answers]:
        for keys, own in answers:
            kinds.update(map(type, own))
            yield keys, own

    if run.options.output == "text":
        _print_answers(run, noted(), alone=alone)
    else:
        from mailldap.output.jsonform import lookup_form

        forms = (
            lookup_form(key, answer)
            for keys, own in noted()
            for key, answer in zip(keys, own, strict=True)
        )
        if alone:
            run.emit(next(forms), "")
        else:
            run.emit_list(forms)
    return 75 if Failed in kinds else 0 if Found in kinds else 1


def _print_answers(run: Run, answers: Iterable[Answers], *, alone: bool) -> None:
    from mailldap.tables.base import Failed, Found, NotFound

    escape = visible if run.stdout.is_terminal else str
    for keys, own in answers:
        if escape is str and not alone and {Found, NotFound}.issuperset(map(type, own)):
            names = map(_as_printed, keys) if "\0" in "".join(keys) else keys
            pairs = zip(names, own, strict=True)
            run.write("".join([f"{k}\t{a.value}\n" for k, a in pairs if isinstance(a, Found)]))
            if run.stdout.gone:
                return
            continue
        lines: list[str] = []
        for key, answer in zip(keys, own, strict=True):
            if isinstance(answer, Found):
                value = escape(answer.value)
                lines.append(f"{value}\n" if alone else f"{escape(_as_printed(key))}\t{value}\n")
            elif isinstance(answer, Failed):
                run.write("".join(lines))
                lines.clear()
                if run.stdout.gone:
                    return
                warn(f"{visible(key)}: {answer.message}")
        run.write("".join(lines))
        if run.stdout.gone:
            return


def _as_printed(key: str) -> str:
    """Return the key as postmap repeats it: to C it ends at a NUL."""
    return key.partition("\0")[0]


Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS…")]
AddressesOrStdin = Annotated[
    list[str], typer.Argument(metavar="ADDRESS…", help="- reads addresses from stdin")
]
Trace = Annotated[
    bool, typer.Option("--trace", help="show every key tried, and what was rewritten")
]


def resolve(
    ctx: typer.Context,
    addresses: AddressesOrStdin,
    directory: ConfigDirectory = None,
    trace: Trace = False,
    version: PostfixVersion = "debian",
) -> None:
    """Follow mail through rewriting and aliases to its next hop."""
    run = run_of(ctx)
    run.no_ldif()
    bulk = _is_bulk(addresses)
    with _postfix(run, directory, version) as postfix:
        if bulk:
            chunk = 1 if can_answer() else 1000
            each = postfix.resolve_many(_StdinKeys(), chunk=chunk)
            leave(_resolutions_as_they_come(run, each, trace=trace))
        if len(addresses) == 1:
            found = [postfix.resolve(addresses[0])]
        else:
            message = postfix.resolve_message(addresses)
            found = list(message.each)
            if any(r.outcome == "deliver" for r in found) and not message.together.recipients:
                warn("one message to all of these would be refused: one recipient fails it for all")
    leave(_resolutions(run, found, trace=trace))


def route(
    ctx: typer.Context,
    addresses: Addresses,
    directory: ConfigDirectory = None,
    sender: Annotated[str | None, typer.Option("--sender", metavar="ADDRESS")] = None,
    trace: Trace = False,
    version: PostfixVersion = "debian",
) -> None:
    """Say class, transport and next hop; aliases are not expanded."""
    run = run_of(ctx)
    run.no_ldif()
    with _postfix(run, directory, version) as postfix:
        found = [postfix.route(address, sender) for address in addresses]
    leave(_resolutions(run, found, trace=trace))


@contextmanager
def _postfix(run: Run, directory: str | None, version: str) -> Iterator[Simulator]:
    """Open the Postfix of ``-c`` or $MAIL_CONFIG, else the one that the settings describe."""
    chosen = config_directory(run, directory)
    if chosen is None:
        with run.connect() as mail:
            yield mail.simulator
    else:
        with closing(simulator(run, chosen, version=version)) as postfix:
            yield postfix


def _resolutions(run: Run, found: list[Resolution], *, trace: bool) -> int:
    from mailldap.output.jsonform import one_or_list, resolution_form
    from mailldap.output.text import resolution_text

    for resolution in found:
        for warning in resolution.warnings:
            run.warning(warning)
    run.emit(
        one_or_list([resolution_form(resolution, steps=trace) for resolution in found]),
        lambda: "".join(resolution_text(resolution, trace=trace) for resolution in found),
    )
    return max(map(_status, found))


def _resolutions_as_they_come(run: Run, found: Iterable[Resolution], *, trace: bool) -> int:
    """Print each resolution when it is there, and return the exit status."""
    from mailldap.output.jsonform import resolution_form
    from mailldap.output.text import resolution_text

    worst = 0

    def noted() -> Iterator[Resolution]:
        nonlocal worst
        for resolution in found:
            for warning in resolution.warnings:
                run.warning(warning)
            worst = max(worst, _status(resolution))
            yield resolution

    run.emit_each(
        noted(),
        lambda resolution: resolution_form(resolution, steps=trace),
        lambda resolution: resolution_text(resolution, trace=trace),
    )
    return worst


def _status(resolution: Resolution) -> int:
    """Return the exit status; what will be tried again is never told as a no."""
    outcomes = {resolution.outcome, *(recipient.outcome for recipient in resolution.recipients)}
    return max(_STATUS[outcome] for outcome in outcomes)
