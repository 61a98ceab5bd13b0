"""Schema definitions resolved: names found, and what is inherited filled in (RFC 4512 §4.1)."""

from __future__ import annotations

from mailldap.ldap import syntax
from mailldap.ldap.definitions import Definition
from mailldap.ldap.rules import RULES, MatchingRule
from mailldap.ldap.schema_types import AttributeType, ClassKind, ObjectClass


class Resolver:
    """Fills *attributes* and *classes*, by OID and names in lower case, from *definitions*.

    Raises SchemaError for a name that nothing or two things have, a syntax or matching rule that
    is not known, and for what is its own superior.
    """

    def __init__(
        self,
        definitions: dict[str, Definition],
        attributes: dict[str, AttributeType],
        classes: dict[str, ObjectClass],
    ) -> None:
        self._definitions = definitions
        self._attributes = attributes
        self._classes = classes
        self._by_name: dict[tuple[bool, str], Definition] = {}
        #: What is being resolved, to find circles.
        self._busy: set[str] = set()

    def resolve(self) -> None:
        """Do it."""
        for definition in self._definitions.values():
            for name in (definition.oid, *definition.names):
                key = (definition.is_class, name.lower())
                other = self._by_name.setdefault(key, definition)
                if other is not definition:
                    raise definition.error(f"the name {name} is already that of {other.oid}")
        for definition in self._definitions.values():
            if not definition.is_class:
                self._attribute(definition)
        for definition in self._definitions.values():
            if definition.is_class:
                self._class(definition)

    def _find(self, user: Definition, name: str, *, is_class: bool) -> Definition:
        found = self._by_name.get((is_class, name.lower()))
        if found is None:
            kind = "object class" if is_class else "attribute type"
            raise user.error(f"there is no {kind} {name}")
        return found

    def _attribute(self, definition: Definition) -> AttributeType:
        done = self._attributes.get(definition.oid)
        if done is not None:
            return done
        if definition.oid in self._busy:
            raise definition.error("it is its own superior")
        self._busy.add(definition.oid)
        superior = None
        if definition.superiors:
            name = definition.superiors[0]
            superior = self._attribute(self._find(definition, name, is_class=False))
        kind = definition.syntax or (superior.syntax if superior else "")
        if kind not in syntax.KNOWN:
            raise definition.error(f"syntax {kind or '(none)'} is not known")
        operational = definition.usage != "userApplications"
        done = AttributeType(
            oid=definition.oid,
            names=definition.names,
            superiors=(definition.oid, *(superior.superiors if superior else ())),
            syntax=kind,
            equality=self._rule(definition, "EQUALITY", superior.equality if superior else None),
            ordering=self._rule(definition, "ORDERING", superior.ordering if superior else None),
            substr=self._rule(definition, "SUBSTR", superior.substr if superior else None),
            single_value=definition.has("SINGLE-VALUE"),
            no_user_modification=definition.has("NO-USER-MODIFICATION"),
            operational=operational,
            definition=definition,
        )
        for name in (definition.oid, *definition.names):
            self._attributes[name.lower()] = done
        return done

    def _rule(
        self, definition: Definition, keyword: str, inherited: MatchingRule | None
    ) -> MatchingRule | None:
        name = definition.first(keyword)
        if name is None:
            return inherited
        rule = RULES.get(name.lower())
        if rule is None:
            raise definition.error(f"matching rule {name} is not known")
        return rule

    def _class(self, definition: Definition) -> ObjectClass:
        done = self._classes.get(definition.oid)
        if done is not None:
            return done
        if definition.oid in self._busy:
            raise definition.error("it is its own superclass")
        self._busy.add(definition.oid)
        superiors = [
            self._class(self._find(definition, name, is_class=True))
            for name in definition.superiors
        ]
        must = {self._oid(definition, name): None for name in definition.words("MUST")}
        may = {self._oid(definition, name) for name in definition.words("MAY")}
        for superior in superiors:
            must |= dict.fromkeys(superior.must)
            may |= superior.may
        kind = next((kind for kind in ClassKind if definition.has(kind)), ClassKind.STRUCTURAL)
        done = ObjectClass(
            oid=definition.oid,
            names=definition.names,
            superiors=frozenset({definition.oid}).union(*(s.superiors for s in superiors)),
            kind=kind,
            must=tuple(must),
            may=frozenset(may),
            obsolete=definition.has("OBSOLETE"),
            definition=definition,
        )
        for name in (definition.oid, *definition.names):
            self._classes[name.lower()] = done
        return done

    def _oid(self, definition: Definition, name: str) -> str:
        return self._find(definition, name, is_class=False).oid
