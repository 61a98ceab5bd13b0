"""What a schema is made of: attribute types, object classes, attribute descriptions (RFC 4512)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailldap.ldap.definitions import Definition
from mailldap.ldap.rules import MatchingRule

#: The attribute types whose values name object classes; OpenLDAP compares those by inheritance.
CLASS_ATTRIBUTES = frozenset({"2.5.4.0", "2.5.21.9"})


class ClassKind(StrEnum):
    """RFC 4512 §2.4."""

    ABSTRACT = "ABSTRACT"
    STRUCTURAL = "STRUCTURAL"
    AUXILIARY = "AUXILIARY"


@dataclass(frozen=True, slots=True, eq=False)
class AttributeType:
    """An attribute type with what it inherits filled in. ``superiors`` are OIDs, its own first."""

    oid: str
    names: tuple[str, ...]
    superiors: tuple[str, ...]
    syntax: str
    equality: MatchingRule | None
    ordering: MatchingRule | None
    substr: MatchingRule | None
    single_value: bool
    no_user_modification: bool
    operational: bool
    definition: Definition

    @property
    def name(self) -> str:
        """The canonical name: what OpenLDAP stores and answers."""
        return self.names[0] if self.names else self.oid

    @property
    def is_class_name(self) -> bool:
        """Whether values are names of object classes."""
        return self.oid in CLASS_ATTRIBUTES


@dataclass(frozen=True, slots=True, eq=False)
class ObjectClass:
    """An object class. ``must`` and ``may`` are attribute OIDs, its superclasses' included.

    ``superiors`` are the OIDs of the class itself and of all its superclasses.
    """

    oid: str
    names: tuple[str, ...]
    superiors: frozenset[str]
    kind: ClassKind
    must: tuple[str, ...]
    may: frozenset[str]
    obsolete: bool
    definition: Definition

    @property
    def name(self) -> str:
        """The canonical name."""
        return self.names[0] if self.names else self.oid


@dataclass(frozen=True, slots=True)
class Description:
    """An attribute description (RFC 4512 §2.5): a type, sorted tagging options, ";binary"."""

    type: AttributeType
    tags: tuple[str, ...] = ()
    binary: bool = False

    @property
    def name(self) -> str:
        """The description as OpenLDAP spells it."""
        options = sorted((*self.tags, "binary")) if self.binary else self.tags
        return ";".join((self.type.name, *options))

    @property
    def is_range(self) -> bool:
        """Whether an option ends in "-" and so means all that begin with it (never stored)."""
        return any(tag.endswith("-") for tag in self.tags)

    def covers(self, other: Description) -> bool:
        """Tell whether *other* is this description or a subtype of it (RFC 4512 §2.5.2)."""
        if self.type.oid not in other.type.superiors or (self.binary and not other.binary):
            return False
        return all(
            any(
                tag == own or (tag.endswith("-") and (own + "-").startswith(tag))
                for own in other.tags
            )
            for tag in self.tags
        )
