"""The Postfix whose files stand in a configuration directory."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from mailldap.directory.base import SessionOpener
from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf, Setting
from mailldap.postfix.master_cf import MasterCf, Service
from mailldap.tables.base import TableContext

#: Settings that decide who may send as whom.
_JUDGES = re.compile(r"smtpd_(\w+_restrictions|sender_login_maps|sasl_auth_enable|delay_reject)")
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


def of_service(main: MainCf, name: str) -> MainCf:
    """Return *main* with the ``-o`` settings that master.cf gives the smtpd service *name*.

    Raises ConfigError where master.cf cannot be read or has no such service.
    """
    found = [service for service in _smtpd_services(main) if service.name == name]
    if not found:
        raise ConfigError(
            f"there is no smtpd service {name}",
            file=f"{main.directory}/master.cf",
            hint="the first word of a line of master.cf, as in: submission inet n - y - - smtpd",
        )
    own = tuple(Setting(key, value, found[0].source) for key, value in found[0].options().items())
    return MainCf((*main.settings, *own), name=main.name, directory=main.directory)


def services_of_their_own(main: MainCf) -> list[str]:
    """Return the smtpd services to which master.cf gives restriction or sender settings.

    None where there is no master.cf, or one that cannot be read.
    """
    try:
        services = _smtpd_services(main)
    except ConfigError:
        return []
    return [
        service.name
        for service in services
        if any(_JUDGES.fullmatch(name) for name in service.options())
    ]


def _smtpd_services(main: MainCf) -> list[Service]:
    services = MasterCf.load(main.directory).entries
    return [service for service in services if service.command == "smtpd"]


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
