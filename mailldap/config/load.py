"""Settings from every source, in the order of precedence.

flag > MAILLDAP_… > profile > configuration file > LDAP… > ldaprc > ldap.conf
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mailldap.config.layers import KEYS, Layer, Value, merge
from mailldap.config.ldap_conf import SYSTEM_FILE, ldap_layers
from mailldap.config.settings import Settings
from mailldap.errors import ConfigError

FILE_NAME = "mailldap.yaml"
#: Variables that are no settings: they choose a source, or belong to one command.
_OTHERS = {
    "MAILLDAP_CONFIG",
    "MAILLDAP_DEBUG",
    "MAILLDAP_PROFILE",
    "MAILLDAP_RELAY_PASSWORD",
}


def load_settings(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    cwd: Path | None = None,
    config_file: Path | None = None,
    profile: str | None = None,
    ldap_conf: Path = SYSTEM_FILE,
) -> Settings:
    """Return the merged Settings.

    *flags* are dotted keys as in KEYS (None: not given). Raises SettingsError with every problem,
    each with its file and line, variable or flag; ConfigError for a file that cannot be used or a
    profile that is not there.
    """
    cwd = cwd or Path()
    layers: list[Layer] = [
        {key: Value(raw, f"option {key}") for key, raw in flags.items() if raw is not None},
        _variables(environment),
    ]
    path = config_file or _find(environment, cwd)
    profile = profile or environment.get("MAILLDAP_PROFILE") or None
    if path is not None:
        # yaml costs a third of a short command's time; without a file it is not needed.
        from mailldap.config.yaml_source import read_yaml

        layers += read_yaml(path, profile)
    elif profile:
        raise ConfigError(f"no profile {profile!r}: there is no {FILE_NAME}")
    return merge([*layers, *ldap_layers(environment, cwd, ldap_conf)], path)


def _variables(environment: Mapping[str, str]) -> Layer:
    """Return MAILLDAP_POSTFIX__TIMEOUT and the like; two underscores stand for a dot.

    Other MAILLDAP_ variables are somebody else's, unless they look like one of ours misspelt:
    those are kept, for merge to complain about.
    """
    by_variable = {f"MAILLDAP_{key.upper().replace('.', '__')}": key for key in KEYS}
    found: dict[str, Value] = {}
    for name, text in environment.items():
        if not name.startswith("MAILLDAP_") or not text:
            continue
        if name in by_variable:
            found[by_variable[name]] = Value(text, name)
        elif name not in _OTHERS and get_close_matches(name, by_variable, n=1, cutoff=0.88):
            key = name.removeprefix("MAILLDAP_").lower().replace("__", ".")
            found[key] = Value(text, name)
    return found


def _find(environment: Mapping[str, str], cwd: Path) -> Path | None:
    if named := environment.get("MAILLDAP_CONFIG"):
        return Path(named)
    places = [cwd / FILE_NAME]
    if home := environment.get("XDG_CONFIG_HOME"):
        places.append(Path(home) / "mailldap" / FILE_NAME)
    elif home := environment.get("HOME"):
        places.append(Path(home) / ".config" / "mailldap" / FILE_NAME)
    places.append(Path("/etc/mailldap") / FILE_NAME)
    return next((place for place in places if place.is_file()), None)
