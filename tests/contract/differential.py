"""Directories, filters, searches and changes at random, hostile ones among them.

Everything comes from one `random.Random`, so that a printed seed repeats a run.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mailldap.directory.base import Deref, Scope, SearchRequest
from mailldap.ldap.change import Add, Change, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.dn import escape_dn_value
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import (
    And,
    Approx,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)

BASE = "dc=example,dc=com"
ADMIN = f"cn=admin,{BASE}"

WORDS = [
    "John Smith", "john  smith", " John Smith", "JOHN SMITH ", "Jane", "jane doe", "O'Neil", "x",
    "a b", "a  b", "A B C", "Müller", "MÜLLER", "mu\u0308ller", "Straße", "strasse", "ÉCOLE", "école",
    "Ångström", "\u212bngström", "ﬁsh", "fish", "日本", "*", "(x)", "a*b", "back\\slash", "#hash",
    "a,b", "a+b", "a=b", 'quo"te', "<x>", "semi;colon", " ", "  ", "-", "1", "01", "\u017fun", "sun",
    "İstanbul", "istanbul", "ǅ", "ǆ", "\u1e9e", "ß", "½", "1\u20442", "Ⅷ", "viii", "K", "\u212a", "tab\tbed",
    "Thomson", "Tomson", "Philip Knight", "Filip Night", "Wright", "rite", "Xavier", "axe", "Schmidt",
    "Charles", "Church", "Judge", "Gnome", "Ghost", "science", "nation", "match",
]  # fmt: skip
MAILS = [
    "john.smith@example.com", "John.Smith@Example.COM", "js@example.com", " js@example.com ",
    "j  s@example.com", "j s@example.com", '"a b"@example.com', "sales+x@example.com", "x*y@z",
    "@example.com", "jane@example.com", "(a)@b", "a\\b@c", "jürgen@example.com", "", " ", "x",
]  # fmt: skip
NUMBERS = ["0", "1", "10", "9", "-5", "-50", "007", "1e3", "-0", "", "99999999999999999999", " 1"]
PHONES = ["+1 555 1234", "+15551234", "+1-555-1234", "555", "-", "5 5-5", "é", "a(b)c", "x_y"]
DIGITS = ["12 34", "1234", "", " ", "1 2 3 4", "x12"]
POSTAL = ["1 Main St$Town", "1 MAIN  ST$town", "a$$b", "a\\24b", "bad\\x", "$", ""]
BOOLS = ["TRUE", "FALSE", "true"]
BITS = ["'0101'B", "''B", "0101", "'2'B"]
CLASSES = [
    "person", "inetOrgPerson", "INETORGPERSON", "organizationalPerson", "account", "device",
    "mailRecipient", "domain", "top", "extensibleObject", "alias", "referral", "country",
    "organizationalUnit", "groupOfNames", "2.5.6.6", "2.16.840.1.113730.3.2.3", "nothing",
    "dcObject", "simpleSecurityObject", "residentialPerson", "groupOfUniqueNames", "uidObject",
]  # fmt: skip
#: Attribute and the values that it may meet; DNs are made.
POOLS: dict[str, list[str]] = {
    **dict.fromkeys(
        ["cn", "sn", "description", "uid", "title", "givenName", "displayName", "o", "ou", "l",
         "mailRoutingAddress", "mailAlternateAddress", "mailHost", "street", "info", "employeeType"],
        WORDS,
    ),
    **dict.fromkeys(["mail", "rfc822Mailbox", "dc", "associatedDomain", "email"], MAILS),
    **dict.fromkeys(["uidNumber", "gidNumber", "mailPreferenceOption"], NUMBERS),
    **dict.fromkeys(["telephoneNumber", "homePhone", "mobile", "facsimileTelephoneNumber"], PHONES),
    **dict.fromkeys(["x121Address", "internationaliSDNNumber"], DIGITS),
    **dict.fromkeys(["postalAddress", "homePostalAddress"], POSTAL),
    "labeledURI": ["http://x", "HTTP://X", "ldap:/// label"],
    "userPassword": ["secret", "Secret", "", "\x00\xff"],
    "jpegPhoto": ["\x00\x01", "\xff\xd8"],
    "c": ["US", "us", "U", "é"],
    "serialNumber": ["1", "A 1", "a  1", "é"],
    "dnQualifier": ["a", "B", "c d"],
    "destinationIndicator": ["abc", "ABC", "a_b"],
    "preferredDeliveryMethod": ["any", "mhs $ telex", "smoke"],
    "x500UniqueIdentifier": BITS,
    "preferredLanguage": ["en", "EN"],
    "supportedApplicationContext": ["1.2.3", "1.02", "x"],
}  # fmt: skip
DN_ATTRIBUTES = ["seeAlso", "manager", "member", "owner", "uniqueMember", "aliasedObjectName"]
ODD_ATTRIBUTES = [
    "foo", "cn;lang-en", "cn;lang-", "CN;LANG-EN;lang-fr", "mail;lang-de", "mail;binary", "cn;x-y",
    "userCertificate;binary", "userCertificate", "2.5.4.3", "commonName", "name", "surname",
    "distinguishedName", "teletexTerminalIdentifier", "telexNumber", "searchGuide",
    "entryDN", "structuralObjectClass", "hasSubordinates",
    "subschemaSubentry", "objectClass", "ref", "2.5.4", "1.1",
]  # fmt: skip
RULES = [
    "caseIgnoreMatch", "caseExactMatch", "2.5.13.2", "caseIgnoreIA5Match", "caseExactIA5Match",
    "integerMatch", "integerOrderingMatch", "distinguishedNameMatch", "caseIgnoreOrderingMatch",
    "caseIgnoreSubstringsMatch", "numericStringMatch", "telephoneNumberMatch", "booleanMatch",
    "1.2.840.113556.1.4.803", "integerBitOrMatch", "objectIdentifierMatch", "octetStringMatch",
    "dnSubtreeMatch", "dnOneLevelMatch", "dnSubordinateMatch", "dnSuperiorMatch", "noSuchRule",
    "generalizedTimeMatch", "UUIDMatch", "caseIgnoreListMatch", "uniqueMemberMatch", "bitStringMatch",
    "caseExactOrderingMatch", "octetStringOrderingMatch", "rdnMatch",
]  # fmt: skip


class Maker:
    """Makes what a test needs; `dns` are names of entries that are or were there."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.dns = [BASE, f"ou=People,{BASE}"]

    def text(self, attribute: str) -> str:
        """A value that suits the attribute, or not."""
        if self.random.random() < 0.05:
            return self.random.choice(WORDS + MAILS + NUMBERS)
        name = attribute.partition(";")[0]
        if name in POOLS:
            return self.random.choice(POOLS[name])
        if name in DN_ATTRIBUTES or name in {"entryDN", "distinguishedName", "subschemaSubentry"}:
            return self.dn_value(name)
        if name.lower() in {"objectclass", "structuralobjectclass"}:
            return self.random.choice(CLASSES)
        if name == "hasSubordinates":
            return self.random.choice(BOOLS)
        if name == "ref":
            return self.random.choice(REFS)
        return self.random.choice(WORDS)

    def value(self, attribute: str) -> bytes:
        text = self.text(attribute)
        if attribute in {"userPassword", "jpegPhoto"}:
            return text.encode("latin-1", "ignore")
        if self.random.random() < 0.01:
            return text.encode("utf-16")
        return text.encode()

    def dn_value(self, attribute: str = "") -> str:
        dn = self.respelled(self.random.choice(self.dns))
        if attribute == "uniqueMember" and self.random.random() < 0.3:
            dn += "#'01'B"
        return "foo" if self.random.random() < 0.03 else dn

    def respelled(self, dn: str) -> str:
        """The same DN in other words, mostly."""
        roll = self.random.random()
        if roll < 0.15:
            return dn.upper()
        if roll < 0.3:
            return dn.replace(",", " , ")
        if roll < 0.35:
            return dn.replace(",", ";")
        if roll < 0.4:
            return dn.replace("ou=", "2.5.4.11=").replace("cn=", "commonName=")
        return dn

    def attribute(self) -> str:
        roll = self.random.random()
        if roll < 0.12:
            return self.random.choice(ODD_ATTRIBUTES)
        if roll < 0.2:
            return self.random.choice(DN_ATTRIBUTES)
        if roll < 0.45:
            return self.random.choice(
                ["mail", "cn", "sn", "uid", "mailRoutingAddress", "objectClass"]
            )
        name = self.random.choice(list(POOLS))
        return name.upper() if self.random.random() < 0.1 else name

    # -- entries and changes --------------------------------------------------------------------

    def rdn(self) -> str:
        pairs = []
        for name in self.random.sample(
            ["cn", "uid", "ou", "l", "mail", "sn"], self.random.choice([1, 1, 1, 2])
        ):
            value = self.text(name)
            pairs.append(f"{name}={escape_dn_value(value)}")
        if self.random.random() < 0.04:
            pairs = [
                self.random.choice(
                    [
                        "foo=x",
                        "cn=",
                        "cn=#0401",
                        "2.5.4.3=y",
                        "jpegPhoto=x",
                        "entryDN=x",
                        "cn=a+cn=b",
                        "commonName=a+cn=b",
                        "userPassword=p",
                        "telexNumber=x",
                    ]
                )
            ]
        return self.random.choice(["+", " + "]).join(pairs)

    def entry(self) -> Entry:
        """An entry, legal more often than not."""
        random = self.random
        parent = self.respelled(random.choice(self.dns[:12]))
        if random.random() < 0.04:
            parent = random.choice(["ou=nowhere," + BASE, "dc=com", "dc=elsewhere", "", "foo"])
        rdn = self.rdn()
        dn = f"{rdn},{parent}" if parent else rdn
        classes, must = random.choice(KINDS)
        attributes: dict[str, list[bytes]] = {"objectClass": [c.encode() for c in classes]}
        for name in must:
            attributes[name] = [self.value(name)]
        if random.random() < 0.55:
            attributes["objectClass"].append(b"extensibleObject")
        else:
            attributes["objectClass"].append(b"mailRecipient")
        for _ in range(random.randrange(6)):
            name = self.attribute()
            if name.lower() == "objectclass":
                continue
            count = random.choice([1, 1, 2, 3])
            attributes.setdefault(name, []).extend(self.value(name) for _ in range(count))
        if random.random() < 0.06:
            attributes["objectClass"].append(random.choice(CLASSES).encode())
        if random.random() < 0.03:
            del attributes[random.choice(list(attributes))]
        return Entry(dn, tuple((name, tuple(values)) for name, values in attributes.items()))

    def legal_entry(self, legal: Callable[[Entry], bool], tries: int = 8) -> Entry:
        """The first of some entries that *legal* likes, or the last of them."""
        for _ in range(tries):
            entry = self.entry()
            if legal(entry):
                break
        return entry

    def alias(self) -> Entry:
        target = self.random.choice([*self.dns, "ou=nowhere," + BASE])
        return Entry.of(
            f"cn=alias {self.random.randrange(1000)},{self.random.choice(self.dns[:12])}",
            {"objectClass": ["alias", "extensibleObject"], "aliasedObjectName": [target]},
        )

    def referral(self) -> Entry:
        uris = self.random.sample(REFS, self.random.choice([1, 2]))
        return Entry.of(
            f"cn=referral {self.random.randrange(1000)},{self.random.choice(self.dns[:12])}",
            {"objectClass": ["referral", "extensibleObject"], "ref": uris},
        )

    def modify(self) -> Modify:
        mods = []
        for _ in range(self.random.choice([1, 1, 2, 3])):
            name = self.attribute()
            op = self.random.choice(list(ModOp))
            count = (
                self.random.choice([0, 1, 1, 2])
                if op is not ModOp.ADD
                else self.random.choice([1, 1, 2])
            )
            mods.append(Mod(op, name, tuple(self.value(name) for _ in range(count))))
        return Modify(self.respelled(self.random.choice(self.dns)), tuple(mods))

    def rename(self) -> Rename:
        superior = None
        if self.random.random() < 0.4:
            superior = self.respelled(
                self.random.choice([*self.dns, "ou=nowhere," + BASE, "dc=com"])
            )
        old = self.random.random() < 0.6
        return Rename(self.respelled(self.random.choice(self.dns)), self.rdn(), old, superior)

    def change(self) -> Change:
        roll = self.random.random()
        if roll < 0.3:
            return Add(self.entry())
        if roll < 0.7:
            return self.modify()
        if roll < 0.85:
            return self.rename()
        target = self.random.choice([*self.dns, "ou=nowhere," + BASE, "dc=com", "foo"])
        return Delete(self.respelled(target))

    # -- searches -------------------------------------------------------------------------------

    def filter(self, depth: int = 0) -> Filter:
        roll = self.random.random()
        if depth < 3 and roll < 0.3:
            parts = tuple(
                self.filter(depth + 1) for _ in range(self.random.choice([0, 1, 2, 2, 3]))
            )
            return self.random.choice([And, Or])(parts)
        if depth < 3 and roll < 0.42:
            return Not(self.filter(depth + 1))
        return self.item()

    def item(self) -> Filter:
        random = self.random
        name = self.attribute()
        kind = random.randrange(10)
        if kind < 4:
            return Equality(name, self.value(name))
        if kind == 4:
            return Present(name)
        if kind == 5:
            return self.substrings(name)
        if kind == 6:
            name = random.choice([name, "uidNumber", "dnQualifier"])
            return random.choice([GreaterOrEqual, LessOrEqual])(name, self.value(name))
        if kind == 7:
            return Approx(name, self.value(name))
        rule = random.choice([None, *RULES])
        attribute = random.choice([name, name, name, None, "entryDN"])
        if attribute is None and (
            rule is None or rule.startswith(("dn", "disting", "rdn", "general"))
        ):
            # Without an attribute these would find creatorsName and times, which only slapd keeps.
            attribute = name
        if attribute == "entryDN" and rule == "dnSuperiorMatch":
            # back-mdb looks for the asserted entry, and answers oddly where there is none.
            rule = "dnSubtreeMatch"
        value = self.value(attribute or "cn")
        if rule and rule.startswith("dn"):
            value = self.dn_value().encode()
        return Extensible(rule, attribute, value, random.random() < 0.3)

    def substrings(self, name: str) -> Filter:
        value = self.value(name) or b"x"
        cuts = sorted(self.random.randrange(len(value) + 1) for _ in range(4))
        initial = value[: cuts[0]] if self.random.random() < 0.5 else None
        middle = [value[cuts[1] : cuts[2]]] if self.random.random() < 0.6 else []
        final = value[cuts[3] :] if self.random.random() < 0.5 else None
        pieces = [piece for piece in middle if piece]
        if not (initial or pieces or final):
            pieces = [b"x"]
        return Substrings(name, initial or None, tuple(pieces), final or None)

    def requested(self) -> tuple[str, ...]:
        choices = ["*", "+", "1.1", "cn", "mail", "name", "MAIL", "2.5.4.3", "rfc822Mailbox", "foo",
                   "entryDN", "structuralObjectClass", "hasSubordinates", "cn;lang-en", "cn;lang-",
                   "objectClass", "@person", "@nothing", "subschemaSubentry", "uid", "distinguishedName",
                   "mail;lang-de", "userCertificate", "surname"]  # fmt: skip
        return tuple(self.random.sample(choices, self.random.choice([0, 0, 1, 2, 3])))

    def search(self) -> SearchRequest:
        random = self.random
        base = self.respelled(random.choice(self.dns if random.random() < 0.4 else self.dns[:2]))
        if random.random() < 0.06:
            base = random.choice(["", "dc=com", "foo", "ou=nowhere," + BASE, "cn=x,cn=y," + base, "foo=x," + BASE, "cn=," + BASE, base + ",", "cn=x," + base])  # fmt: skip
        scope = random.choice([Scope.SUB, Scope.SUB, Scope.SUB, Scope.ONE, Scope.BASE])
        return SearchRequest(
            base,
            scope,
            self.filter(),
            self.requested(),
            size_limit=random.choice([0, 0, 0, 1, 2, 5]),
            deref=Deref(random.choice([0, 0, 0, 1, 2, 3])),
            types_only=random.random() < 0.05,
        )


REFS = [
    "ldap://other.example.com/ou=R,dc=other", "ldap://third.example.com/", "ldaps://four.example.com",
    "ldap://five.example.com:3890/ou=x,dc=y??sub label", "http://x/", "ldap://six/dc=a%20b??one?(cn=x)",
]  # fmt: skip
KINDS: list[tuple[list[str], list[str]]] = [
    (["inetOrgPerson"], ["cn", "sn"]),
    (["inetOrgPerson"], ["cn", "sn"]),
    (["top", "person", "organizationalPerson", "inetOrgPerson"], ["cn", "sn"]),
    (["account"], ["uid"]),
    (["account"], ["uid"]),
    (["device"], ["cn"]),
    (["organizationalUnit"], ["ou"]),
    (["organizationalRole"], ["cn"]),
    (["groupOfNames"], ["cn", "member"]),
    (["groupOfUniqueNames"], ["cn", "uniqueMember"]),
    (["domain"], ["dc"]),
    (["country"], ["c"]),
    (["residentialPerson"], ["cn", "sn", "l"]),
    (["top"], []),
    (["person", "account"], ["cn", "sn", "uid"]),
]
