"""Configuration sets that the audit tests write and check."""

import shutil
from pathlib import Path

from mailldap.audit.check import check
from mailldap.config.settings import CyrusSettings, RelaySettings, SendersSettings, Settings
from mailldap.postfix.generate.files import Secrets

HERE = Path(__file__).parent
HOWTO = HERE / "howto"
STOCK = HERE / "stock"

#: An LDAP table without a fault.
TABLE = """\
server_host = ldap://ldap1.internal ldap://ldap2.internal
version = 3
timeout = 4
bind = no
search_base = dc=example,dc=com
query_filter = (&(objectClass=mailRecipient)(mail=%s))
result_attribute = mailRoutingAddress
"""
#: main.cf and master.cf without a fault.
MAIN = """\
myhostname = mx.internal
mydestination = $myhostname
virtual_alias_domains = example.com
virtual_alias_maps = ldap:/etc/postfix/ldap-aliases.cf
"""
MASTER = """\
smtp      inet  n       -       n       -       -       smtpd
cleanup   unix  n       -       n       -       0       cleanup
rewrite   unix  -       -       n       -       -       trivial-rewrite
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
local     unix  -       n       n       -       -       local
error     unix  -       -       n       -       -       error
"""
#: Lines for clients that log in; the map is named, and nothing makes use of it yet.
LOGIN = (
    "smtpd_sasl_auth_enable = yes\nsmtpd_tls_cert_file = /c\n"
    "smtpd_sender_login_maps = ldap:/etc/postfix/ldap-aliases.cf\n"
)  # fmt: skip
CLEAN = {"main.cf": MAIN, "master.cf": MASTER, "ldap-aliases.cf": TABLE}
#: A relay that gives its password to nobody else.
RELAY = """\
relayhost = [smtp.gmail.com]:587
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd
smtp_sasl_security_options = noanonymous, noplaintext
smtp_sasl_tls_security_options = noanonymous
smtp_tls_security_level = secure
smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt
"""

EVERYTHING = Settings(
    uris=("ldap://ldap1.internal", "ldap://ldap2.internal"), base="dc=example,dc=com"
)
SECRETS = Secrets(relay_password="correct horse")


def everything(**postfix):
    """Settings with every part configured."""
    import dataclasses

    values = {
        "senders": SendersSettings(),
        "relay": RelaySettings(username="user.name@gmail.com"),
        "cyrus": CyrusSettings(),
        **postfix,
    }
    return dataclasses.replace(
        EVERYTHING, postfix=dataclasses.replace(EVERYTHING.postfix, **values)
    )


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files into *folder*, 0600 those that begin with sasl or hold a password."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        path.write_bytes(content)
        private = name.startswith("sasl") or b"bind_pw" in content
        path.chmod(0o600 if private else 0o644)
    return folder


def copy(folder: Path, name: str) -> Path:
    """Copy one host of the how-to's files into *folder*."""
    shutil.copytree(HOWTO / name, folder)
    if (folder / "sasl_passwd").exists():
        (folder / "sasl_passwd").chmod(0o600)
    return folder


def codes(folder: Path, **more) -> list[str]:
    return [finding.code for finding in check(folder, **more)]


def places(folder: Path, **more) -> set[tuple[str, str, int | None, str | None]]:
    """Code, file name, line and parameter of each finding."""
    return {(f.code, Path(f.file).name, f.line, f.parameter) for f in check(folder, **more)}


def read(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every file, backups left out."""
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mode & 0o7777)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and "mailldap-backup" not in p.parts
    }
