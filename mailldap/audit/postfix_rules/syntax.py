"""Lines that Postfix cannot read, overrides twice, or has no use for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from mailldap.audit.configuration import Configuration
from mailldap.audit.finding import Finding
from mailldap.audit.legacy import LDAP_PARAMETERS
from mailldap.audit.postfix_rules.comments import comments_of_main
from mailldap.audit.postfix_rules.known import is_known, known_names, references_in
from mailldap.audit.source import SourceFile
from mailldap.errors import ConfigError
from mailldap.postfix.lines import logical_lines
from mailldap.postfix.parameters import default_of
from mailldap.simulate.demands import refused_parameters

#: Parameters that take more than yes and no, which is their default.
_NO_TRUTH = frozenset({"smtpd_forbid_bare_newline"})
#: Tables whose parameters may stand in main.cf under the table's name.
_PREFIXED = re.compile(r"\b(?:ldap|mysql|pgsql|sqlite|memcache):([A-Za-z0-9_]+)")


def unreadable_lines(conf: Configuration) -> Iterator[Finding]:
    """Find lines that are no ``name = value``; Postfix stops at the first one."""
    for file in (conf.main, *conf.ldap_files):
        if file is None:
            continue
        for line, why in file.faulty:
            yield Finding(
                "bad-line",
                "error",
                file.name,
                line.line,
                None,
                f"{why}: every program that reads this file dies",
                'write "name = value", or begin the line with # where it is a comment',
            )
        ignored: list[str] = []
        list(logical_lines(file.text, file.name, ignored.append))
        if ignored:
            yield Finding(
                "leading-blank",
                "warning",
                file.name,
                1,
                None,
                "the first line begins with white space, so that Postfix ignores it",
                "remove the white space",
            )


def refused_in_main(conf: Configuration) -> Iterator[Finding]:
    """Find values of main.cf that end the programs that read them."""
    if conf.main is None:
        return
    commented = {finding.parameter for finding in comments_of_main(conf)}
    refused = dict(refused_parameters(conf.cf, "smtpd", "cleanup", "trivial-rewrite"))
    for name, setting in conf.main.last.items():
        if default_of(name) in {"yes", "no"} and name not in _NO_TRUTH:
            try:
                conf.cf.get_bool(name)
            except ConfigError as error:
                refused[name] = error
        if name in refused and name not in commented:
            yield Finding(
                "refused-value",
                "error",
                conf.main.name,
                setting.line,
                name,
                f"{_words_of(refused[name])}: every program that reads it dies",
                refused[name].hint,
            )


def _words_of(error: ConfigError) -> str:
    """Return Postfix's words without the place, which a finding has for itself."""
    place = f"{error.file}:{error.line}: "
    return error.message.removeprefix(place)


def refused_services(conf: Configuration) -> Iterator[Finding]:
    """Find master.cf entries that master(8) refuses; it stops at the first one."""
    for fault in conf.refused_services:
        yield Finding(
            "bad-line",
            "error",
            fault.file or "",
            fault.line,
            None,
            f"{_words_of(fault)}: master dies",
            fault.hint or "begin further lines of an entry with white space",
        )


def overridden(conf: Configuration) -> Iterator[Finding]:
    """Find a parameter set twice with different values; the last one counts."""
    for file in (conf.main, *conf.ldap_files):
        if file is None:
            continue
        first: dict[str, tuple[int, str]] = {}
        for setting in file.settings:
            line, value = first.get(setting.name, (0, setting.value))
            if value != setting.value:
                yield Finding(
                    "overridden",
                    "warning",
                    file.name,
                    setting.line,
                    setting.name,
                    f"overrides the value of line {line}",
                    "keep one of the two",
                )
            first[setting.name] = (setting.line, setting.value)


def doubled_services(conf: Configuration) -> Iterator[Finding]:
    """Find a service defined twice; the last entry counts."""
    first: dict[str, int] = {}
    for service in conf.services:
        key = service.entry.key
        if key in first:
            yield Finding(
                "overridden",
                "warning",
                service.file.name,
                service.line,
                service.name,
                f"overrides the entry of line {first[key]}",
                "keep one of the two",
            )
        first[key] = service.line


def unknown_in_main(conf: Configuration) -> Iterator[Finding]:
    """Find parameters of main.cf that Postfix does not know and nothing refers to."""
    if conf.main is None:
        return
    used = references_in(conf)
    prefixes = tuple(f"{name}_" for s in conf.main.settings for name in _PREFIXED.findall(s.value))
    classes = set(conf.words("smtpd_restriction_classes"))
    for setting in conf.main.settings:
        name = setting.name
        if is_known(name) or name in used or name in classes or name.startswith(prefixes):
            continue
        yield _unknown(conf.main, name, setting.line, known_names())


def unknown_in_ldap(conf: Configuration) -> Iterator[Finding]:
    """Find parameters of LDAP tables that Postfix does not know; it ignores them silently."""
    for file in conf.ldap_tables:
        for setting in file.settings:
            if setting.name not in LDAP_PARAMETERS:
                names = frozenset(map(file.full_name, LDAP_PARAMETERS))
                yield _unknown(file, file.full_name(setting.name), setting.line, names)


def unknown_in_master(conf: Configuration) -> Iterator[Finding]:
    """Find parameters that master.cf sets with -o and Postfix does not know."""
    used = references_in(conf)
    classes = set(conf.words("smtpd_restriction_classes"))
    for service in conf.services:
        for name, override in service.overrides.items():
            if not (is_known(name) or name in used or name in classes):
                yield _unknown(service.file, name, override.line, known_names())


def _plain(name: str) -> str:
    """Return a name without what people get wrong first: case and underscores."""
    return name.lower().replace("_", "")


def _unknown(file: SourceFile, name: str, line: int, names: frozenset[str]) -> Finding:
    if name == "special_result_filter" or name.endswith("_special_result_filter"):
        return Finding(
            "unknown-parameter",
            "warning",
            file.name,
            line,
            name,
            "has never been a parameter of Postfix and is ignored; result_format is what changes"
            " results, and plain values need none",
            "remove the line",
        )
    near = [other for other in sorted(names) if _plain(other) == _plain(name)]
    near = near or difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.8)
    if near:
        return Finding(
            "unknown-parameter",
            "warning",
            file.name,
            line,
            name,
            f"Postfix does not know this parameter and ignores it; it knows {near[0]}",
            f"write {near[0]}, or remove the line",
        )
    return Finding(
        "unknown-parameter",
        "warning",
        file.name,
        line,
        name,
        "Postfix does not know this parameter and ignores it",
        "remove the line",
    )
