"""Delivery agents: programs that are not there, transports that nobody provides."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from mailldap.audit.configuration import Configuration
from mailldap.audit.finding import Finding
from mailldap.audit.services import Service, Word
from mailldap.postfix.generate.cyrus import find_deliver

#: Parameters whose value is ``transport`` or ``transport:nexthop``.
_TRANSPORTS = (
    "mailbox_transport", "fallback_transport", "local_transport", "virtual_transport",
    "relay_transport", "default_transport",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deliver:
    """A pipe(8) entry that runs a program, and where its path stands in the logical line."""

    service: Service
    path: Word


def pipe_programs(conf: Configuration) -> Iterator[Deliver]:
    """Yield the pipe(8) entries with the first word of their argv=."""
    for service in conf.services:
        if service.command != "pipe":
            continue
        for word in service.arguments:
            if word.text.startswith("argv="):
                yield Deliver(service, Word(word.text[5:], word.start + 5))
                break


def cyrus_delivers(conf: Configuration) -> Iterator[Deliver]:
    """Yield the entries that run Cyrus's deliver(8)."""
    return (program for program in pipe_programs(conf) if _is_cyrus(program))


def _is_cyrus(program: Deliver) -> bool:
    """Tell Cyrus's deliver(8) from other programs, Dovecot's old one of that name among them."""
    folder, name = posixpath.split(program.path.text)
    return name == "deliver" and "dovecot" not in folder


def missing_program(conf: Configuration) -> Iterator[Finding]:
    """Find pipe(8) programs that are not there: deliver(8), and those that a transport names.

    The stock master.cf has entries for programs that few machines have; unused they harm nobody.
    Of a copy only deliver(8) is judged: its path differs between distributions.
    """
    used = {transport for _, transport in _transports(conf)}
    for program in pipe_programs(conf):
        path = program.path.text
        cyrus = _is_cyrus(program)
        if not (cyrus or (program.service.name in used and conf.judged(path))):
            continue
        if not path.startswith("/") or conf.executable(path):
            continue
        yield Finding(
            "deliver-missing" if cyrus else "program-missing",
            "error",
            program.service.file.name,
            program.service.file.line_at(program.service.source, program.path.start),
            program.service.name,
            f"{path} is no program on this machine: mail is deferred with"
            " execvp: No such file or directory until it expires",
            _deliver_fix(conf) if cyrus else f"install it, or correct the path of {path}",
        )


def _deliver_fix(conf: Configuration) -> str:
    found = find_deliver(conf.root)
    return f"write {found}" if found else "write the path of Cyrus's deliver on the mailbox host"


def missing_transport(conf: Configuration) -> Iterator[Finding]:
    """Find transports that master.cf does not have."""
    if conf.main is None or conf.master is None:
        return
    names = {service.name for service in conf.services}
    for parameter, transport in _transports(conf):
        if transport and transport not in names:
            yield Finding(
                "transport-missing",
                "error",
                conf.main.name,
                conf.line(parameter),
                parameter,
                f"master.cf has no service {transport}: mail is deferred with"
                " mail transport unavailable",
                f"add {transport} to master.cf, or correct {parameter}",
            )


def many_recipients(conf: Configuration) -> Iterator[Finding]:
    """Find pipe(8) flags that allow one recipient while the queue manager gives several."""
    direct = {transport: name for name, transport in _transports(conf)
              if name not in {"mailbox_transport", "fallback_transport"}}  # fmt: skip
    for program in pipe_programs(conf):
        service = program.service
        flags = next((w.text[6:] for w in service.arguments if w.text.startswith("flags=")), "")
        limit = f"{service.name}_destination_recipient_limit"
        if service.name in direct and set("DOX") & set(flags) and conf.value(limit) != "1":
            yield Finding(
                "recipient-limit",
                "error",
                conf.main_name,
                conf.line(limit, direct[service.name]),
                limit,
                f"pipe flags D, O and X allow one recipient a delivery; mail through"
                f" {service.name} to two is deferred",
                f"set {limit} = 1",
            )


def _transports(conf: Configuration) -> list[tuple[str, str]]:
    """Return the parameters that main.cf sets, each with its transport."""
    return [
        (name, conf.value(name).partition(":")[0].strip())
        for name in _TRANSPORTS
        if conf.setting(name) is not None and "#" not in conf.value(name)
    ]
