"""LDIF, RFC 2849: content and change records, in and out.

Read: folded lines, base64, comments (folded ones too), ``version: 1``, LF and CRLF, a last line
without its newline, change records add, delete, modify, modrdn and moddn. Values fetched from
URLs (``:<``) are refused. Written: pure printable ASCII, folded at 76 columns.
"""

from mailldap.ldap.ldif.pages import PageFormat
from mailldap.ldap.ldif.reader import look_through, read_ldif
from mailldap.ldap.ldif.record import Record
from mailldap.ldap.ldif.writer import (
    HEADER,
    format_change,
    format_comment,
    format_entry,
    format_record,
)

__all__ = [
    "HEADER",
    "PageFormat",
    "Record",
    "format_change",
    "format_comment",
    "format_entry",
    "format_record",
    "look_through",
    "read_ldif",
]
