"""What every command shares: settings, the directory, and the way results leave."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from mailldap.errors import MailldapError, UsageError
from mailldap.output.escape import visible

if TYPE_CHECKING:
    from mailldap.client import MailDirectory
    from mailldap.config.settings import Settings

FORMATS = ("text", "json", "yaml", "ldif")


@dataclass(frozen=True, slots=True)
class Options:
    """The global options as given; None or False where they were not."""

    flags: Mapping[str, Any] = field(default_factory=dict)
    config_file: Path | None = None
    profile: str | None = None
    ask_password: bool = False
    output: str = "text"
    dry_run: bool = False
    verbose: bool = False


class Run:
    """One run of the command line."""

    def __init__(self, options: Options, environment: Mapping[str, str]) -> None:
        self.options = options
        self.environment = environment
        self._settings: Settings | None = None

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
        if not sys.stdin.isatty():
            raise UsageError("nobody can type a password here", hint="use -y FILE")
        import getpass

        return getpass.getpass(prompt)

    def connect(self, *, need_base: bool = True) -> MailDirectory:
        """Return the directory of the settings, opened; with ``-n`` one that only pretends."""
        from mailldap.client import MailDirectory

        return MailDirectory.open(self.settings, dry_run=self.options.dry_run, need_base=need_base)

    def talk(self, text: str) -> None:
        """Say something to the person on stderr, with ``-v`` only."""
        if self.options.verbose:
            warn(text)

    def emit(self, form: Any, text: str | Callable[[], str], ldif: str | None = None) -> None:
        """Print a result in the chosen format.

        *text* is for people and must be escaped already; *ldif* is refused where the command
        has none.
        """
        output = self.options.output
        if output == "text":
            write(text if isinstance(text, str) else text())
        elif output == "ldif":
            if ldif is None:
                raise UsageError("this command has no LDIF output", hint="use -o json")
            write(ldif)
        else:
            from mailldap.output.jsonform import as_json, as_yaml

            write(as_json(form) if output == "json" else as_yaml(form))


def write(text: str) -> None:
    """Write to stdout as UTF-8, bytes kept as surrogates given back as they were."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def warn(text: str) -> None:
    """Write one line to stderr, harmless for a terminal."""
    lines = "\n".join(visible(line) for line in text.split("\n"))
    sys.stderr.write(f"mailldap: {lines}\n")


def fail(error: MailldapError, output: str) -> int:
    """Report *error* in the chosen format and return its exit status."""
    if output in {"json", "yaml"}:
        from mailldap.output.jsonform import as_json, as_yaml, error_form

        write((as_json if output == "json" else as_yaml)(error_form(error)))
    else:
        warn(error.message)
        if error.hint:
            sys.stderr.write(f"  {visible(error.hint)}\n")
    return error.exit_status


def run_of(ctx: typer.Context) -> Run:
    """Return the Run that the global options made."""
    run = ctx.obj
    assert isinstance(run, Run)
    return run


def leave(status: int) -> NoReturn:
    """End the command with *status*."""
    raise typer.Exit(status)
