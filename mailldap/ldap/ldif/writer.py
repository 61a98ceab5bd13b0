"""Entries and changes as LDIF text (RFC 2849).

What is written is printable ASCII only, so that it can be shown on a terminal, mailed and
compared: control characters, which RFC 2849 would let through, go into base64 as well.
"""

from __future__ import annotations

import re
from binascii import b2a_base64

from mailldap.errors import BadData
from mailldap.ldap.change import Add, Change, Delete, Modify, Rename
from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif.lines import ATTRIBUTE, shown

#: The first lines of a file; not needed between records.
HEADER = "version: 1\n\n"

#: Columns of a line, RFC 2849 §2 note 10.
WIDTH = 76
#: SAFE-STRING of RFC 2849 less control characters, and without a space at its end (note 8).
_SAFE = re.compile(rb"(?:[!-9;=-~](?:[ -~]*[!-~])?)?")
#: Lines that need neither base64 nor folding. Nearly all entries are such, and one look at the
#: whole of them costs a third of a look at each value.
_PLAIN = re.compile(
    rb"(?:(?=.{1,76}(?:\n|\Z))[A-Za-z][A-Za-z0-9;-]*: [!-9;=-~](?:[ -~]*[!-~])?(?:\n|\Z))+"
)
_UNPRINTABLE = re.compile(r"[^ -~]")


def format_record(content: Entry | Change) -> str:
    """Return the LDIF of an entry or a change, ended by a blank line."""
    return format_entry(content) if isinstance(content, Entry) else format_change(content)


def format_entry(entry: Entry) -> str:
    """Return the content record of *entry*: ASCII, folded at 76 columns, a blank line at its end.

    Raises BadData when an attribute's name is none, which would let a value forge lines.
    """
    try:
        lines = [b"dn: " + entry.dn.encode("ascii")]
        for attribute, values in entry.attributes:
            prefix = attribute.encode("ascii") + b": "
            lines += [prefix + value for value in values]
    except UnicodeEncodeError:
        lines = []
    text = b"\n".join(lines)
    if _PLAIN.fullmatch(text) and text.count(b"\n") == len(lines) - 1:
        return text.decode("ascii") + "\n\n"
    return "".join([_dn(entry.dn), *_attributes(entry), "\n"])


def format_change(change: Change) -> str:
    """Return the change record of *change*, in the form of format_entry.

    Raises BadData as format_entry does.
    """
    lines = [_dn(change.dn)]
    match change:
        case Add(entry):
            lines += ["changetype: add\n", *_attributes(entry)]
        case Delete():
            lines.append("changetype: delete\n")
        case Modify(mods=mods):
            lines.append("changetype: modify\n")
            for mod in mods:
                name = attribute_name(mod.attribute)
                lines.append(_line(mod.op.value, mod.attribute.encode()))
                lines += [_line(name, value) for value in mod.values]
                lines.append("-\n")
        case Rename():
            lines.append("changetype: modrdn\n")
            lines.append(_line("newrdn", change.new_rdn.encode("utf-8", "surrogateescape")))
            lines.append(f"deleteoldrdn: {int(change.delete_old_rdn)}\n")
            if change.new_superior is not None:
                superior = change.new_superior.encode("utf-8", "surrogateescape")
                lines.append(_line("newsuperior", superior))
    return "".join([*lines, "\n"])


def format_comment(text: str) -> str:
    """Return *text* as comment lines; what is not printable ASCII is escaped as in Python."""
    return "".join(
        f"# {_UNPRINTABLE.sub(lambda m: m[0].encode('unicode_escape').decode(), line)}\n"
        for line in text.split("\n")
    )


def _attributes(entry: Entry) -> list[str]:
    return [
        _line(name, value)
        for attribute, values in entry.attributes
        for name in (attribute_name(attribute),)
        for value in values
    ]


_names: dict[str, str] = {}


def attribute_name(attribute: str) -> str:
    """Return the attribute description; raises BadData when it is none."""
    known = _names.get(attribute)
    if known is None:
        raw = attribute.encode("utf-8", "surrogateescape")
        if not ATTRIBUTE.fullmatch(raw):
            raise BadData(f"{shown(raw)} is not an attribute name")
        if len(_names) < 1000:
            _names[attribute] = attribute
        known = attribute
    return known


def _dn(dn: str) -> str:
    return _line("dn", dn.encode("utf-8", "surrogateescape"))


def _line(name: str, value: bytes) -> str:
    if _SAFE.fullmatch(value):
        line = f"{name}: {value.decode('ascii')}" if value else f"{name}:"
    else:
        line = f"{name}:: {b2a_base64(value, newline=False).decode('ascii')}"
    if len(line) <= WIDTH:
        return line + "\n"
    step = WIDTH - 1
    rest = [line[at : at + step] for at in range(WIDTH, len(line), step)]
    return "\n ".join([line[:WIDTH], *rest]) + "\n"
