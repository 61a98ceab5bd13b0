"""Comments behind a value: Postfix has none, and takes the words for part of the value.

postconf(5), DESCRIPTION: ``#`` begins a comment only as the first character of a line that is
not white space. What the words do depends on the type of the parameter that swallows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailldap.audit.configuration import Configuration
from mailldap.audit.finding import Finding, Severity
from mailldap.audit.source import SourceFile
from mailldap.postfix.generate.seal import seal_state
from mailldap.postfix.lines import LogicalLine
from mailldap.postfix.main_cf import Setting
from mailldap.postfix.parameters import MACHINE_DEPENDENT, default_of
from mailldap.postfix.words import SPACE

CODE = "inline-comment"
FIX = "put the comment on a line of its own, beginning with #"

#: Parameters of free text, in which a # may be meant.
_TEXT = re.compile(
    r"smtpd_banner|mail_name|.*_command|.*_footer|.*_reply|.*_text|debugger_command"
    r"|export_environment|import_environment|syslog_name|.*_banner|.*_program|bounce_.*|luser_relay"
)
_TLS_LEVEL = {"smtp_tls_security_level", "lmtp_tls_security_level", "smtpd_tls_security_level"}
_FILE = re.compile(r".*_(file|CAfile|CApath|directory|files|path|dir)")
#: Defaults of times and of numbers; some depend on stress.
_TIME = re.compile(r"(\d+|\$\{stress.*\})[smhdw]")
_NUMBER = re.compile(r"-?\d+|\$\{stress.*\}")
#: Parameters that hold a DN, and the sign that one goes on (RFC 4514): ``, attribute=``.
_DN = re.compile(r"(\w+_)?(bind_dn|search_base)\s*=")
_MORE_DN = re.compile(r",\s*[A-Za-z][A-Za-z0-9.-]*\s*=")
_DOMAINS = {"mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains",
            "mynetworks"}  # fmt: skip

#: What each LDAP parameter does with the words (ldap_table(5); found with postmap -q).
_LDAP_EFFECTS: dict[str, tuple[Severity, str]] = {
    "scope": ("warning", "Postfix warns and searches the whole subtree"),
    "result_attribute": ("warning", "the words become further attributes to look for"),
    "server_host": ("error", "the words become further servers"),
    "query_filter": ("error", "the filter is no longer one, and every lookup fails: 451"),
    "search_base": ("error", "the base does not exist, and every lookup fails: 451"),
    "domain": ("error", "the rest of the list is ignored"),
    "bind_dn": ("error", "no such identity exists, and every lookup fails: 451"),
    "bind_pw": ("warning", "the words are taken for part of the password"),
}
_LDAP_FATAL = {
    "bind", "version", "timeout", "size_limit", "expansion_limit", "recursion_limit",
    "dereference", "chase_referrals", "start_tls", "tls_require_cert", "server_port",
    "debuglevel",
}  # fmt: skip


#: What the words mean in text tables of these parameters.
_TEXT_TABLES = {
    "virtual_alias_maps": "each word becomes a further recipient of the mail",
    "smtpd_sender_login_maps": "each word becomes a further login that may send as this address",
}


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment behind a value: on physical line ``line``, from character ``start`` of the text."""

    line: int
    start: int


def comments_in(file: SourceFile, line: LogicalLine, begin: int) -> Iterator[Comment]:
    """Yield the comments among the characters of *line* from *begin* on.

    A ``#`` inside braces, parentheses or double quotes is taken for what it says, and so is one
    in the middle of a DN. What mailldap has generated is meant as it is.
    """
    if seal_state(file.content) == "intact":
        return
    depth, quoted, offset = 0, False, begin
    text = line.text
    while offset < len(text):
        character = text[offset]
        if character == '"':
            quoted = not quoted
        elif character in "{(":
            depth += 1
        elif character in "})":
            depth = max(0, depth - 1)
        elif (
            character == "#"
            and not depth
            and not quoted
            and text[offset - 1] in SPACE + ",="
            and not (_DN.match(text) and _MORE_DN.search(text, offset))
        ):
            number = file.line_at(line, offset)
            start = file.place(line, offset)
            yield Comment(number, start)
            # The next physical line may go on with the value.
            offset += file.starts[number] - start
            offset -= 1 if file.text[file.starts[number] - 1] == "\n" else 0
            continue
        offset += 1


def value_start(setting: Setting) -> int:
    """Return where in its logical line the value of a setting begins."""
    return setting.source.text.index("=") + 1


def comments_of_main(conf: Configuration) -> Iterator[Finding]:
    """Find inline comments in main.cf."""
    if conf.main is None:
        return
    for setting in conf.main.settings:
        for severity, effect, comment in _commented(conf.main, setting):
            yield _finding(conf.main, setting.name, comment.line, severity, effect)


def _commented(file: SourceFile, setting: Setting) -> Iterator[tuple[Severity, str, Comment]]:
    effect = _effect_in_main(setting.name, setting.value)
    if effect is None:
        return
    for comment in comments_in(file, setting.source, value_start(setting)):
        yield *effect, comment


def comments_of_ldap(conf: Configuration) -> Iterator[Finding]:
    """Find inline comments in LDAP tables."""
    for file in conf.ldap_tables:
        for setting in file.settings:
            effect = _effect_in_ldap(setting.name)
            if effect is None:
                continue
            for comment in comments_in(file, setting.source, value_start(setting)):
                yield _finding(file, file.full_name(setting.name), comment.line, *effect)


def comments_of_master(conf: Configuration) -> Iterator[Finding]:
    """Find inline comments in master.cf."""
    for service in conf.services:
        effect = (
            "the words become arguments of the program"
            if service.command == "pipe"
            else "the program does not know the words and dies at start"
        )
        for comment in comments_in(service.file, service.source, 1):
            yield _finding(service.file, service.name, comment.line, "error", effect)


def comments_of_text_tables(conf: Configuration) -> Iterator[Finding]:
    """Find inline comments in text tables of aliases and owners, where they become addresses."""
    for name, effect in _TEXT_TABLES.items():
        for file in text_tables(conf, name):
            for line in file.lines:
                for comment in comments_in(file, line, 1):
                    yield _finding(file, name, comment.line, "error", effect)


def text_tables(conf: Configuration, *names: str) -> list[SourceFile]:
    """Return the text tables of aliases and owners (or of the parameters *names*) that are here."""
    found = (
        conf.read(conf.locate(use.path))
        for name in names or _TEXT_TABLES
        for use in conf.tables_of(name)
        if use.kind not in {"ldap", "regexp", "pcre", "cidr"}
    )
    return [file for file in found if file]


def _finding(file: SourceFile, name: str, line: int, severity: Severity, effect: str) -> Finding:
    message = f"a comment behind a value is part of the value: {effect}"
    return Finding(CODE, severity, file.name, line, name, message, FIX)


def _effect_in_ldap(name: str) -> tuple[Severity, str] | None:
    if name in _LDAP_FATAL:
        return "error", "the value is refused, and every program that opens the table dies"
    if name.startswith("tls_"):
        return "error", "there is no such file or setting, and no TLS connection is made"
    return _LDAP_EFFECTS.get(name)


def _effect_in_main(name: str, value: str) -> tuple[Severity, str] | None:  # noqa: PLR0911  a table of types
    if name in _TLS_LEVEL:
        program = name.partition("_")[0]
        stuck = (
            "clients get a connection and no banner"
            if program == "smtpd"
            else "all outbound mail stays in the queue"
        )
        return "error", f"every {program} process dies of an invalid TLS level; {stuck}"
    if name.endswith("_tls_CAfile"):
        return "error", (
            "there is no such file and TLS is switched off; with a level of may the password can"
            " then leave in clear text"
        )
    if name in {"myhostname", "mydomain"}:
        return "error", "it is no host name, and every program dies"
    default = "" if name in MACHINE_DEPENDENT else default_of(name)
    if default is None or _TEXT.fullmatch(name):
        return None
    if default in {"yes", "no"}:
        return "error", "it is neither yes nor no, and every program that reads it dies"
    if _TIME.fullmatch(default) and re.match(r"\d+[smhdw]", value):
        return None  # of a time Postfix reads the number and the unit only
    if _TIME.fullmatch(default) or _NUMBER.fullmatch(default):
        return "error", "it is no number, and every program that reads it dies"
    if _FILE.fullmatch(name):
        return "error", "there is no file of that name"
    if name in _DOMAINS:
        return "error", "Postfix warns and ignores the rest of the list"
    if name == "relayhost":
        return "error", "the words become further destinations, and smtp dies when the first fails"
    if name.endswith("_restrictions"):
        return (
            "error",
            "a word is no restriction: 451 Server configuration error for whoever gets that far",
        )
    if name.endswith("_maps"):
        return "error", "a word is no table, and every program that opens the list dies"
    return "error", "the words are part of it"
