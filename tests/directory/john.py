"""A directory of one recipient in an LDIF file, written as people write it."""

from mailldap.directory.base import Scope
from mailldap.ldap.change import Mod, Modify, ModOp

BASE = "dc=example,dc=com"
PEOPLE = f"ou=People,{BASE}"
TEXT = """\
# The John Smith organisation
# keep me
version: 1

# the top
dn: dc=example,dc=com
objectClass: domain
dc: example

dn: ou=People, DC=example,dc=com
objectclass: ORGANIZATIONALUNIT
ou: People


# John
dn:: dWlkPWpvaG4sb3U9UGVvcGxlLGRjPWV4YW1wbGUsZGM9Y29t
objectClass: account
objectClass: mailRecipient
# inside John
uid: john
mail: john@exa
 mple.com
mail:: anNAZXhhbXBsZS5jb20=
Mail: smith@example.com

# at the end
"""


def found(directory, text: str) -> list[str]:
    return [entry.dn for entry in directory.search(directory.base, Scope.SUB, text)]


def add_mail(dn: str, address: str) -> Modify:
    return Modify(dn, (Mod(ModOp.ADD, "mail", (address.encode(),)),))


JOHN = f"uid=john,{PEOPLE}"
