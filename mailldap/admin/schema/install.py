"""The schema into a running OpenLDAP, through cn=config.

389 Directory Server has it built in, the embedded directory as well. cn=config lets in whoever
its olcAccess names: by custom root on the server's machine, over ldapi:/// with -Y EXTERNAL.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailldap.admin.protocol import Server
from mailldap.admin.schema.check import (
    SchemaReport,
    State,
    Variant,
    check_schema,
    official,
    relevant,
)
from mailldap.admin.schema.text import Edition, schema_entry
from mailldap.directory.base import Reader, Scope, Writer
from mailldap.errors import LdapRefusal, Negative
from mailldap.ldap.change import Add, Change, Mod, Modify, ModOp
from mailldap.ldap.definitions import Definition
from mailldap.ldap.entry import Entry

_CONFIG = "cn=schema,cn=config"
_AS_ROOT = "run it on the server's machine as root, with -H ldapi:/// -Y EXTERNAL"
_DENIED = frozenset({32, 50, 53})
#: The rules that fit a syntax without saying anything new about it: those of our own schema.
_RULES = {
    "1.3.6.1.4.1.1466.115.121.1.15": ("caseIgnoreMatch", "caseIgnoreSubstringsMatch"),
    "1.3.6.1.4.1.1466.115.121.1.26": ("caseIgnoreIA5Match", "caseIgnoreIA5SubstringsMatch"),
}


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """What would make the schema complete: no changes when it is there already."""

    report: SchemaReport
    changes: tuple[Change, ...]
    text: str

    @property
    def needed(self) -> bool:
        """True when there is something to do."""
        return bool(self.changes)


def plan_install(reader: Reader, edition: Edition | None = None) -> InstallPlan:
    """Return what :func:`install_schema` would do; nothing is written.

    *edition* None takes the one that fits: MISC where misc.schema is loaded, else FULL. Raises
    Negative when the server has definitions that clash, naming them; LdapRefusal when cn=config
    cannot be read; CouldNotAsk.
    """
    report = check_schema(reader)
    if report.usable:
        return InstallPlan(report, (), f"{report.server} has the schema ({report.variant.value})")
    if report.variant in (Variant.FOREIGN, Variant.MIXED):
        raise _clash(report)
    if report.server != "OpenLDAP":
        raise Negative(
            f"{report.uri} is {report.server}: its schema cannot be changed from here",
            hint=report.hint,
        )
    if report.variant is Variant.NO_RULES:
        changes = tuple(_upgrades(_config_entries(reader)))
        if not changes:
            raise LdapRefusal(
                50, "the definitions are not below cn=schema,cn=config", hint=_AS_ROOT
            )
        return InstallPlan(report, changes, "matching rules are added to the definitions there")
    fitting = _fitting(report)
    chosen = edition or fitting
    if chosen is not fitting:
        raise _clash(report)
    _config_entries(reader)
    entry = schema_entry(chosen)
    return InstallPlan(report, (Add(entry),), f"{entry.dn} is added")


def install_schema(writer: Writer, edition: Edition | None = None) -> InstallPlan:
    """Make the schema complete on a running OpenLDAP; return what was done.

    Takes effect at once, without a restart; entries stay as they are. Raises as plan_install,
    and what the server refuses.
    """
    plan = plan_install(writer, edition)
    for change in plan.changes:
        try:
            writer.apply(change)
        except LdapRefusal as refusal:
            if refusal.result in _DENIED:
                refusal.hint = _AS_ROOT
            elif "not found" in refusal.text or "AttributeType" in refusal.text:
                refusal.hint = (
                    "core.schema must be loaded before (and misc before our misc edition)"
                )
            raise
    return plan


def _fitting(report: SchemaReport) -> Edition:
    """Return the edition that the server's other definitions leave room for. Raises Negative."""
    taken = {e.name for e in report.elements if e.state in (State.OTHER_OID, State.OTHER_NAME)}
    present = {e.name for e in report.elements if e.state is not State.MISSING}
    if not present:
        return Edition.FULL
    if taken == {"mailAlternateAddress", "mailRoutingAddress"} and present <= taken | {"mailHost"}:
        return Edition.MISC
    raise _clash(report)


def _clash(report: SchemaReport) -> Negative:
    told = [
        f"{element.name}: {element.text}"
        for element in report.elements
        if element.state is not State.MISSING
    ]
    return Negative(
        f"{report.uri} defines otherwise what the schema needs: {'; '.join(told)}",
        hint=report.hint
        if report.variant in (Variant.FOREIGN, Variant.MIXED)
        else "a definition in use cannot be taken out of a running server; start one without it, "
        "or with misc.schema complete and `--beside-misc`",
    )


def _config_entries(reader: Reader) -> list[Entry]:
    try:
        found = list(
            reader.search(
                _CONFIG, Scope.ONE, "(objectClass=olcSchemaConfig)", ("cn", "olcAttributeTypes")
            )
        )
    except LdapRefusal as refusal:
        raise _closed(reader, refusal.result, refusal.text) from refusal
    if not found:
        raise _closed(reader, 50, "")
    return found


def _closed(reader: Reader, result: int, text: str) -> LdapRefusal:
    who = ""
    if isinstance(reader, Server):
        who = f" to {reader.whoami() or 'anonymous'}"
    words = f"{reader.uri} does not show cn=config{who}" + (f": {text}" if text else "")
    return LdapRefusal(result, words, hint=_AS_ROOT)


def _upgrades(entries: list[Entry]) -> list[Change]:
    """Return the changes that give an EQUALITY rule to our attributes without one."""
    changes: list[Change] = []
    ours = {definition.oid for definition in official() if not definition.is_class}
    for entry in entries:
        values = entry.texts("olcAttributeTypes")
        better = {
            text: text[: text.index("(")] + str(_with_rules(definition))
            for text, definition in relevant(values, is_class=False)
            if definition.oid in ours and definition.first("EQUALITY") is None
        }
        if better:
            # slapd numbers these values and takes a change of one only as a whole list.
            new = tuple(better.get(text, text).encode() for text in values)
            changes.append(Modify(entry.dn, (Mod(ModOp.REPLACE, "olcAttributeTypes", new),)))
    return changes


def _with_rules(definition: Definition) -> Definition:
    equality, substr = _RULES[definition.syntax or ""]
    terms: list[tuple[str, tuple[str, ...]]] = []
    for keyword, words in definition.terms:
        if keyword == "SUBSTR":
            continue
        if keyword == "SYNTAX":
            terms += [("EQUALITY", (equality,)), ("SUBSTR", (substr,))]
        terms.append((keyword, words))
    return Definition(definition.is_class, definition.oid, tuple(terms), definition.where)
