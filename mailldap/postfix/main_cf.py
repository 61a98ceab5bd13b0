"""main.cf as Postfix reads it: settings with their lines, defaults, expansion, typed values.

Source: postconf(5); Postfix's dict_load_fp(), mail_conf(3) and mail_params.c. What Postfix calls
a fatal error is a ConfigError here, in its words and with file and line.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from pathlib import Path
from typing import NamedTuple

from mailldap.errors import ConfigError
from mailldap.postfix.expand import MacroError, compatibility_level, expand
from mailldap.postfix.host import Host, Interface, networks, this_host
from mailldap.postfix.lines import LogicalLine, decode, logical_lines
from mailldap.postfix.parameters import RAW, default_of
from mailldap.postfix.words import (
    SPACE,
    c_string,
    lower_ascii,
    split_assignment,
    split_braced,
    split_list,
    to_bool,
    to_int,
)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Setting(NamedTuple):
    """One ``name = value`` of the file: the value as written, without expansion."""

    name: str
    value: str
    source: LogicalLine

    @property
    def line(self) -> int:
        """The physical line on which the setting starts."""
        return self.source.line


def parse_settings(
    text: str, name: str, warn: Callable[[str], None] | None = None
) -> Iterator[Setting]:
    """Yield the settings of a file in ``name = value`` syntax, main.cf's and ldap_table(5)'s.

    *warn* is told what Postfix warns about. Raises ConfigError at a line that is no setting.
    """
    last: dict[str, str] = {}
    for line in logical_lines(text, name, warn):
        pair = split_assignment(line.text)
        if isinstance(pair, str):
            raise ConfigError(
                f'{pair}: "{c_string(line.text)}"',
                file=name,
                line=line.line,
                hint='every line that is not a comment must read "name = value"; a line that '
                "starts with white space continues the one before",
            )
        key, value = pair
        if warn and last.get(key, value) != value:
            warn(f"{name}, line {line.line}: overriding earlier entry: {key}={last[key]}")
        last[key] = value
        yield Setting(key, value, line)


class MainCf:
    """A main.cf that has been read.

    ``settings`` holds every setting in file order, overridden ones included; ``warnings`` what
    Postfix logs while it reads the file.
    """

    def __init__(
        self, settings: tuple[Setting, ...], *, name: str, directory: str, host: Host | None = None
    ) -> None:
        self.settings = settings
        self.name = name
        self.directory = directory
        self.warnings: list[str] = []
        self._host = host
        self._last = {setting.name: setting for setting in settings}
        self._expanded: dict[str, str] = {}
        self._busy: set[str] = set()

    @classmethod
    def load(cls, directory: str | Path, *, host: Host | None = None) -> MainCf:
        """Return the main.cf of a configuration directory.

        Raises ConfigError where it cannot be read or has a line that is no setting.
        """
        path = Path(directory) / "main.cf"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"open {path}: {error.strerror}",
                hint="name a Postfix configuration directory with -c",
            ) from error
        return cls.parse(decode(data), str(path), directory=str(directory), host=host)

    @classmethod
    def parse(
        cls,
        text: str,
        name: str = "main.cf",
        *,
        directory: str = "/etc/postfix",
        host: Host | None = None,
    ) -> MainCf:
        """Return the main.cf with that text; *name* is for messages.

        Raises ConfigError at the first line that is no setting.
        """
        warnings: list[str] = []
        settings = tuple(parse_settings(text, name, warnings.append))
        main = cls(settings, name=name, directory=directory, host=host)
        main.warnings = warnings
        return main

    def explicit(self, name: str) -> str | None:
        """Return the value that the file gives, as written; None where it gives none."""
        setting = self._last.get(name)
        return None if setting is None else setting.value

    def location(self, name: str) -> int | None:
        """Return the physical line on which *name* is set (the last one counts), or None."""
        setting = self._last.get(name)
        return None if setting is None else setting.line

    def raw(self, name: str) -> str | None:
        """Return the value before expansion: the file's, else the default; None if unknown."""
        own = self.explicit(name)
        return own if own is not None else self.default(name)

    def default(self, name: str) -> str | None:
        """Return the built-in default before expansion; None for a parameter without one.

        Machine-dependent defaults come from the host that the object was made with.
        """
        computed = {
            "config_directory": lambda: self.directory,
            "myhostname": self._default_myhostname,
            "mydomain": self._default_mydomain,
            "mynetworks": self._default_mynetworks,
        }.get(name)
        if computed is None:
            return default_of(name)
        if name in self._busy:  # a setting that its own default depends on
            return None
        self._busy.add(name)
        try:
            return computed()
        finally:
            self._busy.discard(name)

    def lookup(self, name: str) -> str | None:
        """Return the expanded value, or None where the parameter is neither set nor known.

        The few parameters that daemons expand in their own way come as written.
        Raises ConfigError for a value that Postfix cannot expand.
        """
        if name not in self._expanded:
            raw = self.raw(name)
            if raw is None:
                return None
            self._expanded[name] = self._expand(raw, name) if name not in RAW else raw
        return self._expanded[name]

    def get(self, name: str) -> str:
        """Return the expanded value of a parameter that is set or has a default.

        Raises KeyError for a name that is neither, ConfigError as :meth:`lookup`.
        """
        value = self.lookup(name)
        if value is None:
            raise KeyError(name)
        return value

    def expand(self, text: str) -> str:
        """Return *text* with its ``$name`` references replaced, as in a setting."""
        return self._expand(text, None)

    def _expand(self, text: str, name: str | None) -> str:
        try:
            return expand(text, self.raw)
        except MacroError as error:
            raise self._fault(
                name,
                f"{f'{name}: ' if name else ''}macro processing error: {error}",
                hint="write a literal dollar as $$",
            ) from error

    def get_int(self, name: str, minimum: int | None = None, maximum: int | None = None) -> int:
        """Return an integer parameter; raises ConfigError for another value or out of range."""
        value = self.get(name)
        number = to_int(value)
        if number is None:
            raise self._fault(name, f"bad numerical configuration: {name} = {value}")
        if minimum is not None and number < minimum:
            raise self._fault(name, f"invalid {name} parameter value {number} < {minimum}")
        if maximum is not None and number > maximum:
            raise self._fault(name, f"invalid {name} parameter value {number} > {maximum}")
        return number

    def get_bool(self, name: str) -> bool:
        """Return a yes/no parameter; raises ConfigError for another value."""
        value = self.get(name)
        answer = to_bool(value)
        if answer is None:
            raise self._fault(
                name, f"bad boolean configuration: {name} = {value}", hint="write yes or no"
            )
        return answer

    def get_time(self, name: str) -> int:
        """Return a time parameter in seconds; a number without unit has the default's unit."""
        value = self.get(name)
        default = self._expand(self.default(name) or "s", name)
        digits = value[: len(value) - len(value.lstrip(SPACE + "+0123456789"))]
        number = to_int(digits)
        unit = value[len(digits) :][:1] or next((c for c in default if c.isalpha()), "s")
        if number is None or unit not in _UNITS or number * _UNITS[unit] >= 2**31:
            raise self._fault(name, f"parameter {name}: bad time value or unit: {value}")
        return number * _UNITS[unit]

    def get_list(self, name: str) -> list[str]:
        """Return the words of a list parameter, split at commas and white space."""
        return split_list(self.get(name))

    def get_maps(self, name: str) -> list[str]:
        """Return the words of a list in which ``{…}`` protects commas and white space."""
        return split_braced(self.get(name))

    @property
    def compatibility_level(self) -> int:
        """The compatibility level as a number that orders levels; see postconf(5)."""
        value = self.get("compatibility_level")
        try:
            return compatibility_level(value)
        except MacroError as error:
            raise self._fault("compatibility_level", str(error)) from error

    @property
    def host(self) -> Host:
        """The machine whose name and addresses the defaults depend on."""
        if self._host is None:
            self._host = this_host()
        return self._host

    def own_interfaces(self) -> list[Interface]:
        """Return the addresses that inet_interfaces selects, with their prefix lengths.

        Listed names are resolved; a listed address that no interface of the host has counts as
        an interface of its own, so that another machine's configuration can be examined.
        """
        protocols = [lower_ascii(word) for word in self.get_list("inet_protocols")]
        versions = (
            {4, 6} if "all" in protocols else {int(p[-1]) for p in protocols if p[-1] in "46"}
        )
        interfaces = [i for i in self.host.interfaces if i.version in versions]
        wanted = self.get("inet_interfaces")
        if wanted == "all":
            return interfaces
        if wanted == "loopback-only":
            return [i for i in interfaces if i.ip.is_loopback]
        by_address = {i.ip: i for i in interfaces}
        addresses = [a for word in split_list(wanted) for a in self._resolve(word)]
        return [
            by_address.get(address) or ip_interface(address)
            for address in dict.fromkeys(addresses)
            if address.version in versions
        ]

    def _resolve(self, word: str) -> list[IPv4Address | IPv6Address]:
        """Return the addresses that an item of inet_interfaces means."""
        word = word.removeprefix("[").removesuffix("]")
        try:
            return [ip_address(word)]
        except ValueError:
            pass
        try:
            found = socket.getaddrinfo(word, None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise self._fault(
                "inet_interfaces", f"config variable inet_interfaces: host not found: {word}"
            ) from error
        return [ip_address(str(item[4][0]).partition("%")[0]) for item in found]

    def _fault(self, name: str | None, message: str, hint: str | None = None) -> ConfigError:
        return ConfigError(
            message, file=self.name, line=self.location(name) if name else None, hint=hint
        )

    def _default_myhostname(self) -> str:
        name = self.host.name
        if "." in name:
            return name
        own = self.explicit("mydomain")
        if own is None:
            return f"{name}.localdomain"
        # While Postfix works this out, $myhostname is still undefined.
        domain = expand(own, lambda n: None if n == "myhostname" else self.raw(n))
        return f"{name}.{domain}"

    def _default_mydomain(self) -> str:
        return self.get("myhostname").partition(".")[2] or "localdomain"

    def _default_mynetworks(self) -> str:
        style = self.get("mynetworks_style")
        try:
            return " ".join(networks(self.own_interfaces(), style))
        except ValueError as error:
            raise self._fault(
                "mynetworks_style", f'unknown mynetworks mask style value "{style}" in "{style}"'
            ) from error
