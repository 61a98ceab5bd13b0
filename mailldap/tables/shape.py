"""The usual form of an LDAP table, in which many keys can be asked at once."""

from __future__ import annotations

from dataclasses import dataclass

from mailldap.errors import FilterError
from mailldap.ldap.filter import And, Equality, Filter, Or, parse_libldap
from mailldap.tables.ldap_config import LdapConfig
from mailldap.tables.template import Template


@dataclass(frozen=True, slots=True)
class Shape:
    """A query_filter as (&(constant)…(|(attribute=template)…)), templates one an attribute."""

    constants: tuple[Filter, ...]
    attributes: tuple[str, ...]
    templates: tuple[Template, ...]


def is_plain(config: LdapConfig, shape: Shape) -> bool:
    """Tell whether the table inserts keys whole and gives values as they are."""
    attributes = config.attributes
    return (
        all(len(t.parts) == 1 and t.parts[0] in {("s",), ("S",)} for t in shape.templates)
        and not config.search_base.dynamic
        and config.result_format.text == "%s"
        and not (config.templates.key_domain or config.templates.key_user)
        and not (attributes.terminal or attributes.leaf or attributes.special)
        and config.expansion_limit <= 0
    )


def shape_of(config: LdapConfig) -> Shape | None:
    """Return the form of the query_filter, None where it is not the usual one.

    Each directive becomes a mark of two private characters around its letter; the filter with the
    marks is then read as any other.
    """
    template = config.query_filter
    if "\ue000" in template.text or not template.dynamic:
        return None
    text = "".join(
        part if isinstance(part, str) else f"\ue000{part[0]}\ue001" for part in template.parts
    )
    try:
        whole = parse_libldap(text)
    except FilterError:
        return None
    parts = whole.filters if isinstance(whole, And) else (whole,)
    constants = tuple(part for part in parts if not _marked(part))
    dynamic = [part for part in parts if _marked(part)]
    if len(dynamic) != 1:
        return None
    items = dynamic[0].filters if isinstance(dynamic[0], Or) else (dynamic[0],)
    attributes: list[str] = []
    templates: list[Template] = []
    for item in items:
        if not isinstance(item, Equality) or not _marked(item) or "\ue000" in item.attribute:
            return None
        attributes.append(item.attribute)
        templates.append(_template(item.value))
    return Shape(constants, tuple(attributes), tuple(templates))


def _marked(part: Filter) -> bool:
    return "\ue000" in repr(part) or "\\xee\\x80\\x80" in repr(part)


def _template(value: bytes) -> Template:
    """Return the template behind a value with marks."""
    parts: list[str | tuple[str]] = []
    for piece in value.decode("utf-8", "surrogateescape").split("\ue000"):
        letter, mark, rest = piece.partition("\ue001")
        if mark:
            parts.append((letter,))
        else:
            rest = letter
        if rest:
            parts.append(rest)
    return Template("", tuple(parts), dynamic=True)
