"""What was done to an address between the questions to tables, for whoever asks why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: rewrite: to canonical form (trivial-rewrite(8)); canonical, masquerade: canonical(5) and
#: masquerade_domains; domain: a result ``@domain`` given the local part; extension: propagated, or
#: dropped; alias: one level of virtual_alias_maps; identity: an alias of itself, which ends its
#: expansion; copy: a blind copy; duplicate: dropped.
Kind = Literal[
    "rewrite", "canonical", "masquerade", "domain", "extension", "alias", "identity", "copy",
    "duplicate",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One address that became others, all in external form.

    ``rule`` names the main.cf parameters that made it so, or says what did where none did.
    ``level`` counts repeated mapping of one address, from 1; 0 where nothing is repeated.
    ``lookups`` is how many questions of the trace came before.
    """

    kind: Kind
    rule: str
    before: str
    after: tuple[str, ...]
    level: int = 0
    lookups: int = 0
