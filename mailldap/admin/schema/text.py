"""The schema as the text that servers load."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif import read_ldif

_DATA = Path(__file__).parents[2] / "data"


class Form(StrEnum):
    """How slapd takes a schema: ``include`` of slapd.conf(5), or an entry of cn=config."""

    SCHEMA = "schema"
    LDIF = "ldif"


class Edition(StrEnum):
    """Which of our two schemas: the official definitions, or those that fit beside misc.schema."""

    FULL = "mailrecipient"
    MISC = "mailrecipient-misc"


_FILES = {
    Edition.FULL: _DATA / "mailrecipient.schema",
    Edition.MISC: _DATA / "variants" / "mailrecipient-misc.schema",
}
_KEYWORDS = {"attributetype ": "olcAttributeTypes: ", "objectclass ": "olcObjectClasses: "}


@lru_cache
def schema_text(form: Form = Form.SCHEMA, edition: Edition = Edition.FULL) -> str:
    """Return the schema with its comments, in the form of a file.

    The LDIF form adds ``cn=NAME,cn=schema,cn=config``; it is what `slapadd -n 0` and, over
    ldapi, `ldapadd -Y EXTERNAL` take.
    """
    text = _FILES[edition].read_text("utf-8")
    return text if form is Form.SCHEMA else _ldif(text, edition.value)


def schema_entry(edition: Edition = Edition.FULL) -> Entry:
    """Return the schema as the entry below cn=schema,cn=config that the LDIF form holds."""
    text = schema_text(Form.LDIF, edition).encode()
    for record in read_ldif([text], edition.value):
        if isinstance(record.content, Entry):
            return record.content
    raise AssertionError(edition)


def _ldif(text: str, name: str) -> str:
    """Return a .schema text as LDIF: definitions become values, their further lines folded ones."""
    preface, _, definitions = text.partition("\n\n")
    lines = [
        preface,
        "",
        f"dn: cn={name},cn=schema,cn=config",
        "objectClass: olcSchemaConfig",
        f"cn: {name}",
    ]
    for line in definitions.splitlines():
        keyword = next((word for word in _KEYWORDS if line.startswith(word)), None)
        if keyword:
            lines.append(_KEYWORDS[keyword] + line.removeprefix(keyword))
        else:
            # Between the values of an entry there is no blank line.
            lines.append(line or "#")
    return "\n".join(lines) + "\n"
