"""main.cf lines by which mail for our domains is accepted and routed by the directory."""

from __future__ import annotations

from mailldap.config.settings import Settings
from mailldap.errors import ConfigError
from mailldap.postfix.generate.tables import ALIASES_FILE, table_reference
from mailldap.postfix.generate.text import Line, domain

COMMENT = (
    "Mail for these domains goes where the directory says; unknown addresses are refused.\n"
    "None of the domains may stand in mydestination too."
)


def virtual_lines(settings: Settings) -> list[Line]:
    """Return virtual_alias_domains and virtual_alias_maps (postconf(5)).

    Without the first every mail is refused with "Relay access denied"; left to its default it
    asks the directory about every foreign domain. Raises ConfigError where no domain is known.
    """
    domains = sorted({domain("postfix.domains", name) for name in settings.mail_domains})
    if not domains:
        raise ConfigError(
            "no mail domain is known",
            hint="set `postfix: domains:` in mailldap.yaml; the base has no dc components",
        )
    return [
        ("virtual_alias_domains", " ".join(domains)),
        ("virtual_alias_maps", table_reference(settings, ALIASES_FILE)),
    ]
