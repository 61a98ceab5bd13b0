"""LDAP tables whose parameters stand in main.cf as ``NAME_parameter``, seen as a file of their own.

Source: ldap_table(5), "BACKWARDS COMPATIBILITY".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mailldap.audit.source import SourceFile
from mailldap.postfix.lines import LogicalLine
from mailldap.postfix.main_cf import Setting

#: ldap_table(5) of Postfix 3.7, with the names that its source still takes.
LDAP_PARAMETERS = frozenset(
    {
        "bind", "bind_dn", "bind_pw", "cache", "cache_expiry", "cache_size", "chase_referrals",
        "debuglevel", "dereference", "domain", "expansion_limit", "leaf_result_attribute",
        "query_filter", "recursion_limit", "result_attribute", "result_filter", "result_format",
        "sasl_authz_id", "sasl_mechs", "sasl_minssf", "sasl_realm", "scope", "search_base",
        "server_host", "server_port", "size_limit", "special_result_attribute", "start_tls",
        "terminal_result_attribute", "timeout", "tls_ca_cert_dir", "tls_ca_cert_file",
        "tls_cert", "tls_cipher_suite", "tls_key", "tls_random_file", "tls_require_cert",
        "version",
    }
)  # fmt: skip
#: Parameters in advice: those with ``= value`` behind them, and those that are no plain word.
_ADVISED = re.compile(
    r"\b(?:(?:" + "|".join(sorted(LDAP_PARAMETERS)) + r")(?= =)|"
    + "|".join(sorted(name for name in LDAP_PARAMETERS if "_" in name)) + r")\b"
)  # fmt: skip


@dataclass(frozen=True)
class LegacyTable(SourceFile):
    """main.cf as far as it is about the table ``ldap:PREFIX``.

    Settings have the parameters' names without the prefix, values with ``$name`` expanded, and
    their places in main.cf.
    """

    prefix: str = ""
    expand: Callable[[str], str] = str
    #: Whether a parameter of main.cf belongs to somebody else.
    foreign: Callable[[str], bool] = bool

    def full_name(self, name: str) -> str:
        """Return the parameter as main.cf has it."""
        return f"{self.prefix}_{name}"

    def advice(self, text: str) -> str:
        """Return *text* with parameters as main.cf has them."""
        return _ADVISED.sub(lambda match: self.full_name(match[0]), text)

    def _assignments(self) -> Iterator[tuple[Setting | None, tuple[LogicalLine, str]]]:
        start = f"{self.prefix}_"
        for setting, line in super()._assignments():
            if setting is None or not setting.name.startswith(start):
                continue  # told as main.cf's
            name = setting.name.removeprefix(start)
            if name in LDAP_PARAMETERS or not self.foreign(setting.name):
                yield Setting(name, self.expand(setting.value), setting.source), line
