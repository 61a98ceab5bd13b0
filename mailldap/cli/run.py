"""What every command shares: settings, the directory, and the way results leave."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

import typer

from mailldap.cli.stdio import Output, say, warn
from mailldap.errors import MailldapError, SettingsError, UsageError
from mailldap.output.escape import visible

if TYPE_CHECKING:
    from mailldap.client import MailDirectory
    from mailldap.config.settings import Settings

FORMATS = ("text", "json", "yaml", "ldif")
_T = TypeVar("_T")
#: Characters of a list that are kept back: an error within them is all that is printed.
_HELD = 1 << 16


class Options(NamedTuple):
    """The global options as given; None or False where they were not."""

    flags: Mapping[str, Any] = MappingProxyType({})
    config_file: Path | None = None
    profile: str | None = None
    ask_password: bool = False
    output: str = "text"
    dry_run: bool = False
    verbose: bool = False


#: How many warnings are remembered; ``resolve -`` may read addresses without end.
_REMEMBERED = 10_000


class Run:
    """One run of the command line."""

    def __init__(self, options: Options, environment: Mapping[str, str]) -> None:
        self.options = options
        self.environment = environment
        self.stdout = Output()
        self._settings: Settings | None = None
        self._warned: set[str] = set()

    @property
    def settings(self) -> Settings:
        """The merged settings; raises ConfigError."""
        if self._settings is None:
            from mailldap.config.load import load_settings

            options = self.options
            settings = load_settings(
                options.flags,
                self.environment,
                config_file=options.config_file,
                profile=options.profile,
            )
            if options.ask_password:
                settings = replace(settings, password=self.secret("LDAP password: "))
            self._settings = settings
        return self._settings

    @property
    def uri_flag(self) -> str | None:
        """What ``-H`` says; the environment and files do not count."""
        return self.options.flags.get("uri")

    def secret(self, prompt: str) -> str:
        """Return a secret typed without echo; raises UsageError where nobody can type."""
        if not can_answer():
            raise UsageError("nobody can type a password here", hint="use -y FILE")
        import getpass

        return getpass.getpass(prompt)

    def must_agree(self, question: str) -> None:
        """Ask a person on the terminal; anything but yes ends the command with status 1."""
        self.stdout.flush()
        say(f"{question} [y/N]: ")
        if sys.stdin.buffer.readline().strip().lower() not in {b"y", b"yes"}:
            warn("nothing was done")
            leave(1)

    def connect(self, *, need_base: bool = True) -> MailDirectory:
        """Return the directory of the settings, opened; with ``-n`` one that only pretends."""
        from mailldap.client import MailDirectory

        return MailDirectory.open(
            self.settings,
            dry_run=self.options.dry_run,
            record=self.options.output == "ldif",
            need_base=need_base,
        )

    def warning(self, text: str) -> None:
        """Write a warning to stderr, once: tables give theirs again for each address and message.

        Of very many different ones the first are forgotten, and may come again.
        """
        if text in self._warned:
            return
        if len(self._warned) == _REMEMBERED:
            self._warned.clear()
        self._warned.add(text)
        warn(f"warning: {text}")

    def talk(self, text: str) -> None:
        """Say something to the person on stderr, with ``-v`` only."""
        if self.options.verbose:
            warn(text)

    def write(self, text: str) -> None:
        """Write text to stdout that is as it should be. Raises OutputLost."""
        self.stdout.write(text)

    def no_ldif(self) -> None:
        """Refuse ``-o ldif`` for a command that has none, before it does anything."""
        if self.options.output == "ldif":
            raise UsageError("this command has no LDIF output", hint="use -o json")

    def emit(self, form: Any, text: str | Callable[[], str], ldif: str | None = None) -> None:
        """Print a result in the chosen format.

        *text* is for people and must be escaped already; *ldif* is refused where the command
        has none.
        """
        output = self.options.output
        if output == "text":
            self.write(text if isinstance(text, str) else text())
        elif output == "ldif":
            if ldif is None:
                self.no_ldif()
            self.write(ldif or "")
        else:
            self.write(_data(output, form))

    def emit_each(
        self,
        items: Iterable[_T],
        form: Callable[[_T], Any],
        text: Callable[[_T], str],
        ldif: Callable[[_T], str] | None = None,
    ) -> None:
        """Print results as they arrive.

        Stops early when the reader of stdout has gone away.
        """
        output = self.options.output
        if output in {"json", "yaml"}:
            self.emit_list(map(form, items))
            return
        if output == "ldif" and ldif is None:
            self.no_ldif()
        self.write_each(map(ldif if output == "ldif" and ldif is not None else text, items))

    def write_each(self, pieces: Iterable[str]) -> None:
        """Write pieces of text as they arrive, until the reader of stdout goes away."""
        for piece in pieces:
            self.write(piece)
            if self.stdout.gone:
                return

    def emit_list(self, forms: Iterable[Any]) -> None:
        """Print one list in JSON or YAML as its items arrive.

        An error is printed instead of a short list, and as the last item of one that has begun.
        """
        from mailldap.output.jsonform import ListText, error_form

        text = ListText(self.options.output)
        held, begun = "", False
        try:
            for form in forms:
                held += text.item(form)
                if begun or len(held) >= _HELD:
                    self.write(held)
                    held, begun = "", True
                    if self.stdout.gone:
                        return
        except MailldapError as error:
            if not begun:
                raise
            self.write(text.item(error_form(error)) + text.end())
            leave(error.exit_status)
        self.write(held + text.end())

    def fail(self, error: MailldapError) -> int:
        """Report *error* in the chosen format and return its exit status."""
        output = self.options.output
        if output in {"json", "yaml"}:
            from mailldap.output.jsonform import error_form

            self.write(_data(output, error_form(error)))
        else:
            self.complain(error)
        return error.exit_status

    def complain(self, error: MailldapError) -> None:
        """Say on stderr what is wrong, a line a problem, and the way out."""
        for text in error.problems if isinstance(error, SettingsError) else (error.message,):
            warn(text)
        if error.hint:
            say(f"  {visible(error.hint)}\n")


def _data(output: str, form: Any) -> str:
    from mailldap.output.jsonform import as_json, as_yaml

    return as_json(form) if output == "json" else as_yaml(form)


def can_answer() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def run_of(ctx: typer.Context) -> Run:
    """Return the Run that the global options made."""
    run = ctx.obj
    assert isinstance(run, Run)
    return run


def leave(status: int) -> NoReturn:
    """End the command with *status*."""
    raise typer.Exit(status)
