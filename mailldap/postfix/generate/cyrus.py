"""Delivery into Cyrus IMAP on the mailbox host, by lmtp(8) or pipe(8)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mailldap.config.settings import CyrusSettings, Settings
from mailldap.errors import ConfigError
from mailldap.postfix.generate.services import Service
from mailldap.postfix.generate.tables import LOCAL_FILE, table_reference
from mailldap.postfix.generate.text import Line, domain, list_item

COMMENT = (
    "Mailboxes are Cyrus's, and the directory knows who has one; without local_recipient_maps\n"
    "only the accounts of this machine would be known."
)
LMTP_SERVICE = "cyrus-lmtp"
PIPE_SERVICE = "cyrus"
#: Where distributions install Cyrus's deliver(8): Debian, Red Hat (both), SUSE, upstream.
DELIVER_PATHS = (
    "/usr/lib/cyrus/bin/deliver",
    "/usr/lib64/cyrus-imapd/deliver",
    "/usr/lib/cyrus-imapd/deliver",
    "/usr/libexec/cyrus-imapd/deliver",
    "/usr/cyrus/bin/deliver",
    "/cyrus/bin/deliver",
)


def find_deliver(root: Path = Path("/")) -> str | None:
    """Return the path of Cyrus's deliver(8) on this machine, or None."""
    for path in DELIVER_PATHS:
        candidate = root / path.lstrip("/")
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return path
    return None


def cyrus_lines(settings: Settings) -> list[Line]:
    """Return the main.cf lines for ``postfix.cyrus``.

    local(8) still expands this host's aliases and then hands over to Cyrus
    (postconf(5), mailbox_transport). Raises ConfigError.
    """
    cyrus = _cyrus(settings)
    known = f"{table_reference(settings, LOCAL_FILE)} $alias_maps"
    if cyrus.delivery == "pipe":
        return [
            # pipe(8): flag D allows one recipient a delivery.
            (f"{PIPE_SERVICE}_destination_recipient_limit", "1"),
            ("local_recipient_maps", known),
            ("mailbox_transport", PIPE_SERVICE),
        ]
    return [
        ("local_recipient_maps", known),
        ("mailbox_transport", f"{LMTP_SERVICE}:{_destination(cyrus)}"),
    ]


def cyrus_services(settings: Settings, deliver: str | None = None) -> list[Service]:
    """Return the master.cf entry that cyrus_lines refers to.

    *deliver* is the path found by the caller, used where the settings name none. The LMTP entry
    is one of its own, outside the chroot, for the stock one cannot reach Cyrus's socket on
    Debian. Raises ConfigError where deliver(8) is to be used and nobody knows its path.
    """
    cyrus = _cyrus(settings)
    if cyrus.delivery == "lmtp":
        return [Service(LMTP_SERVICE, "lmtp")]
    path = cyrus.deliver or deliver or find_deliver()
    if path is None:
        raise ConfigError(
            f"no deliver program in {', '.join(DELIVER_PATHS)}",
            hint="set postfix.cyrus.deliver, or postfix.cyrus.delivery to lmtp",
        )
    list_item("postfix.cyrus.deliver", path)
    if not path.startswith("/") or "$" in path:
        raise ConfigError(f"postfix.cyrus.deliver: {path!r} is not an absolute path")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", cyrus.user):
        raise ConfigError(f"postfix.cyrus.user: {cyrus.user!r} is not a user's name")
    command = f"argv={path} -e -r ${{sender}} -m ${{extension}} ${{user}}"
    arguments = (f"flags=DRX user={cyrus.user} {command}",)
    return [Service(PIPE_SERVICE, "pipe", arguments, privileged=True)]


def _cyrus(settings: Settings) -> CyrusSettings:
    return settings.postfix.cyrus or CyrusSettings()


def _destination(cyrus: CyrusSettings) -> str:
    """Return the lmtp(8) destination: ``unix:PATH`` or ``inet:HOST[:PORT]``."""
    value = list_item("postfix.cyrus.lmtp", cyrus.lmtp)
    kind, _, rest = value.partition(":")
    if kind == "unix" and rest.startswith("/"):
        return value.replace("$", "$$")
    host = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}|[a-z0-9-]+))?", rest)
    if kind == "inet" and host:
        if not host[1].startswith("["):
            domain("postfix.cyrus.lmtp", host[1])
        return value
    raise ConfigError(
        f"postfix.cyrus.lmtp: {value!r} is no LMTP destination",
        hint="write unix:/run/cyrus/socket/lmtp or inet:mail1.internal:24",
    )
