"""The commands put together, and every error turned into an exit status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from mailldap.cli.argv import split
from mailldap.cli.run import FORMATS, Options, Run, run_of
from mailldap.cli.stdio import is_about_stdout, lost, say, warn
from mailldap.errors import ConfigError, MailldapError, UsageError
from mailldap.version import __version__

#: ClickException: what the command line parser itself raises. typer exports its leaves only.
_PARSER_ERROR: type[Exception] = typer.BadParameter.__mro__[2]
_EX_SOFTWARE = 70
_VERSION = "--version"
#: What to say to the fingers of those who use the OpenLDAP tools.
_NOT_AN_ARGUMENT = (
    "a password is no argument, for everybody can see those: -W asks for it, -y reads it"
)
_HINTS = {
    "-w": _NOT_AN_ARGUMENT,
    "--password": _NOT_AN_ARGUMENT,
    "-x": "a simple bind is what -D asks for",
}
#: The file of this room that has each noun, in the order of the help.
_FILES = {
    "init": "init",
    "recipient": "recipients",
    "alias": "recipients",
    "routing": "recipients",
    "lookup": "lookups",
    "resolve": "lookups",
    "route": "lookups",
    "sender": "senders",
    "postfix": "files",
    "import": "bulk",
    "export": "bulk",
    "schema": "server",
    "status": "server",
    "whoami": "server",
}


def build(noun: str | None = None) -> typer.Typer:
    """Return the program with the commands of *noun*'s file, or with all of them.

    Putting all of them together takes as long as a short command runs.
    """
    app = typer.Typer(
        name="mailldap",
        help="Provisions mail routing in an LDAP directory and proves what Postfix will do with "
        "it.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    if noun in _FILES:
        files = [_FILES[noun]]
    else:
        files = [] if noun == _VERSION else list(dict.fromkeys(_FILES.values()))
    for file in files:
        import_module(f"mailldap.cli.{file}").register(app)
    for group in app.registered_groups:
        _tell_of_global_options(group.typer_instance)
    _tell_of_global_options(app)
    return app


def _tell_of_global_options(commands: typer.Typer | None) -> None:
    for command in commands.registered_commands if commands else ():
        command.epilog = "The global options (mailldap --help) may stand here too."


def _print_version(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        run_of(ctx).write(f"mailldap {__version__}\n")
        raise typer.Exit


def _options(
    ctx: typer.Context,
    uri: Annotated[
        str | None,
        typer.Option("-H", "--uri", help="ldap://, ldaps://, ldapi:// (several) or ldif:PATH"),
    ] = None,
    base: Annotated[str | None, typer.Option("-b", "--base", help="search base")] = None,
    bind_dn: Annotated[str | None, typer.Option("-D", "--bind-dn", help="bind as this DN")] = None,
    ask_password: Annotated[
        bool, typer.Option("-W", "--ask-password", help="prompt for the password")
    ] = False,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "-y",
            "--password-file",
            readable=False,
            help="read the password from a file of mode 0600",
        ),
    ] = None,
    start_tls: Annotated[bool, typer.Option("-Z", "--start-tls", help="try StartTLS")] = False,
    require_tls: Annotated[
        bool, typer.Option("-ZZ", "--require-tls", help="StartTLS or nothing")
    ] = False,
    sasl: Annotated[
        str | None, typer.Option("-Y", "--sasl", help="SASL mechanism: EXTERNAL")
    ] = None,
    allow_cleartext_password: Annotated[
        bool, typer.Option("--allow-cleartext-password", help="send a password without TLS")
    ] = False,
    schema: Annotated[
        list[Path] | None,
        typer.Option(
            "--schema", readable=False, help="more schema for ldif: (.schema or cn=config LDIF)"
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", readable=False, help="configuration file instead of mailldap.yaml"
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="profile of the configuration file")
    ] = None,
    output: Annotated[
        str, typer.Option("-o", "--output", help="text, json, yaml or ldif", show_default=False)
    ] = "text",
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="show the LDIF, do nothing")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="say more on stderr")] = False,
    _version: Annotated[
        bool,
        typer.Option(_VERSION, help="print the version", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Take the global options."""
    for name, value in (("-H", uri), ("-b", base), ("-D", bind_dn), ("--profile", profile)):
        if value == "":
            raise UsageError(f"{name} '' names nothing", hint="leave it out, or give it a value")
    if output not in FORMATS:
        raise UsageError(f"-o {output}: no such format", hint=f"one of {', '.join(FORMATS)}")
    if sasl is not None and sasl.upper() != "EXTERNAL":
        raise UsageError(f"-Y {sasl}: only EXTERNAL is spoken", hint="or a simple bind with -D")
    flags = {
        "uri": uri,
        "base": base,
        "bind_dn": bind_dn,
        "password_file": str(password_file) if password_file else None,
        "start_tls": "must" if require_tls else "try" if start_tls else None,
        "sasl_external": True if sasl else None,
        "allow_cleartext_password": allow_cleartext_password or None,
        "schema": [str(path) for path in schema] if schema else None,
    }
    run_of(ctx).options = Options(flags, config, profile, ask_password, output, dry_run, verbose)


def execute(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command line and return its exit status; nothing is raised for bad input."""
    run = Run(Options(output=_wanted_output(argv)), environment)
    try:
        try:
            front, rest = split(argv)
            status = _run(run, front, rest)
        except MailldapError as error:
            status = run.fail(error)
        run.stdout.flush()
    except MailldapError as error:  # stdout is lost
        run.complain(error)
        return error.exit_status
    except Exception as error:
        if environment.get("MAILLDAP_DEBUG"):
            raise
        warn(f"internal error: {type(error).__name__}: {error}")
        warn("MAILLDAP_DEBUG=1 shows where; please report it")
        return _EX_SOFTWARE
    return status


def _run(run: Run, front: Sequence[str], rest: Sequence[str]) -> int:
    """Return the status of a command; all that it can meet is raised as MailldapError."""
    app = build(rest[0] if rest else None)
    try:
        status = app(args=[*front, *rest], prog_name="mailldap", standalone_mode=False, obj=run)
    except _PARSER_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError" and run.options.output == "text":
            say(f"{error}\n")
            return UsageError.exit_status
        raise _usage(error) from error
    except typer.Abort:  # the end of input where a password was to be typed
        warn("nothing was done")
        return 1
    except SystemExit:  # the parser's answer when the reader of its help has gone away
        return 0
    except OSError as error:
        if error.filename is not None:
            raise ConfigError(error.strerror or str(error), file=_text(error.filename)) from error
        if is_about_stdout(error):
            raise lost(error) from error
        raise
    return status if isinstance(status, int) else 0


def _text(name: str | bytes | int) -> str:
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)


def _usage(error: Exception) -> UsageError:
    """Return the parser's error as ours, with the command whose help tells more."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if type(error).__name__ == "NoArgsIsHelpError":
        message = "Missing command."
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "mailldap"
    hint = _HINTS.get(getattr(error, "option_name", ""), f"`{path} --help` shows what there is")
    return UsageError(message, hint=hint)


def _wanted_output(argv: Sequence[str]) -> str:
    """Return the format asked for, before the options are parsed, for errors in parsing them."""
    options = argv[: argv.index("--")] if "--" in argv else argv
    for position, word in enumerate(options):
        value = ""
        if word in {"-o", "--output"} and position + 1 < len(options):
            value = options[position + 1]
        elif word.startswith("--output="):
            value = word.partition("=")[2]
        elif word.startswith("-o"):
            value = word[2:]
        if value in FORMATS:
            return value
    return "text"
