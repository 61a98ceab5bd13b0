"""LDAP URLs in special_result_attribute, as libldap takes them apart or refuses them."""

from base64 import b64encode

from mailldap.directory.open import session_opener
from tests.real.postmap import Case, Comparison

BASE = "dc=example,dc=com"
SCOPES = [
    "",
    "sub",
    "children",
    "subordinate",
    "subord",
    "onelevel",
    "subtree",
    "onetree",
    "one ",
    "%73ub",
    "%zz",
]
FILTERS = [
    "",
    "(description=*)",
    "%28description=uni%74%29",
    "(description=%zz)",
    "(description=u%",
    "%",
    "%00",
    "(description=%00x)",
]
DNS = [
    "dc=example%2Cdc=com",
    "dc=example%2cdc%3Dcom",
    "%zz",
    f"{BASE}%",
    f"ou=P%2C{BASE}",
    f"{BASE}%00x",
    "",
]
HOSTS = [
    "",
    "x:1",
    "x:",
    "x:y",
    "[::1]",
    "[::1]:1",
    "[::1",
    "[::1]x",
    "%zz",
    "x:%31",
    "x:1%20",
    "x: 1",
    "a:1:2",
    "x:-1",
    "x:99999999999",
]
TAILS = ["description?sub??x", "description?sub??", "description?sub??!x", "description?sub??,", "description?sub???",
         "description?sub?(description=*)?x?y", "description,%63n?sub", "%64escription?sub", "descripti%6fn,?base", "?base", "??base", ",?sub"]  # fmt: skip
URLS = [
    *(f"ldap:///{BASE}?{a}?{s}?{f}" for a in ("", "description") for s in SCOPES for f in FILTERS),
    *(f"ldap:///{dn}?description?sub?(description=*)" for dn in DNS),
    *(f"ldap://{host}/{BASE}?description?sub" for host in HOSTS),
    *(f"ldap:///{BASE}?{tail}" for tail in TAILS),
    *("ldap://", "ldap:///", "ldap://?", f"ldap://??{BASE}", f"ldap://x??{BASE}", f"ldap://x?{BASE}", f"ldap://x:1??{BASE}"),
    *(f"{start}ldap:///{BASE}?description?sub{end}" for start in ("<", "URL:", "<url:", "URL:<", "") for end in ("", ">")),
    *(f"{scheme}:///{BASE}?description?sub" for scheme in ("LDAPI", "cldap", "pldap", "pldaps", "ldaps", "ldapx", "http")),
    *(f"ldapi://%2Ftmp/{BASE}?description?sub", "ldap:/x", "ldap://///"),
]  # fmt: skip


def ldif() -> str:
    parts = [
        (
            f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\nobjectClass: extensibleObject\n"
            "dc: example\no: Example\ndescription: base\n"
        ),
        f"dn: ou=P,{BASE}\nobjectClass: organizationalUnit\nou: P\ndescription: unit\n",
    ]
    parts += [
        f"dn: uid=a{number},ou=P,{BASE}\nobjectClass: inetOrgPerson\nobjectClass: extensibleObject\n"
        f"uid: a{number}\ncn: n\nsn: n\nlabeledURI:: {b64encode(url.encode()).decode()}\n"
        for number, url in enumerate(URLS)
    ]
    return "\n".join(parts)


def test_urls(lab, slapd):
    slapd.reset(ldif().encode())
    table = {
        "x.cf": f"server_host = {{uri}}\nbind = no\nsearch_base = {BASE}\nquery_filter = (uid=%s)\n"
        "special_result_attribute = labeledURI\nresult_attribute = description\nrecursion_limit = 2\n"
    }
    cases = [Case(url, [f"a{number}"], files=table) for number, url in enumerate(URLS)]
    differences = Comparison(lab, session_opener(), slapd.uri).run(cases)
    assert not differences, "\n".join(differences)
