"""The recorded cases: how they are kept in files, laid out in folders, and what an answer is.

Each of the four .json files beside this module has one case a line:

    name     unique in its file
    main     lines of main.cf, in place of or after the family's usual ones
    cf       of lookups: lines of table.cf, likewise, or its whole text
    files    name -> text of further files in its folder; `copied`: name -> file in files/
    maps     of lookups: what is asked, if not table.cf; `options` of postmap
    before   commands run in the lab before its Postfix starts
    ask      [question, answer] pairs; the answers are the real programs' (see record.py)
    servers  where its LDAP tables are answered: "ldif" (the default: directory.ldif in place of
             their servers), "own" (as written, which needs no server: none can be reached, or none
             is asked) or "slapd" (a real one)

`@DIR@`, `@URI@`, `@PORT@`, `@QUEUE@` in files, maps and commands are the case's folder, the real
slapd and a queue directory.

Answers: a lookup is a value, null (not found), or {"status": 75 or 78}; a resolution is the
refusing reply, or [address, route] pairs in queue-file order; a route is "class transport nexthop"
or what the mail meets, "error" (bad address syntax) or "fail" (could not be resolved); a sender
check is the refusing reply or null.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from tests.servers import Lab

HERE = Path(__file__).parent
FAMILIES = ("lookups", "expansions", "routes", "senders")
_DAEMONS = (
    "compatibility_level = 3.6",
    "in_flow_delay = 0",
    "queue_directory = @QUEUE@",
    "data_directory = @QUEUE@/data",
    "inet_interfaces = 127.0.0.1",
    "inet_protocols = ipv4",
    "myhostname = mx.example.net",
    "mydomain = example.net",
    "smtpd_authorized_xclient_hosts = 127.0.0.1",
    "local_recipient_maps =",
)
_DOMAINS = ("mydestination = example.net, mx.example.net", "virtual_alias_domains = example.com")
_MAIN = {
    "lookups": ("compatibility_level = 3.6",),
    "expansions": (*_DAEMONS, *_DOMAINS, "virtual_alias_maps = texthash:@DIR@/virtual"),
    "routes": (
        *_DAEMONS,
        "mydestination = $myhostname, localhost.$mydomain, localhost, local.example",
        "virtual_alias_domains = va.example",
        "virtual_alias_maps =",
    ),
    "senders": (
        *_DAEMONS,
        *_DOMAINS,
        "virtual_alias_maps = inline:{{rcpt@example.com=x@gmail.com}}",
        "mynetworks = 127.0.0.0/8",
        "smtpd_sasl_auth_enable = yes",
        "smtpd_sasl_local_domain =",
        "cyrus_sasl_config_path = @DIR@/sasl",
        "smtpd_sender_login_maps = texthash:@DIR@/logins",
        "smtpd_sender_restrictions = reject_sender_login_mismatch",
    ),
}
_CF = (
    "server_host = @URI@",
    "search_base = dc=example,dc=com",
    "bind = no",
    "timeout = 5",
    "query_filter = (mail=%s)",
    "result_attribute = mailRoutingAddress",
)
_CLASSES = {
    256: "local",
    512: "virtual-alias",
    1024: "virtual-mailbox",
    2048: "relay",
    4096: "default",
}
_ERROR, _FAIL = 4, 8


def load(family: str) -> dict:
    return json.loads((HERE / f"{family}.json").read_text())


def save(family: str, content: dict) -> None:
    """One case a line, so that a difference shows the case."""
    head = json.dumps(content["recorded"], indent=1)
    lines = ",\n".join(json.dumps(case) for case in content["cases"])
    (HERE / f"{family}.json").write_text(f'{{"recorded": {head},\n"cases": [\n{lines}\n]}}\n')


class Place:
    """A case of a family laid out in a folder."""

    def __init__(
        self, family: str, case: dict, folder: Path, uri: str = "ldap://127.0.0.1:1"
    ) -> None:
        self.case = case
        self.folder = folder
        self.queue = f"/dev/shm/mailldap-replay/{folder.name}"
        self._uri = uri
        folder.mkdir(mode=0o755, parents=True)
        texts = {"main.cf": lines(_MAIN[family], case.get("main", [])), **case.get("files", {})}
        for name, source in case.get("copied", {}).items():
            texts[name] = (HERE / "files" / source).read_text()
        if "cf" in case:
            texts["table.cf"] = lines(_CF, case["cf"])
        for name, text in texts.items():
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            Lab.write(file, self.fill(text).encode("utf-8", "surrogateescape"))

    def fill(self, text: str) -> str:
        for mark, value in (
            ("@DIR@", str(self.folder)),
            ("@URI@", self._uri),
            ("@PORT@", self._uri.rpartition(":")[2]),
            ("@QUEUE@", self.queue),
        ):
            text = text.replace(mark, value)
        return text

    @property
    def maps(self) -> list[str]:
        return [self.fill(spec) for spec in self.case.get("maps", ["ldap:@DIR@/table.cf"])]


def lines(usual: Sequence[str], own: list[str] | str) -> str:
    """A text as given, or of the usual lines and its own, which replace those of equal names.

    `!NAME` leaves a usual line out.
    """
    if isinstance(own, str):
        return own
    names = {line.lstrip("!").split("=")[0].strip() for line in own if not line[:1].isspace()}
    kept = [line for line in usual if line.split(" =")[0] not in names]
    return "\n".join([*kept, *(line for line in own if not line.startswith("!")), ""])


def route(transport: str, nexthop: str, flags: int) -> str:
    """A route as trivial-rewrite(8) answers it; the flags are those of its protocol."""
    if flags & _FAIL:
        return "fail"
    if flags & _ERROR:
        return "error"
    return f"{_CLASSES[flags & 0x1F00]} {transport} {nexthop}"


def external(address: str) -> str:
    """An address of a queue file or of trivial-rewrite in the form of RFC 5321."""
    if not address:
        return "<>"
    if address.startswith("@") and ":" in address:
        source_route, _, rest = address.partition(":")
        return f"{source_route}:{external(rest)}"
    local, at, domain = address.rpartition("@") if "@" in address else (address, "", "")
    atoms = local.split(".")
    if all(atom and not any(map(_needs_quotes, atom)) for atom in atoms):
        return address
    quoted = "".join(f"\\{c}" if c in '"\\\r' else c for c in local)
    return f'"{quoted}"{at}{domain}'


def _needs_quotes(character: str) -> bool:
    return character <= " " or character == "\x7f" or character in '()<>@,;:\\"[]'
