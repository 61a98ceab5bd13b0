"""What can be mended without a choice of the administrator's, one function a mend.

Each takes a Configuration and returns the edits of one file that it can make now; fix.py makes
them, reads the configuration again, and goes on until nothing is left to mend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailldap.audit.configuration import Configuration
from mailldap.audit.edit import Edit, commented_out, line_after, moved_before, own_line
from mailldap.audit.postfix_rules import comments, syntax
from mailldap.audit.postfix_rules.delivery import cyrus_delivers
from mailldap.audit.postfix_rules.domains import undeclared_domain
from mailldap.audit.postfix_rules.relay import misnamed_key, relayhost
from mailldap.audit.postfix_rules.restrictions import MISMATCH, lists_of
from mailldap.audit.postfix_rules.tables import version
from mailldap.audit.source import SourceFile
from mailldap.postfix.generate.cyrus import find_deliver
from mailldap.postfix.lines import LogicalLine


@dataclass(frozen=True, slots=True)
class Options:
    """What the administrator says beforehand: ``deliver`` is the path of Cyrus's deliver(8)."""

    deliver: str | None = None


@dataclass(frozen=True, slots=True)
class Mend:
    """Edits of one file."""

    file: SourceFile
    edits: tuple[Edit, ...]


Mender = Callable[[Configuration, Options], Mend | None]


def comments_to_lines(conf: Configuration, _options: Options) -> Mend | None:
    """Move comments behind values to lines of their own.

    A password is left alone: in it the words may be meant.
    """
    for file, line, begin in _commentable(conf):
        for comment in comments.comments_in(file, line, begin):
            return Mend(file, tuple(own_line(file, comment)))
    return None


def _commentable(conf: Configuration) -> list[tuple[SourceFile, LogicalLine, int]]:
    """Return the logical lines in which a rule has found a comment, with their value's start."""
    found: list[tuple[SourceFile, LogicalLine, int]] = []
    if conf.main:
        lines = {finding.line for finding in comments.comments_of_main(conf)}
        found += [
            (conf.main, s.source, comments.value_start(s))
            for s in conf.main.settings
            if lines & set(s.source.numbers)
        ]
    named = {
        (f.file, f.line)
        for f in comments.comments_of_ldap(conf)
        if not (f.parameter or "").endswith("bind_pw")
    }
    found += [
        (file, s.source, comments.value_start(s))
        for file in conf.ldap_tables
        for s in file.settings
        if any((file.name, number) in named for number in s.source.numbers)
    ]
    named = {(f.file, f.line) for f in comments.comments_of_master(conf)}
    found += [
        (s.file, s.source, 1)
        for s in conf.services
        if any((s.file.name, number) in named for number in s.source.numbers)
    ]
    for file in comments.text_tables(conf):
        found += [(file, line, 1) for line in file.lines]
    return found


def unknown_to_comments(conf: Configuration, _options: Options) -> Mend | None:
    """Comment parameters out that Postfix ignores anyway."""
    unknown = {
        (finding.file, finding.line)
        for rule in (syntax.unknown_in_main, syntax.unknown_in_ldap)
        for finding in rule(conf)
    }
    for file in (conf.main, *conf.ldap_tables):
        lines = [s.source for s in file.settings if (file.name, s.line) in unknown] if file else []
        if file and lines:
            return Mend(file, tuple(e for line in lines for e in commented_out(file, line)))
    return None


def checks_before_permits(conf: Configuration, _options: Options) -> Mend | None:
    """Move a sender check before the first permit_ of its list.

    One behind ``$name`` stays where it is: what else that holds would move along.
    """
    for rules in lists_of(conf):
        if (hidden := rules.hidden()) and hidden[1].name in MISMATCH:
            permit, check = ((item.start, item.end) for item in hidden)
            return Mend(rules.file, tuple(moved_before(rules.file, rules.source, permit, check)))
    return None


def deliver_found(conf: Configuration, options: Options) -> Mend | None:
    """Write the path where deliver(8) is, or the one that was given."""
    path = options.deliver or find_deliver(conf.root)
    for deliver in cyrus_delivers(conf):
        old = deliver.path
        if path is None or old.text == path:
            continue
        if options.deliver is None and conf.executable(old.text):
            continue
        file = deliver.service.file
        span = file.span(deliver.service.source, old.start, old.end)
        return Mend(file, (Edit(span, path),))
    return None


def key_as_relayhost(conf: Configuration, _options: Options) -> Mend | None:
    """Write the password table's key as relayhost has it."""
    key = misnamed_key(conf)
    if key is None:
        return None
    span = key.file.span(key.source, key.word.start, key.word.end)
    return Mend(key.file, (Edit(span, relayhost(conf)),))


def alias_domain_declared(conf: Configuration, _options: Options) -> Mend | None:
    """Declare the domain that the base of the alias table spells.

    Other alias tables keep declaring their domains, as the default does.
    """
    domain = undeclared_domain(conf)
    setting = conf.setting("virtual_alias_maps")
    if domain is None or setting is None or conf.main is None:
        return None
    others = [
        f"{'proxy:' if use.proxied else ''}{use.reference}"
        for use in conf.tables_of("virtual_alias_maps")
        if use.kind != "ldap"
    ]
    line = f"virtual_alias_domains = {' '.join([*others, domain])}"
    return Mend(conf.main, (line_after(conf.main, setting.source, line),))


def version_three(conf: Configuration, _options: Options) -> Mend | None:
    """Write LDAP protocol version 3."""
    wanted = {(finding.file, finding.parameter) for finding in version(conf)}
    for file in conf.ldap_tables:
        if (file.name, file.full_name("version")) not in wanted or not file.settings:
            continue
        setting = file.last.get("version")
        if setting is None:
            line = file.advice("version = 3")
            return Mend(file, (line_after(file, file.settings[-1].source, line),))
        start = setting.source.text.find(setting.value, comments.value_start(setting))
        if start < 0:
            continue  # it comes from another parameter
        span = file.span(setting.source, start, start + len(setting.value))
        return Mend(file, (Edit(span, "3"),))
    return None


#: Comments first: behind them other values become what they were meant to be.
MENDERS: tuple[Mender, ...] = (
    comments_to_lines,
    unknown_to_comments,
    checks_before_permits,
    deliver_found,
    key_as_relayhost,
    alias_domain_declared,
    version_three,
)
