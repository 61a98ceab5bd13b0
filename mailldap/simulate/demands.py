"""What Postfix's programs demand of main.cf before they do anything.

``data/daemon-parameters.txt`` has the demands. Source: Postfix 3.7, mail_params_init() and the
parameter tables of mail_params.c, smtpd.c, cleanup_init.c and trivial-rewrite.c;
mail_conf_str(3), mail_conf_int(3), mail_conf_bool(3), mail_conf_time(3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.parameters import default_of
from mailldap.postfix.words import lower_ascii, number_of, split_list
from mailldap.simulate.hostname import is_hostname

_DATA = Path(__file__).parent.parent / "data" / "daemon-parameters.txt"
#: What mail_params_init() takes for names of hosts only.
_HOSTNAMES = ("myhostname", "mydomain")


class _Demand(NamedTuple):
    """What a program demands of one parameter."""

    name: str
    kind: str
    minimum: int | None
    maximum: int | None


@cache
def _lines() -> tuple[str, ...]:
    return tuple(line for line in _DATA.read_text("utf-8").splitlines() if not line.startswith("#"))


def _demands(main: MainCf, programs: set[str]) -> Iterator[_Demand]:
    """Yield what *programs* demand of parameters that main.cf sets, or that follow from those."""
    own = {setting.name for setting in main.settings}
    for line in _lines():
        name, kind, minimum, maximum, wanted_by = line.split(" ")
        default = "" if name in own else default_of(name) or ""
        if (
            name in own or ("$" in default and any(other in default for other in own))
        ) and not programs.isdisjoint(wanted_by.split(",")):
            yield _Demand(name, kind, int(minimum) or None, int(maximum) or None)


def check_parameters(main: MainCf, *programs: str) -> None:
    """Raise ConfigError, in Postfix's words, for the first parameter that ends a program.

    *programs*: ``smtpd``, ``cleanup``, ``trivial-rewrite``; what ends all is always looked for.
    """
    for _, check in _checks(main, programs):
        check()


def refused_parameters(main: MainCf, *programs: str) -> Iterator[tuple[str, ConfigError]]:
    """Yield every parameter that main.cf sets and that ends a program, with Postfix's words.

    *programs* as in check_parameters.
    """
    for name, check in _checks(main, programs):
        if main.explicit(name) is not None:
            try:
                check()
            except ConfigError as error:
                yield name, error


def _checks(main: MainCf, programs: Iterable[str]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield parameters, and what raises ConfigError for the value of each."""
    demands = list(_demands(main, {"all", *programs}))
    # What is written there is told before what follows from it.
    for demand in sorted(demands, key=lambda demand: main.explicit(demand.name) is None):
        yield demand.name, partial(_check, main, demand)
    name = "inet_protocols"
    if main.explicit(name) is not None:
        yield name, partial(listed_names, main, name, ("all", "ipv4", "ipv6"))
    if any(main.explicit(name) is not None for name in _HOSTNAMES):
        for name in _HOSTNAMES:
            yield name, partial(_check_hostname, main, name)
    for name, check in (("relayhost", _check_relayhost), ("myorigin", _check_myorigin)):
        if main.explicit(name) is not None:
            yield name, partial(check, main)


def _check(main: MainCf, demand: _Demand) -> None:
    name = demand.name
    if demand.kind in {"bool", "nbool"}:
        main.get_bool(name)
    elif demand.kind in {"int", "nint"}:
        main.get_int(name, demand.minimum, demand.maximum)
    elif demand.kind == "long":
        _check_long(main, demand)
    elif demand.kind == "time":
        _check_range(main, demand, main.get_time(name))
    else:
        _check_length(main, demand)


def _check_hostname(main: MainCf, name: str) -> None:
    value = main.get(name)
    if not is_hostname(value):
        raise fault(
            main,
            name,
            f"parameter {name}: bad parameter value: {value}",
            f"{name} takes one name of letters, digits, hyphens and dots",
        )


def _check_relayhost(main: MainCf) -> None:
    host = main.get("myhostname")
    if lower_ascii(host) == lower_ascii(main.get("relayhost")):
        raise fault(
            main,
            "relayhost",
            f"myhostname and relayhost parameter settings must not be identical: {host}",
            "relayhost is another machine, which takes the mail",
        )


def _check_myorigin(main: MainCf) -> None:
    text = main.get("myorigin")
    if split_list(text) not in ([], [text]):
        raise fault(
            main,
            "myorigin",
            f"myorigin parameter setting must not contain multiple values: {text}",
            "myorigin takes one domain",
        )


def _check_long(main: MainCf, demand: _Demand) -> None:
    text = main.get(demand.name)
    digits = text.lstrip().removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and number_of(digits) < 2**63):
        raise fault(main, demand.name, f"bad numerical configuration: {demand.name} = {text}")
    number = number_of(digits)
    _check_range(main, demand, -number if text.lstrip().startswith("-") else number)


def _check_range(main: MainCf, demand: _Demand, number: int) -> None:
    least, most = demand.minimum, demand.maximum
    if least is not None and number < least:
        limit, sign, word = least, "<", "min"
    elif most is not None and number > most:
        limit, sign, word = most, ">", "max"
    else:
        return
    if demand.kind == "time":
        raise fault(main, demand.name, f"invalid {demand.name}: {number} ({word} {limit})")
    text = f"invalid {demand.name} parameter value {number} {sign} {limit}"
    raise fault(main, demand.name, text)


def _check_length(main: MainCf, demand: _Demand) -> None:
    text = main.get(demand.name)
    length = len(text.encode("utf-8", "surrogateescape"))
    for limit, sign, beyond in (
        (demand.minimum, "<", length < (demand.minimum or 0)),
        (demand.maximum, ">", length > (demand.maximum or length)),
    ):
        if limit is not None and beyond:
            raise fault(
                main,
                demand.name,
                f"bad string length {length} {sign} {limit}: {demand.name} = {text}".rstrip(),
                f"give {demand.name} a value, or remove the line for the default",
            )


def listed_names(main: MainCf, parameter: str, known: Iterable[str]) -> frozenset[str]:
    """Return the names that a parameter lists; raises ConfigError for one that is not known."""
    names = split_list(main.get(parameter))
    for name in names:
        if name not in known:
            text = f'unknown {parameter} value "{name}" in "{main.get(parameter)}"'
            raise fault(main, parameter, text, f"use {', '.join(sorted(known))}")
    return frozenset(names)


def fault(main: MainCf, name: str, message: str, hint: str | None = None) -> ConfigError:
    """Return the error about the setting of *name*, with file and line."""
    return ConfigError(message, file=main.name, line=main.location(name), hint=hint)
