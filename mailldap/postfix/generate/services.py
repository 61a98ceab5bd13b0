"""Entries of master.cf (master(5))."""

from __future__ import annotations

from dataclasses import dataclass

from mailldap.postfix.generate.seal import seal


@dataclass(frozen=True, slots=True)
class Service:
    """A unix-domain delivery agent outside the chroot; ``arguments`` one a line."""

    name: str
    command: str
    arguments: tuple[str, ...] = ()
    #: pipe(8) starts programs as other users and so needs its privileges.
    privileged: bool = False

    def __str__(self) -> str:
        unpriv = "n" if self.privileged else "-"
        head = f"{self.name:<9} unix  -       {unpriv}       n       -       -       {self.command}"
        return "\n  ".join((head, *self.arguments))


def render_services(kind: str, services: list[Service]) -> bytes:
    """Return the sealed master.cf lines of *services*, sorted by name."""
    lines = sorted(str(service) for service in services)
    return seal(kind, "".join(f"{line}\n" for line in lines).encode("utf-8"))
