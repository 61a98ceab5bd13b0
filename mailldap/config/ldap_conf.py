"""libldap's own defaults as layers: ldap.conf(5), ldaprc and the LDAP… variables.

ldap3 reads none of this, and an administrator whose ldapsearch works expects mailldap to work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mailldap.config.layers import Layer, Value

#: ldap.conf(5) options that mean something here, and the key that each one sets.
_OPTIONS = {
    "URI": "uri",
    "BASE": "base",
    "BINDDN": "bind_dn",
    "TLS_CACERT": "ca_file",
    "TLS_REQCERT": "verify",
    "NETWORK_TIMEOUT": "connect_timeout",
    "TIMEOUT": "timeout",
}
#: "User-only" in ldap.conf(5): passed over in ldap.conf and in $LDAPCONF.
_USER_ONLY = {"BINDDN"}
#: Words for TLS_REQCERT, and whether a certificate that is not valid ends the session. (``try``
#: goes on without any certificate, but a TLS server always shows one.)
_REQCERT = {
    "never": False,
    "allow": False,
    **dict.fromkeys(("try", "demand", "hard", "on", "yes", "true"), True),
}
_LONGEST = 3600  # seconds; as in mailldap.yaml
SYSTEM_FILE = Path("/etc/ldap/ldap.conf")


def ldap_layers(
    environment: Mapping[str, str], cwd: Path, system_file: Path = SYSTEM_FILE
) -> list[Layer]:
    """Return the layers of ldap.conf(5), strongest first; none where LDAPNOINIT is set.

    The order of ldap.conf(5): variables, then $LDAPRC, $LDAPCONF, ./ldaprc, ~/.ldaprc,
    ~/ldaprc, and the system's file. Files that cannot be read are passed over, as libldap does.
    """
    if "LDAPNOINIT" in environment:
        return []
    found: dict[str, Value] = {}
    for option in _OPTIONS:
        variable = f"LDAP{option}"
        if variable in environment:
            found |= _meaning(option, environment[variable], variable, cwd)
    homes = [Path(environment["HOME"])] if environment.get("HOME") else []
    layers: list[Layer] = [found]
    if name := environment.get("LDAPRC"):
        files = [cwd / name, *(h / n for h in homes for n in (name, f".{name}"))]
        layers += [_read(path) for path in files]
    if name := environment.get("LDAPCONF"):
        layers.append(_read(Path(name), of_user=False))
    files = [cwd / "ldaprc", *(h / n for h in homes for n in (".ldaprc", "ldaprc"))]
    layers += [_read(path) for path in files]
    layers.append(_read(system_file, of_user=False))
    return layers


def _read(path: Path, *, of_user: bool = True) -> Layer:
    try:
        lines = path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return {}
    found: dict[str, Value] = {}
    for number, line in enumerate(lines, 1):
        words = line.split(None, 1)
        if len(words) == 2 and not words[0].startswith("#"):
            option = words[0].upper()
            if of_user or option not in _USER_ONLY:
                found |= _meaning(option, words[1].strip(), f"{path}:{number}", path.parent)
    return found


def _meaning(option: str, text: str, origin: str, folder: Path) -> dict[str, Value]:
    """Return what the option says; nothing for what libldap passes over without a word."""
    if option not in _OPTIONS:
        return {}
    raw: str | bool | int = text
    if option == "TLS_REQCERT":
        if text.lower() not in _REQCERT:
            return {}
        raw = _REQCERT[text.lower()]
    elif option in {"NETWORK_TIMEOUT", "TIMEOUT"}:
        if not re.fullmatch(r"\s*\+?0*[1-9][0-9]{0,17}", text, re.ASCII):
            return {}
        raw = min(int(text.strip().lstrip("+0")), _LONGEST)
    return {_OPTIONS[option]: Value(raw, origin, folder)}
