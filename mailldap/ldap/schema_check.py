"""Whether a directory would take an entry: OpenLDAP's checks, codes and words, in its order.

The first finding is what slapd would answer; the others are what it would say after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailldap.errors import DNError
from mailldap.ldap import syntax
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry
from mailldap.ldap.schema import Schema
from mailldap.ldap.schema_types import AttributeType, ClassKind, Description, ObjectClass

#: A result code of RFC 4511 appendix A, and slapd's words.
Finding = tuple[int, str]

_UNDEFINED_TYPE, _CONSTRAINT, _EXISTS, _BAD_SYNTAX, _BAD_DN = 17, 19, 20, 21, 34
_NAMING, _CLASS, _CLASS_CHANGE = 64, 65, 69
_OBJECT_CLASS = "2.5.4.0"
_TOP = "2.5.6.0"
#: Attributes that only entries of one class may have: its OID, and slapd's word for it.
_BOUND = {
    "2.5.4.1": ("2.5.6.1", "alias"),
    "2.16.840.1.113730.3.1.34": ("2.16.840.1.113730.3.2.6", "referral"),
    **dict.fromkeys(
        (
            *("1.3.6.1.4.1.1466.101.120." + str(number) for number in (5, 6, 7, 13, 14, 15)),
            *("1.3.6.1.4.1.4203.1.3.5", "1.3.6.1.1.4", "1.3.6.1.1.5"),
        ),
        ("", "root DSE"),
    ),
    **dict.fromkeys(
        ("2.5.18.6", *(f"2.5.21.{number}" for number in (1, 2, 4, 5, 6, 7, 8))),
        ("2.5.17.0", "subentry"),
    ),
}
EXTENSIBLE_OBJECT = "1.3.6.1.4.1.1466.101.120.111"


def check_entry(entry: Entry, schema: Schema) -> list[Finding]:
    """Return every fault of *entry*, slapd's first one first; an empty list where there is none.

    Values of the RDN that the entry lacks are no fault: slapd adds them.
    """
    return [
        *check_attributes(entry.attributes, schema, merge=True),
        *check_classes(with_naming_values(entry, schema), schema),
    ]


def check_attributes(
    attributes: Iterable[tuple[str, tuple[bytes, ...]]],
    schema: Schema,
    *,
    merge: bool = False,
    duplicates: bool = True,
) -> Iterator[Finding]:
    """Yield what is wrong with each attribute alone: its description, values and their number.

    With *merge* an attribute that is named twice is one, else the second mention is a fault.
    """
    seen: dict[str, list[bytes]] = {}
    for spelled, values in attributes:
        description = schema.describe(spelled)
        fault = check_description(spelled, description)
        if fault or description is None:
            yield fault or (_UNDEFINED_TYPE, f"{spelled}: attribute type undefined")
            continue
        attribute = description.type
        if (values and not _has_validator(attribute)) or any(
            not schema.valid(attribute, value) for value in values
        ):
            yield from _bad_values(spelled, attribute, values, schema)
            continue
        again = description.name in seen
        total = [*(seen.get(description.name, ()) if merge else ()), *values]
        seen[description.name] = total
        if attribute.single_value and len(total) > 1:
            yield _CONSTRAINT, f"{spelled}: multiple values provided"
            continue
        if duplicates and len(total) > 1:
            at = first_duplicate(attribute, total, schema)
            if at is not None:
                yield _EXISTS, f"{description.name}: value #{at} provided more than once"
                continue
        if again and not merge:
            yield _EXISTS, f"attribute '{description.name}' provided more than once"


def check_description(spelled: str, description: Description | None) -> Finding | None:
    """Return why an attribute of an update may not be named so, or None."""
    if description is None:
        return _UNDEFINED_TYPE, f"{spelled}: attribute type undefined"
    if description.type.syntax in syntax.TRANSFERRED_BINARY and not description.binary:
        return _UNDEFINED_TYPE, f"{spelled}: requires ;binary transfer"
    if description.is_range:
        return _UNDEFINED_TYPE, f"{spelled}: inappropriate use of tag range option"
    return None


def _has_validator(attribute: AttributeType) -> bool:
    kind = attribute.syntax
    return kind in syntax.VALIDATORS or kind in {
        syntax.DISTINGUISHED_NAME,
        syntax.NAME_AND_OPTIONAL_UID,
        syntax.RDN,
    }


def _bad_values(
    spelled: str, attribute: AttributeType, values: tuple[bytes, ...], schema: Schema
) -> Iterator[Finding]:
    if not _has_validator(attribute):
        yield _BAD_SYNTAX, f"{spelled}: no validator for syntax {attribute.syntax}"
        return
    for number, value in enumerate(values):
        if not schema.valid(attribute, value):
            yield _BAD_SYNTAX, f"{spelled}: value #{number} invalid per syntax"


def comparison_key(attribute: AttributeType, value: bytes, schema: Schema) -> bytes:
    """Return what tells two stored values apart: the equality key, or the value itself."""
    key = schema.key(attribute, value)
    return value if key is None else key


def first_duplicate(
    attribute: AttributeType, values: Iterable[bytes], schema: Schema
) -> int | None:
    """Return the number of the first value that equals an earlier one, or None."""
    seen: set[bytes] = set()
    for number, value in enumerate(values):
        key = comparison_key(attribute, value, schema)
        if key in seen:
            return number
        seen.add(key)
    return None


def check_classes(entry: Entry, schema: Schema, *, was: str | None = None) -> Iterator[Finding]:
    """Yield what is wrong with the entry as a whole; its attributes are taken to be valid alone.

    *was* is the structural class before the change that is being checked: it cannot change.
    """
    types: list[AttributeType] = []
    for spelled, values in entry.attributes:
        description = schema.describe(spelled)
        if description is None:
            continue
        types.append(description.type)
        kind = _BOUND.get(description.type.oid)
        if kind and not _is_of_class(entry, kind[0], schema):
            yield _CLASS, f'attribute "{description.name}" only allowed in the {kind[1]}'
        if description.type.single_value and len(values) > 1:
            yield _CONSTRAINT, f"attribute '{description.name}' cannot have multiple values"
    present = {attribute.oid for attribute in types}
    if _OBJECT_CLASS not in present:
        yield _CLASS, "no objectClass attribute"
        return
    named = entry.texts("objectClass")
    found = [schema.object_class(name) for name in named]
    classes = [oc for oc in found if oc is not None]
    if len(classes) < len(found):
        for name, oc in zip(named, found, strict=True):
            if oc is None:
                yield _CLASS, f"unrecognized objectClass '{name}'"
        return
    structural, fault = structural_class(classes)
    if structural is None:
        yield _CLASS, fault
        return
    if was is not None and structural is not schema.object_class(was):
        yield (
            _CLASS_CHANGE,
            f"structural object class modification from '{was}' to '{structural.name}' not allowed",
        )
        return
    missing, naming_fault = check_naming(entry, schema)
    if naming_fault:
        yield naming_fault
    for name, _ in missing:
        what = f"value of naming attribute '{name}'"
        if name not in entry:
            what = f"naming attribute '{name}'"
        yield _NAMING, f"{what} is not present in entry"
    yield from _check_contents(types, classes, structural, schema)


def _is_of_class(entry: Entry, oid: str, schema: Schema) -> bool:
    classes = map(schema.object_class, entry.texts("objectClass"))
    return any(found is not None and found.oid == oid for found in classes)


def _check_contents(
    types: list[AttributeType], classes: list[ObjectClass], structural: ObjectClass, schema: Schema
) -> Iterator[Finding]:
    present = {attribute.oid for attribute in types}
    for oc in classes:
        if oc.obsolete:
            yield _CLASS, f"objectClass '{oc.name}' is OBSOLETE"
        if oc.kind is ClassKind.ABSTRACT:
            if not _may_be_listed(oc, classes, structural):
                yield (
                    _CLASS,
                    f"instantiation of abstract objectClass '{oc.name}' not allowed",
                )
        elif oc.kind is ClassKind.AUXILIARY or oc is structural:
            for oid in oc.must:
                if oid not in present:
                    needed = schema.attribute(oid)
                    name = needed.name if needed else oid
                    yield _CLASS, f"object class '{oc.name}' requires attribute '{name}'"
    if any(oc.oid == EXTENSIBLE_OBJECT for oc in classes):
        return
    allowed = {_OBJECT_CLASS, *structural.must, *structural.may}
    for oc in classes:
        if oc.kind is ClassKind.AUXILIARY:
            allowed.update(oc.must, oc.may)
    for attribute in types:
        if not attribute.operational and attribute.oid not in allowed:
            yield _CLASS, f"attribute '{attribute.name}' not allowed"


def _may_be_listed(
    abstract: ObjectClass, classes: list[ObjectClass], structural: ObjectClass
) -> bool:
    """Tell whether *abstract* is there as a superclass of another class of the entry."""
    if abstract.oid == _TOP or abstract.oid in structural.superiors:
        return True
    others = [oc for oc in classes if oc is not abstract]
    return not others or any(
        oc.kind is ClassKind.AUXILIARY and abstract.oid in oc.superiors for oc in others
    )


def structural_class(classes: list[ObjectClass]) -> tuple[ObjectClass | None, str]:
    """Return the structural class that *classes* amount to, or None and slapd's reason."""
    chosen: ObjectClass | None = None
    for at, oc in enumerate(classes):
        if oc.kind is not ClassKind.STRUCTURAL:
            continue
        if chosen is None or chosen.oid in oc.superiors:
            chosen = oc
        elif oc.oid not in chosen.superiors and not any(
            {chosen.oid, oc.oid} <= later.superiors
            for later in classes[at + 1 :]
            if later.kind is ClassKind.STRUCTURAL
        ):
            reason = f"invalid structural object class chain ({chosen.name}/{oc.name})"
            return None, reason
    if chosen is None:
        return None, "no structural object class provided"
    return chosen, ""


def structural_class_of(entry: Entry, schema: Schema) -> str | None:
    """Return the canonical name of the entry's structural class, None where it has none."""
    classes = [schema.object_class(name) for name in entry.texts("objectClass")]
    chosen, _ = structural_class([oc for oc in classes if oc is not None])
    return chosen.name if chosen else None


def check_naming(entry: Entry, schema: Schema) -> tuple[list[tuple[str, bytes]], Finding | None]:
    """Return the RDN's values that the entry lacks, and what forbids such an RDN at all.

    slapd adds the missing values when an entry is added, and refuses (64) to change an entry so
    that they are missing.
    """
    missing: list[tuple[str, bytes]] = []
    try:
        dn = DN.parse(entry.dn)
    except DNError:
        return missing, (_BAD_DN, "unrecognized attribute type(s) in RDN")
    if not dn.rdns:
        return missing, None
    for ava in dn.rdns[0].avas:
        description = schema.describe(ava.attribute)
        if description is None:
            return missing, (_UNDEFINED_TYPE, "attribute type undefined (in RDN)")
        attribute = description.type
        name = ava.attribute
        if attribute.operational:
            return missing, (_NAMING, f"naming attribute '{name}' is operational")
        if attribute.equality is None:
            return missing, (_NAMING, f"naming attribute '{name}' has no equality matching rule")
        if attribute.equality.normalize is None:
            return missing, (
                _NAMING,
                f"naming attribute '{name}' has unsupported equality matching rule",
            )
        key = comparison_key(attribute, ava.value, schema)
        values = entry.values(description.name)
        if any(comparison_key(attribute, value, schema) == key for value in values):
            continue
        if values and attribute.single_value:
            reason = "conflicts with value present in entry"
            return missing, (
                _NAMING,
                f"value of single-valued naming attribute '{name}' {reason}",
            )
        missing.append((description.name, ava.value))
    return missing, None


def with_naming_values(entry: Entry, schema: Schema) -> Entry:
    """Return *entry* with the values of its RDN, which slapd adds where they are not given."""
    missing, _ = check_naming(entry, schema)
    if not missing:
        return entry
    attributes = dict(entry.attributes)
    for name, value in missing:
        attributes[name] = (*attributes.get(name, ()), value)
    return Entry(entry.dn, tuple(attributes.items()))
