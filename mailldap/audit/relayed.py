"""Mailboxes inside whose mail would leave through the relay, as trivial-rewrite(8) routes it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

from mailldap.audit.configuration import Configuration
from mailldap.audit.postfix_rules.domains import CLASSES, declared
from mailldap.directory.base import SessionOpener
from mailldap.errors import MailldapError
from mailldap.simulate.configured import table_context
from mailldap.simulate.simulator import Simulator

#: Domains that no relay on the Internet can know (RFC 6762 appendix G, RFC 8375, ICANN's
#: resolution 2024.07.29.06, RFC 2606).
_PRIVATE = frozenset(
    {"internal", "local", "localdomain", "lan", "home", "corp", "intranet", "private", "arpa",
     "test", "invalid"}
)  # fmt: skip


def relayed(
    conf: Configuration, domains: Iterable[str], open_session: SessionOpener
) -> dict[str, str]:
    """Return those of *domains* that are inside and whose mail goes to relayhost, with that.

    Inside is a domain that the Internet does not have, or below one of ours. Tables are asked
    through *open_session*; where that is impossible, nothing is said.
    """
    host = conf.value("relayhost")
    inside = [domain for domain in domains if _is_inside(conf, domain)] if host else []
    if not inside:
        return {}
    context = replace(
        table_context(conf.cf, open_session, warn=lambda _text: None),
        read_file=lambda path: conf.locate(path).read_bytes(),
    )
    found = {}
    try:
        with closing(Simulator(conf.cf, context)) as simulator:
            for domain in inside:
                (recipient,) = simulator.route(f"postmaster@{domain}").recipients or (None,)
                if recipient and recipient.nexthop == host:
                    found[domain] = host
    except MailldapError:
        pass  # what cannot be opened or asked is told elsewhere
    return found


def _is_inside(conf: Configuration, domain: str) -> bool:
    last = domain.rpartition(".")[2]
    ours = {name for kind in CLASSES for name in declared(conf, kind)}
    ours.add(conf.value("mydomain").lower())
    return (
        "." not in domain
        or last in _PRIVATE
        or domain.endswith(tuple(f".{name}" for name in ours if "." in name))
    )
