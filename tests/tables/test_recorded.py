"""What the real postmap said of the corpus, without it: the recordings, replayed.

tests/real/test_postmap_corpus.py makes the recordings and checks that they are still true.
"""

import json
from pathlib import Path

import pytest
import yaml

from mailldap.directory.memory import MemoryDirectory
from mailldap.errors import ConfigError
from mailldap.ldap.ldif import read_ldif
from mailldap.postfix.main_cf import MainCf
from mailldap.tables.base import Failed, Found, TableContext
from mailldap.tables.open import Lookup

CORPUS = Path(__file__).parent.parent / "real" / "corpus" / "tables"
#: Depend on users of the machine, on the database's own rules, or on servers.
NOT_HERE = {"unix", "lmdb survives the empty key after a hit"}
#: slapd's mdb gives the entries of a one-level search in an order of its own.
ORDER_OF_MDB = {"special URLs", "special URLs narrowed"}
OF_SERVERS = ("server_host", "bind", "start_tls", "version", "server_port")
LEVEL = "compatibility_level = 3.6\n"


def load(name: str) -> dict:
    return yaml.safe_load((CORPUS / f"{name}.yaml").read_text())


def recorded(name: str) -> dict:
    return json.loads((CORPUS / f"{name}.recorded.json").read_text())


def ask(folder: Path, case: dict, files: dict[str, str], opener=None) -> dict[str, list[str]]:
    """What each key gets, in the recordings' words."""

    def fill(text: str) -> str:
        return (
            text.replace("{dir}", str(folder))
            .replace("{uri}", "ldap://127.0.0.1:1389")
            .replace("{port}", "1389")
        )

    for name, text in files.items():
        (folder / name).write_bytes(fill(text).encode("utf-8", "surrogateescape"))
    got = {}
    for key in case["keys"]:
        try:
            main = MainCf.parse(fill(case.get("main", LEVEL)), str(folder / "main.cf"))
            context = TableContext(
                open_session=opener,
                parameter=main.lookup,
                fold=case.get("fold", True),
                utf8=main.get_bool("smtputf8_enable"),
            )
            answer = Lookup([fill(m) for m in case["maps"]], context).get(key)
        except ConfigError:
            got[key] = ["fatal"]
            continue
        if isinstance(answer, Found):
            got[key] = ["found", answer.value]
        elif isinstance(answer, Failed):
            got[key] = ["error" if answer.kind == "retry" else "config-error"]
        else:
            got[key] = ["absent"]
    return got


TEXT = {n: c for n, c in load("text")["cases"].items() if n not in NOT_HERE}


@pytest.mark.parametrize("name", TEXT)
def test_tables_without_server(name, tmp_path):
    case = TEXT[name]
    assert ask(tmp_path, case, case.get("files", {})) == recorded("text")[name]


LDAP = load("ldap")
EMBEDDED = {
    name: case
    for name, case in LDAP["cases"].items()
    if not any(parameter in case.get("set", {}) for parameter in OF_SERVERS)
    and name not in ORDER_OF_MDB
    and "raw" not in case
    and "maps" not in case
}


@pytest.fixture(scope="module")
def people() -> MemoryDirectory:
    with (CORPUS / "basic.ldif").open("rb") as stream:
        entries = [record.content for record in read_ldif(stream, "basic.ldif")]
    return MemoryDirectory(entries, base="dc=example,dc=com")


@pytest.mark.parametrize("name", EMBEDDED)
def test_ldap_on_the_embedded_directory(name, tmp_path, people):
    case = {"keys": LDAP["keys"], "maps": ["ldap:{dir}/x.cf"], **EMBEDDED[name]}
    case["main"] = LEVEL + case.get("main", "")
    values = {**LDAP["common"], **case.get("set", {})}
    text = "".join(f"{k} = {v}\n" for k, v in values.items() if v is not None)
    got = ask(tmp_path, case, {"x.cf": text, **case.get("files", {})}, lambda _: people)
    assert got == recorded("ldap")[name]
