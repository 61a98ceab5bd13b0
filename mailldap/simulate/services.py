"""What master.cf gives the smtpd services of a configuration directory."""

from __future__ import annotations

import re

from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf, Setting
from mailldap.postfix.master_cf import MasterCf, Service

#: Settings that decide who may send as whom.
_JUDGES = re.compile(r"smtpd_(\w+_restrictions|sender_login_maps|sasl_auth_enable|delay_reject)")


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
