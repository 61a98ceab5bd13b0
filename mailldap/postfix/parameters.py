"""The parameters that Postfix 3.7 knows, and their built-in defaults.

The list in ``data/postconf-3.7.txt`` is what ``postconf -d`` of Debian 12's Postfix prints for an
empty configuration, without the parameters that depend on the machine; those are worked out in
:mod:`mailldap.postfix.main_cf`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent.parent / "data" / "postconf-3.7.txt"

#: Known, but with a default that the machine or the process decides.
MACHINE_DEPENDENT = frozenset(
    {"config_directory", "mydomain", "myhostname", "mynetworks", "process_id"}
)

#: Parameters whose ``$name`` references the daemons expand themselves, with values of their own.
RAW = frozenset(
    {
        "command_execution_directory",
        "default_rbl_reply",
        "forward_path",
        "luser_relay",
        "mailbox_command",
        "postscreen_expansion_filter",
        "postscreen_reject_footer",
        "smtpd_expansion_filter",
        "smtpd_reject_footer",
    }
)

#: ``TRANSPORT_suffix`` parameters exist for every service of master.cf (postconf(5)); the longer
#: of two suffixes that fit comes first.
PER_TRANSPORT = (
    "destination_concurrency_failed_cohort_limit",
    "destination_concurrency_negative_feedback",
    "destination_concurrency_positive_feedback",
    "initial_destination_concurrency",
    "destination_concurrency_limit",
    "destination_recipient_limit",
    "delivery_slot_discount",
    "destination_rate_delay",
    "minimum_delivery_slots",
    "recipient_refill_delay",
    "recipient_refill_limit",
    "extra_recipient_limit",
    "transport_rate_delay",
    "delivery_slot_cost",
    "delivery_slot_loan",
    "recipient_limit",
    "time_limit",
)


@cache
def defaults() -> dict[str, str]:
    """Return every built-in default as written, that is with its ``$name`` references."""
    pairs = (line.partition(" =") for line in _DATA.read_text("utf-8").splitlines())
    return {name: value.removeprefix(" ") for name, _, value in pairs}


def default_of(name: str) -> str | None:
    """Return the built-in default of *name* as written, or None for an unknown parameter.

    ``TRANSPORT_destination_recipient_limit`` and its like have the matching ``default_…``
    parameter as default, whatever the transport. Machine-dependent parameters give None.
    """
    if (known := defaults().get(name)) is not None:
        return known
    for suffix in PER_TRANSPORT:
        if name.endswith("_" + suffix):
            return {
                "time_limit": "$command_time_limit",
                "initial_destination_concurrency": "$initial_destination_concurrency",
            }.get(suffix, f"$default_{suffix}")
    return None


def is_known(name: str) -> bool:
    """Return whether Postfix 3.7 has a parameter of that name, for any transport."""
    return name in MACHINE_DEPENDENT or default_of(name) is not None
