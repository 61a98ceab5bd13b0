"""What an audit says: one fault, where it is, why it matters, and the mend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. The fields are those of the JSON shape of ``postfix check``.

    ``code`` is stable and kebab-case. ``file`` is a path, or a server's URI; ``line`` counts from
    1 and is None where no line is at fault. ``message`` says what Postfix does about it; ``fix``
    what to do, None where nobody can say in general. Neither holds a secret.
    """

    code: str
    severity: Severity
    file: str
    line: int | None
    parameter: str | None
    message: str
    fix: str | None = None


def in_order(findings: list[Finding]) -> list[Finding]:
    """Return the findings by file in the order first seen, then line, then severity; no repeats."""
    files = {name: place for place, name in enumerate(dict.fromkeys(f.file for f in findings))}
    return sorted(
        dict.fromkeys(findings),
        key=lambda f: (files[f.file], f.line or 0, _ORDER[f.severity], f.code),
    )
