"""The entries of an LDIF file, each looked at when it is needed, and the text they came from.

The file is cut at blank lines; DNs are read at once, an entry's attributes when somebody asks,
and an attribute's index by its lines alone. What nobody changes is written back byte for byte.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable, Iterator

from mailldap.directory.index import Index
from mailldap.directory.tree import Attributes, Node, Tree, dn_forms, loaded_attributes
from mailldap.errors import ConfigError, DNError, LdifError
from mailldap.ldap.change import Add
from mailldap.ldap.dn import parse_rdn
from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif import format_entry, read_ldif
from mailldap.ldap.rules import RULES
from mailldap.ldap.schema import Schema
from mailldap.ldap.schema_check import comparison_key
from mailldap.ldap.schema_types import AttributeType

#: A line that is neither empty, comment, continuation nor begins with a name and a colon.
_BAD_LINE = re.compile(rb"\n(?![ #\n]|[A-Za-z0-9][A-Za-z0-9.;_-]*:|\Z)")
_CHANGETYPE = re.compile(
    rb"\n[cC][hH][aA][nN][gG][eE][tT][yY][pP][eE]:(?! *[aA][dD][dD] *(?:\n|\Z))"
)
#: What may stand in front of an entry's dn: blank lines, comments (folded too), the version.
_HEAD = re.compile(rb"(?:\n|(?:#[^\n]*(?:\n [^\n]*)*|version:[^\n]*)(?:\n|\Z))*", re.IGNORECASE)
_DN = re.compile(rb"dn:(:?) *([^\n]*(?:\n [^\n]*)*)(?:\n|\Z)", re.IGNORECASE)
_ENCODED_CLASS = re.compile(rb"\n(?:objectclass|2\.5\.4\.0)::")
_SAME, _RENAMED, _CHANGED = range(3)
#: Rules under which equal values consist of the same ASCII words but for case, if of ASCII at all.
_TEXT_RULES = frozenset(
    RULES[name]
    for name in ("caseignorematch", "caseexactmatch", "caseignoreia5match", "caseexactia5match")
)


class LdifNode(Node):
    """A node with its piece of the file; a new one has none yet."""

    __slots__ = ("state", "text")

    def __init__(
        self,
        number: int,
        key: str,
        rdn: str,
        superior: str,
        attributes: Attributes | None,
        text: bytes = b"",
    ) -> None:
        super().__init__(number, key, rdn, superior, attributes)
        self.text = text
        self.state = _SAME if text else _CHANGED


class LdifTree(Tree):
    """The tree of the LDIF in *data*; *name* is the file's, for messages.

    *base* is the suffix; None finds it: the DN above all entries. Raises LdifError with the line
    for text that is no LDIF, for a change record, and for a DN that occurs twice; a fault inside
    an entry is raised when the entry is looked at. Raises ConfigError for a file without entries
    when the base is not given.
    """

    def __init__(self, data: bytes, name: str, schema: Schema, base: str | None) -> None:
        super().__init__(schema)
        self.name = name
        #: Whether anything was added or changed since the file was read.
        self._touched = False
        self._named: dict[bytes, bool] = {}
        #: How often each attribute was looked up without an index.
        self._probes: dict[str, int] = {}
        self._wanted, self._fed = b"", 1
        self._reader = read_ldif(self._feed(), name)
        self._crlf = b"\r\n" in data
        if self._crlf:
            data = data.replace(b"\r\n", b"\n")
        self._data = data
        #: Pieces in file order: a node where an entry stands, bytes for what is none.
        self._pieces: list[LdifNode | bytes] = []
        if _BAD_LINE.match(b"\n" + data[:1000]) or _BAD_LINE.search(data):
            self._find_fault()
        change = _CHANGETYPE.search(data)
        if change:
            line = data.count(b"\n", 0, change.start() + 1) + 1
            reason = "a change record, where the file holds entries"
            raise LdifError(name, line, reason, hint="mailldap import ldif FILE applies changes")
        for text in data.split(b"\n\n"):
            self._take(text)
        self._touched = False
        self._set_base(base)

    def _find_fault(self) -> None:
        for _ in read_ldif([self._data], self.name):
            pass

    def _take(self, text: bytes) -> None:
        start = 0
        if not text.startswith(b"dn: "):
            head = _HEAD.match(text)
            start = head.end() if head else 0
            if start >= len(text):
                self._pieces.append(text)
                return
        spelled = self._dn_of(text, start)
        try:
            dn, key = dn_forms(spelled, self.schema)
        except DNError as error:
            raise self._error(text, f"dn: {error.message}") from error
        if key in self.nodes:
            first = self._line_of(self.nodes[key])
            raise self._error(text, f"a second entry of the DN {dn}, after the one in line {first}")
        rdn, _, superior = dn.partition(",")
        node = LdifNode(self.next_number, key, rdn, superior, None, text)
        self._pieces.append(node)
        self.add(node)

    def _dn_of(self, text: bytes, start: int) -> str:
        end = text.find(b"\n", start)
        raw: bytes
        if text.startswith(b"dn: ", start) and text[end + 1 : end + 2] != b" ":
            raw = text[start + 4 : end if end >= 0 else len(text)].lstrip(b" ")
        else:
            match = _DN.match(text, start)
            if not match:
                raise self._error(text, "an entry begins with dn:")
            raw = match[2].replace(b"\n ", b"")
            if match[1]:
                try:
                    raw = a2b_base64(raw, strict_mode=True)
                except Base64Error as error:
                    raise self._error(text, f"dn:: is not base64 ({error})") from error
        return raw.decode("utf-8", "surrogateescape")

    def _set_base(self, base: str | None) -> None:
        if base is not None:
            self.base_spelled, self.base = dn_forms(base, self.schema)
            return
        roots = [node for node in self.nodes.values() if self._is_root(node)]
        if not roots:
            raise ConfigError(
                "the file holds no entry from which the base could be known",
                file=self.name,
                hint="name the base (-b), or begin with: mailldap init --example",
            )
        common = _common_suffix([node.key for node in roots])
        self.base = common or roots[0].key
        spelled = self.spelled(roots[0])
        surplus = roots[0].key.count(",") - self.base.count(",")
        self.base_spelled = ",".join(spelled.split(",")[surplus:])

    def _is_root(self, node: Node) -> bool:
        above = node.key.partition(",")[2]
        while above:
            if above in self.nodes:
                return False
            above = above.partition(",")[2]
        return True

    def new_node(
        self, number: int, key: str, rdn: str, superior: str, attributes: Attributes
    ) -> Node:
        """Return a node that the file does not have yet."""
        return LdifNode(number, key, rdn, superior, attributes)

    def attributes(self, node: Node) -> Attributes:
        """Return the attributes, read from the file now if need be. Raises LdifError."""
        if node.attributes is None:
            assert isinstance(node, LdifNode)
            entry = self._parse(node)
            node.attributes = loaded_attributes(self.spelled(node), entry.attributes, self.schema)
        return node.attributes

    def _parse(self, node: LdifNode) -> Entry:
        # One reader for all entries, fed with the one that is wanted: it learns their names.
        self._wanted = node.text
        try:
            record = next(self._reader)
        except LdifError as error:
            self._reader = read_ldif(self._feed(), self.name)
            line = self._line_of(node) + error.line - self._fed
            raise LdifError(self.name, line, error.reason, hint=error.hint) from None
        content = record.content
        if isinstance(content, Add):
            content = content.entry
        assert isinstance(content, Entry)
        return content

    def _feed(self) -> Iterator[bytes]:
        self._fed = 1
        while True:
            text = self._wanted + b"\n\n"
            yield text
            self._fed += text.count(b"\n")

    def _line_of(self, node: Node) -> int:
        """Return the number of the line with which the node's piece begins."""
        line = 1
        for piece in self._pieces:
            if piece is node:
                break
            line += (piece if isinstance(piece, bytes) else piece.text).count(b"\n") + 2
        return line

    def _error(self, text: bytes, reason: str) -> LdifError:
        at = max(0, self._data.find(text))
        head = _HEAD.match(text)
        at += head.end() if head else 0
        return LdifError(self.name, self._data.count(b"\n", 0, at) + 1, reason)

    def set_attributes(self, node: Node, attributes: Attributes) -> None:
        """Give the node other attributes, which the file gets when it is written."""
        super().set_attributes(node, attributes)
        assert isinstance(node, LdifNode)
        node.state = _CHANGED
        self._touched = True

    def renamed(self, node: Node, below: Iterable[Node]) -> None:
        """Take note of new DNs: what is below keeps its text but for the line with the DN."""
        for moved in below:
            assert isinstance(moved, LdifNode)
            moved.state = max(moved.state, _CHANGED if moved is node else _RENAMED)

    def add(self, node: Node) -> None:
        """Put *node* in its place."""
        super().add(node)
        self._touched = True

    def of_class(self, name: bytes) -> frozenset[Node]:
        """Return the nodes of that class; without an index where the file does not name it."""
        if not self._touched and not self._may_hold(name):
            return frozenset()
        return super().of_class(name)

    def _may_hold(self, name: bytes) -> bool:
        known = self._named.get(name)
        if known is None:
            text = self._data.replace(b"\n ", b"").lower()
            known = (
                name in text and re.search(rb": *%b *(?:\n|\Z)" % name, text) is not None
            ) or _ENCODED_CLASS.search(text) is not None
            self._named[name] = known
        return known

    def lookup(self, attribute: AttributeType, key: bytes) -> list[Node]:
        """Return the nodes of that value; the first two times by looking through the text.

        That takes a tenth of the time of an index, which serves who asks again.
        """
        oid, words = attribute.oid, key.lower().split()
        if oid in self._indexes or self._probes.get(oid, 0) == 2 or not words:
            return super().lookup(attribute, key)
        types = self._types_of(attribute)
        if not key.isascii() or any(found.equality not in _TEXT_RULES for found in types.values()):
            return super().lookup(attribute, key)
        self._probes[oid] = self._probes.get(oid, 0) + 1
        names = b"|".join(re.escape(name).encode() for name in ("dn", *types))
        encoded = re.compile(
            rb"^(?:%b)(?:;[A-Za-z0-9;-]*)?::" % names, re.IGNORECASE | re.MULTILINE
        )
        return [
            node
            for node in self.nodes.values()
            if self._may_have(node, words, encoded) and key in self._keys(node, oid)
        ]

    def _may_have(self, node: Node, words: list[bytes], encoded: re.Pattern[bytes]) -> bool:
        """Tell whether a value made of *words* can be in the node's text, in whatever case."""
        assert isinstance(node, LdifNode)
        text = node.text
        if node.state != _SAME or b"\\" in text or not text.isascii():
            return True  # \ may hide a value in the DN
        if b"\n " in text:
            text = text.replace(b"\n ", b"")
        if b"::" in text and encoded.search(text):
            return True
        text = text.lower()
        return all(word in text for word in words)

    def _types_of(self, attribute: AttributeType) -> dict[str, AttributeType]:
        """Return *attribute* and its subtypes by all their names, in lower case."""
        return {
            name.lower(): found
            for found in self.schema.attribute_types
            if attribute.oid in found.superiors
            for name in (found.oid, *found.names)
        }

    def _build(self, attribute: AttributeType) -> Index:
        index = Index()
        types = self._types_of(attribute)
        names = b"|".join(re.escape(name).encode() for name in types)
        lines = re.compile(
            rb"^(%b)(?:;[A-Za-z0-9;-]*)?:(:?) *(.*)$" % names, re.IGNORECASE | re.MULTILINE
        )
        for node in self.nodes.values():
            if node.attributes is not None:
                self._enter(node, attribute.oid, index)
                continue
            assert isinstance(node, LdifNode)
            for key in self._raw_keys(node, lines, types):
                index.enter(key, node)
        return index

    def _raw_keys(
        self, node: LdifNode, lines: re.Pattern[bytes], types: dict[str, AttributeType]
    ) -> Iterator[bytes]:
        text = node.text
        if b"\n " in text:
            text = text.replace(b"\n ", b"")
        for name, encoded, value in lines.findall(text):
            raw = value
            if encoded:
                try:
                    raw = a2b_base64(value, strict_mode=True)
                except Base64Error:
                    self.attributes(node)  # raises, with the line
            yield comparison_key(types[name.decode().lower()], raw, self.schema)
        if "+" in node.rdn or node.rdn.partition("=")[0].lower() in types:
            for ava in parse_rdn(node.rdn).avas:
                found = types.get(ava.attribute.lower())
                if found is not None:
                    yield comparison_key(found, ava.value, self.schema)

    def render(self) -> bytes:
        """Return the file's new text, and take it for the present one.

        Unchanged entries, comments between entries and in front of one stay as they are; comments
        inside an entry go when the entry changes. New entries come last.
        """
        pieces: list[LdifNode | bytes] = []
        for piece in self._pieces:
            if isinstance(piece, LdifNode):
                if self.nodes.get(piece.key) is not piece:
                    continue
                self._settle(piece)
            pieces.append(piece)
        kept = {id(piece) for piece in pieces}
        for node in self.in_order():
            assert isinstance(node, LdifNode)
            if id(node) not in kept:
                self._settle(node)
                pieces.append(node)
        self._pieces = pieces
        texts = [piece if isinstance(piece, bytes) else piece.text for piece in pieces]
        while texts and not texts[-1].strip(b"\n"):
            texts.pop()
        # Text that stood at the end of the file may end in a newline of its own.
        data = b"\n\n".join(text.rstrip(b"\n") if text.strip() else text for text in texts)
        self._data = data + b"\n" if data else b""
        self._named.clear()
        return self._data.replace(b"\n", b"\r\n") if self._crlf else self._data

    def _settle(self, node: LdifNode) -> None:
        """Make the node's text true."""
        if node.state == _SAME:
            return
        head = _HEAD.match(node.text)
        start = head.end() if head else 0
        dn = self.spelled(node)
        if node.state == _RENAMED:
            line = _DN.match(node.text, start)
            assert line is not None
            new = format_entry(Entry(dn, ())).rstrip("\n").encode("ascii")
            rest = node.text[line.end() :]
            node.text = node.text[:start] + new + b"\n" + rest
        else:
            entry = Entry(dn, self.attributes(node))
            new = format_entry(entry).rstrip("\n").encode("ascii")
            node.text = node.text[:start] + new
        node.state = _SAME


def _common_suffix(keys: list[str]) -> str:
    common = keys[0].split(",")
    for key in keys[1:]:
        names = key.split(",")
        length = 0
        while length < min(len(names), len(common)) and names[-1 - length] == common[-1 - length]:
            length += 1
        common = common[len(common) - length :]
    return ",".join(common)
