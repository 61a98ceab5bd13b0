"""The grammar of one LDIF record, with every fault named (RFC 2849).

The last ``-`` of a modify record may be missing, as the OpenLDAP tools allow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailldap.errors import DNError, LdifError
from mailldap.ldap.change import Add, Change, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif.lines import ATTRIBUTE, RESERVED, Fault, Line, Names, logical_lines, shown

_CONTROL = re.compile(rb"([0-9]+(?:\.[0-9]+)*)(?: +(true|false))?(?: *::?.*)?", re.IGNORECASE)
_OPERATIONS = {op.value: op for op in ModOp}

#: Controls that only ask for more in the response: leaving out a non-critical one of these
#: changes nothing that is stored (RFC 4527 §3; RFC 3296 §3 for ManageDsaIT on plain entries).
_HARMLESS = frozenset({b"1.3.6.1.1.13.1", b"1.3.6.1.1.13.2", b"2.16.840.1.113730.3.4.2"})


@dataclass(frozen=True, slots=True)
class Record:
    """One record: an entry, or a change.

    ``line`` is the number of its ``dn:`` line, from 1. A content record (one without
    ``changetype:``) is an Entry; ``changetype: add`` is an Add.
    """

    line: int
    content: Entry | Change


def parse_record(
    text: bytes, line: int, file: str, names: Names
) -> tuple[Record | None, list[LdifError]]:
    """Return the record that *text* spells and the faults; there is no record with a fault.

    *text* has no blank line, LF for newlines, and starts at line *line* of *file*. Both parts
    are empty for a paragraph of comments or of the version alone.
    """
    faults: list[Fault] = []
    lines = logical_lines(text, line, names, faults)
    content: Entry | Change | None = None
    start = line
    if lines and lines[0].word == "version":
        _check_version(lines.pop(0), faults)
    if lines:
        start = lines[0].number
        content = _content(lines, faults)
    errors = [
        LdifError(file, fault.line, fault.reason, hint=fault.hint)
        for fault in sorted(faults, key=lambda fault: fault.line)
    ]
    return (None if errors or content is None else Record(start, content)), errors


def _check_version(line: Line, faults: list[Fault]) -> None:
    if line.value != b"1":
        faults.append(Fault(line.number, f"LDIF version {shown(line.value)}; only 1 is known"))


def _content(lines: list[Line], faults: list[Fault]) -> Entry | Change | None:
    try:
        dn = _dn(lines[0])
    except Fault as fault:
        faults.append(fault)
        dn = ""
    start = lines[0].number
    rest = lines[1:] if lines[0].word in ("dn", "") else list(lines)
    while rest and rest[0].word == "control":
        _check_control(rest.pop(0), faults)
    try:
        if rest and rest[0].word == "changetype":
            return _change(dn, rest[0], rest[1:], faults)
        return _entry(dn, rest, start, faults)
    except Fault as fault:
        faults.append(fault)
        return None


def _dn(line: Line) -> str:
    if line.word == "":
        return ""  # its own fault is told already
    if line.word != "dn":
        hint = "a record starts with 'dn: …' and ends with a blank line"
        if line.word in ("search", "result", "ref"):
            hint = "this is what ldapsearch adds to its output unless called with -LLL"
        raise Fault(line.number, f"{line.name}: before any dn:", hint)
    text = line.text()
    try:
        if text:
            DN.parse(text)
    except DNError as error:
        raise Fault(line.number, f"dn: {error.message}", error.hint) from None
    return text


def _check_control(line: Line, faults: list[Fault]) -> None:
    match = _CONTROL.fullmatch(line.value)
    if not match:
        faults.append(
            Fault(line.number, f"control: {shown(line.value)} is not 'OID [true|false][: value]'")
        )
    elif (match[2] or b"").lower() == b"true" or match[1] not in _HARMLESS:
        faults.append(
            Fault(
                line.number,
                f"control {match[1].decode()} is not supported in LDIF",
                "take the line out if the change is right without it, or use ldapmodify",
            )
        )


def _entry(dn: str, lines: list[Line], start: int, faults: list[Fault]) -> Entry:
    if not lines:
        raise Fault(start, "the entry has no attributes")
    spelled: dict[str, str] = {}
    values: dict[str, list[bytes]] = {}
    for line in lines:
        word = line.word
        if line.bare or word in RESERVED:
            faults.append(_misplaced(line))
        elif word:
            spelled.setdefault(word, line.name)
            values.setdefault(word, []).append(line.value)
    return Entry(dn, tuple((spelled[word], tuple(given)) for word, given in values.items()))


def _misplaced(line: Line) -> Fault:
    if line.bare:
        return Fault(line.number, "'-' outside a changetype: modify record")
    if line.word == "dn":
        return Fault(
            line.number,
            "dn: inside a record",
            "a blank line must stand before it; a line of spaces is not blank, "
            "it continues the line before",
        )
    where = {
        "changetype": "changetype: stands right after dn:",
        "control": "control: stands between dn: and changetype:",
        "version": "version: stands at the top of the file",
    }[line.word]
    return Fault(line.number, f"{line.name}: out of place", where)


def _change(dn: str, kind: Line, lines: list[Line], faults: list[Fault]) -> Change | None:
    word = kind.text().rstrip(" ").lower()
    if word == "add":
        return Add(_entry(dn, lines, kind.number, faults))
    if word == "delete":
        if lines:
            raise Fault(lines[0].number, "a changetype: delete record ends after that line")
        return Delete(dn)
    if word == "modify":
        return Modify(dn, _modifications(lines, kind.number, faults))
    if word in ("modrdn", "moddn"):
        return _rename(dn, lines, kind.number, faults)
    raise Fault(
        kind.number,
        f"changetype: {shown(kind.value)} is not add, delete, modify, modrdn or moddn",
    )


def _modifications(lines: list[Line], start: int, faults: list[Fault]) -> tuple[Mod, ...]:
    if not lines:
        raise Fault(start, "the modify record changes nothing")
    mods: list[Mod] = []
    group: list[Line] = []
    for line in [*lines, Line(0, "-", b"", bare=True)]:
        if not line.bare:
            group.append(line)
            continue
        if group:
            mods.extend(_modification(group, faults))
        elif line.number:
            faults.append(Fault(line.number, "'-' ends a modification, and none was begun"))
        group = []
    return tuple(mods)


def _modification(group: list[Line], faults: list[Fault]) -> list[Mod]:
    head, *rest = group
    op = _OPERATIONS.get(head.word)
    if op is None:
        if head.word:
            faults.append(
                Fault(
                    head.number,
                    f"{head.name}: where add:, delete: or replace: should be",
                    "each modification starts with one of them and ends with a line '-'",
                )
            )
        return []
    if not ATTRIBUTE.fullmatch(head.value):
        faults.append(Fault(head.number, f"{shown(head.value)} is not an attribute name"))
        return []
    attribute = head.value.decode("ascii")
    faults.extend(
        Fault(
            line.number,
            f"{line.name}: in a modification of {attribute}",
            "a line '-' must stand between two modifications",
        )
        for line in rest
        if line.word not in (attribute.lower(), "")
    )
    if op is ModOp.ADD and not rest:
        faults.append(Fault(head.number, f"add: {attribute} without a value to add"))
    return [Mod(op, attribute, tuple(line.value for line in rest))]


def _rename(dn: str, lines: list[Line], start: int, faults: list[Fault]) -> Rename | None:
    given: dict[str, Line] = {}
    for line in lines:
        if line.word not in ("newrdn", "deleteoldrdn", "newsuperior", ""):
            faults.append(Fault(line.number, f"{line.name}: in a record that renames"))
        elif line.word in given:
            faults.append(Fault(line.number, f"a second {line.name}:"))
        given[line.word] = line
    faults.extend(
        Fault(start, f"the record renames and has no {word}:")
        for word in ("newrdn", "deleteoldrdn")
        if word not in given and "" not in given
    )
    if "newrdn" not in given or "deleteoldrdn" not in given:
        return None
    new_rdn = _name(given["newrdn"], faults)
    if new_rdn is not None and len(new_rdn) != 1:
        faults.append(Fault(given["newrdn"].number, "newrdn: must be one level of a DN"))
    flag = given["deleteoldrdn"]
    if flag.value not in (b"0", b"1"):
        faults.append(Fault(flag.number, f"deleteoldrdn: {shown(flag.value)} is neither 0 nor 1"))
    superior = given.get("newsuperior")
    if superior:
        _name(superior, faults)
    return Rename(
        dn,
        given["newrdn"].value.decode("utf-8", "replace"),
        flag.value == b"1",
        superior.value.decode("utf-8", "replace") if superior else None,
    )


def _name(line: Line, faults: list[Fault]) -> DN | None:
    try:
        return DN.parse(line.text())
    except DNError as error:
        faults.append(Fault(line.number, f"{line.name}: {error.message}", error.hint))
    except Fault as fault:
        faults.append(fault)
    return None
