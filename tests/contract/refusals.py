"""What every directory refuses of people below ou=People, and with which result code."""

from mailldap.errors import EntryExists, NoSuchObject, NoSuchValue, SizeLimitExceeded, ValueExists
from mailldap.ldap.change import Add, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.entry import Entry

BASE = "dc=example,dc=com"
PEOPLE = f"ou=People,{BASE}"
ADD, DELETE, REPLACE = ModOp.ADD, ModOp.DELETE, ModOp.REPLACE
CLASS_OF_ERROR = {
    4: SizeLimitExceeded,
    16: NoSuchValue,
    20: ValueExists,
    32: NoSuchObject,
    68: EntryExists,
}


def person(uid, *addresses, **attributes):
    return Entry.of(
        f"uid={uid},{PEOPLE}",
        {
            "objectClass": ["account", "mailRecipient"],
            "uid": [uid],
            **({"mail": addresses} if addresses else {}),
            **attributes,
        },
    )


def modify(dn, *mods):
    return Modify(
        dn,
        tuple(
            Mod(op, name, tuple(v.encode() if isinstance(v, str) else v for v in values))
            for op, name, *values in mods
        ),
    )


def add(uid, **attributes):
    entry = dict(person(uid).attributes)
    for name, values in attributes.items():
        if values is None:
            del entry[name]
        else:
            entry[name] = values
    return Add(Entry.of(f"uid={uid},{PEOPLE}", entry))


def bob(*mods):
    return modify(f"uid=bob,{PEOPLE}", *mods)


REFUSALS = {
    "add: there already": (Add(person("bob")), 68),
    "add: there already, spelled otherwise": (Add(person("BOB")), 68),
    "add: no parent": (
        Add(Entry.of(f"uid=x,ou=no,{BASE}", {"objectClass": ["account"], "uid": ["x"]})), 32,
    ),
    "add: outside": (Add(Entry.of("uid=x,dc=org", {"objectClass": ["account"], "uid": ["x"]})), 53),
    "add: no name": (Add(Entry.of("nonsense", {"objectClass": ["account"]})), 34),
    "add: no structural class": (add("x", objectClass=["mailRecipient"]), 65),
    "add: two structural classes": (
        add("x", objectClass=["account", "organizationalUnit"], ou=["x"]), 65,
    ),
    "add: unknown class": (add("x", objectClass=["account", "nothing"]), 21),
    "add: no class": (add("x", objectClass=None), 65),
    "add: attribute missing": (
        Add(Entry.of(f"sn=x,{PEOPLE}", {"objectClass": ["person"], "sn": ["x"]})), 65,
    ),
    "add: attribute not allowed": (add("x", telephoneNumber=["1"]), 65),
    "add: unknown attribute": (add("x", nothing=["1"]), 17),
    "add: attribute without values": (add("x", mail=[]), 2),
    "add: twice the same value": (add("x", mail=["a@x", "A@X"]), 20),
    "add: not ASCII": (add("x", mail=["ä@x"]), 21),
    "add: empty text": (add("x", description=[""]), 21),
    "add: not UTF-8": (add("x", description=[b"\xff"]), 21),
    "add: operational": (add("x", entryUUID=["00000000-0000-0000-0000-000000000000"]), 19),
    "modify: no entry": (modify(f"uid=x,{PEOPLE}", (ADD, "mail", "a@x")), 32),
    "modify: value there": (bob((ADD, "mail", "BOB@example.com")), 20),
    "modify: one value twice": (bob((ADD, "mail", "a@x", "A@x")), 20),
    "modify: value not there": (bob((DELETE, "mail", "no@x")), 16),
    "modify: attribute not there": (bob((DELETE, "description")), 16),
    "modify: value of no attribute": (bob((DELETE, "description", "x")), 16),
    "modify: unknown attribute": (bob((ADD, "nothing", "x")), 17),
    "modify: not allowed": (bob((ADD, "telephoneNumber", "1")), 65),
    "modify: the name": (bob((DELETE, "uid", "bob")), 64),
    "modify: the name replaced": (bob((REPLACE, "uid", "x")), 64),
    "modify: the name's attribute": (bob((DELETE, "uid")), 64),
    "modify: last class": (bob((DELETE, "objectClass")), 65),
    "modify: structural class": (bob((DELETE, "objectClass", "account")), 65),
    "modify: class of what is there": (bob((DELETE, "objectClass", "mailRecipient")), 65),
    "modify: unknown class": (bob((ADD, "objectClass", "nothing")), 21),
    "modify: not ASCII": (bob((ADD, "mail", "ä@x")), 21),
    "modify: add nothing": (bob((ADD, "mail")), 2),
    "modify: operational": (bob((REPLACE, "modifyTimestamp", "20200101000000Z")), 19),
    "delete: no entry": (Delete(f"uid=x,{PEOPLE}"), 32),
    "delete: with children": (Delete(PEOPLE), 66),
    "delete: no name": (Delete("nonsense"), 34),
    "rename: no entry": (Rename(f"uid=x,{PEOPLE}", "uid=y"), 32),
    "rename: taken": (Rename(f"uid=bob,{PEOPLE}", "uid=carol"), 68),
    "rename: no name": (Rename(f"uid=bob,{PEOPLE}", "nonsense"), 34),
    "rename: no place": (Rename(f"uid=bob,{PEOPLE}", "uid=bob", True, f"ou=no,{BASE}"), 32),
    "rename: attribute not allowed": (Rename(f"uid=bob,{PEOPLE}", "telephoneNumber=1"), 65),
    "rename: below itself": (Rename(PEOPLE, "ou=People", True, f"uid=bob,{PEOPLE}"), 53),
}  # fmt: skip
