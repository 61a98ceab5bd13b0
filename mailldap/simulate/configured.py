"""The Postfix whose files stand in a configuration directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mailldap.directory.base import SessionOpener
from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.tables.base import TableContext

DEFAULT_DIRECTORY = "/etc/postfix"


def read_main(directory: str | None) -> MainCf:
    """Return main.cf of *directory*; None: of /etc/postfix, or Postfix's defaults without it.

    Raises ConfigError where a named directory has none, or where it cannot be read.
    """
    if directory is None and not Path(DEFAULT_DIRECTORY, "main.cf").exists():
        return MainCf.parse("", f"{DEFAULT_DIRECTORY}/main.cf")
    folder = directory or DEFAULT_DIRECTORY
    if directory is not None and not Path(directory, "main.cf").is_file():
        raise ConfigError(
            "there is no main.cf in it",
            file=directory,
            hint="-c names a Postfix configuration directory",
        )
    return MainCf.load(folder)


def table_context(
    main: MainCf,
    open_session: SessionOpener,
    *,
    warn: Callable[[str], None],
    fold: bool = True,
    debian: bool = True,
) -> TableContext:
    """Return what tables need to answer as those of the Postfix of *main* do.

    *fold* is off for ``postmap -f``; *debian* chooses between Debian's and upstream's default
    LDAP version (ldap_table(5), version).
    """
    return TableContext(
        open_session=open_session,
        parameter=main.lookup,
        config_directory=main.directory,
        fold=fold,
        utf8=main.get_bool("smtputf8_enable"),
        debian=debian,
        warn=warn,
        line_of=main.location,
    )
