"""libldap's own defaults as layers: ldap.conf(5), ldaprc and the LDAP… variables.

ldap3 reads none of this, and an administrator whose ldapsearch works expects mailldap to work.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mailldap.config.layers import Layer, Value

#: ldap.conf(5) options that mean something here, and the key that each one sets.
_OPTIONS = {
    "URI": "uri",
    "BASE": "base",
    "BINDDN": "bind_dn",
    "TLS_CACERT": "ca_file",
    "NETWORK_TIMEOUT": "connect_timeout",
    "TIMEOUT": "timeout",
}
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
    for option in [*_OPTIONS, "TLS_REQCERT"]:
        variable = f"LDAP{option}"
        if variable in environment:
            found |= _meaning(option, environment[variable], variable, cwd)
    layers: list[Layer] = [found]
    home = Path(environment["HOME"]) if environment.get("HOME") else None
    files = []
    if name := environment.get("LDAPRC"):
        files += [cwd / name, *([home / name, home / f".{name}"] if home else [])]
    if name := environment.get("LDAPCONF"):
        files.append(Path(name))
    files.append(cwd / "ldaprc")
    if home:
        files += [home / ".ldaprc", home / "ldaprc"]
    files.append(system_file)
    layers += [_read(path) for path in files]
    return layers


def _read(path: Path) -> Layer:
    try:
        lines = path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return {}
    found: dict[str, Value] = {}
    for number, line in enumerate(lines, 1):
        words = line.split(None, 1)
        if len(words) == 2 and not line.startswith("#"):
            found |= _meaning(words[0].upper(), words[1].strip(), f"{path}:{number}", path.parent)
    return found


def _meaning(option: str, text: str, origin: str, folder: Path) -> dict[str, Value]:
    if option == "TLS_REQCERT":
        # "allow" and "try" go on without a valid certificate, which is no check at all.
        verify = text.lower() in {"demand", "hard", "true", "on", "yes"}
        return {"verify": Value(verify, origin, folder)}
    if option in {"NETWORK_TIMEOUT", "TIMEOUT"} and text.startswith(("-", "0")):
        return {}  # libldap: wait for ever, which mailldap never does
    if option in _OPTIONS:
        return {_OPTIONS[option]: Value(text, origin, folder)}
    return {}
