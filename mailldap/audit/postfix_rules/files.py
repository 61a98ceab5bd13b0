"""Files: who can read secrets, what is missing or stale, what was edited by hand."""

from __future__ import annotations

import errno
import grp
import os
import re
from collections.abc import Iterator

from mailldap.audit.configuration import USUAL_DIRECTORY, Configuration, TableUse
from mailldap.audit.finding import Finding, Severity
from mailldap.audit.legacy import LegacyTable
from mailldap.audit.source import SourceFile
from mailldap.errors import ConfigError
from mailldap.postfix.changeset import interrupted
from mailldap.postfix.generate.files import MAIL_GROUP
from mailldap.postfix.generate.seal import seal_state, sealed_kind
from mailldap.tables.proxy import approved

#: The suffix of the database that postmap(1) makes, by map type.
DATABASES = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}
#: Tables whose content stands in the parameter itself.
_WRITTEN = re.compile(r"(?:^|[\s,{])(?:proxy:)?(?:static|inline):")
_CERTIFICATES = (
    "smtp_tls_CAfile", "smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_CAfile",
    "smtp_tls_cert_file", "smtp_tls_key_file", "lmtp_tls_CAfile",
)  # fmt: skip


def secret_files(conf: Configuration) -> list[tuple[SourceFile, str]]:
    """Return the files that hold a password, each with the parameter that it belongs to."""
    found = [(f, f.full_name("bind_pw")) for f in conf.ldap_tables if f.last.get("bind_pw")]
    for use in conf.tables_of("smtp_sasl_password_maps"):
        for suffix in ("", DATABASES.get(use.kind, "")):
            file = _read(conf, use.path + suffix)
            if file and use.kind != "ldap":
                found.append((file, "smtp_sasl_password_maps"))
    return list({(file.path, name): (file, name) for file, name in found}.values())


def wanted_mode(conf: Configuration, file: SourceFile) -> int:
    """Return the widest mode that a file with a secret should have."""
    proxied = any(use.proxied for use in conf.uses_of(file))
    return 0o640 if proxied else 0o600


def open_secret(conf: Configuration) -> Iterator[Finding]:
    """Find passwords that everybody on the machine can read."""
    for file, name in secret_files(conf):
        mode = file.mode or 0
        if isinstance(file, LegacyTable):
            yield Finding(
                "secret-readable",
                "error",
                file.name,
                file.last["bind_pw"].line,
                name,
                "holds a password in main.cf, which everybody on the machine has to be able to"
                " read",
                f"put the table's parameters into a file of its own, mode 0600, and name it"
                f" ldap:{USUAL_DIRECTORY}/{file.prefix}.cf instead of ldap:{file.prefix}",
            )
        elif mode & 0o007:
            yield Finding(
                "secret-readable",
                "error",
                file.name,
                None,
                name,
                f"holds a password and everybody may read it (mode {mode:04o})",
                f"chmod {wanted_mode(conf, file):o} {file.name}",
            )


def written_secret(conf: Configuration) -> Iterator[Finding]:
    """Find the relay's password as part of main.cf or master.cf, ``static:user:password``."""
    name = "smtp_sasl_password_maps"
    places = [(conf.main, setting.line, setting.value)] if (setting := conf.setting(name)) else []
    places += [
        (service.file, override.line, override.value)
        for service in conf.services
        if (override := service.overrides.get(name))
    ]
    for file, line, value in places:
        if file and _WRITTEN.search(conf.expand(value)):
            yield Finding(
                "secret-readable",
                "error",
                file.name,
                line,
                name,
                f"holds a password in {file.path.name}, which everybody on the machine may read",
                f"put it into {USUAL_DIRECTORY}/sasl_passwd, mode 0600, under the key that"
                " relayhost spells (mailldap postfix generate relay)",
            )


def closed_secret(conf: Configuration) -> Iterator[Finding]:
    """Find tables behind proxy: that proxymap(8), which runs as Postfix's user, cannot read."""
    for use in conf.tables:
        read = use.proxied and use.kind == "ldap" and not use.legacy
        file = _read(conf, use.path) if read else None
        if file is None or file.mode is None or file.mode & 0o004:
            continue
        if file.mode & 0o040 and file.gid in {mail_group(), None}:
            continue
        if file.mode & 0o040 and mail_group() is None:
            continue  # nobody here knows the group
        yield Finding(
            "secret-unreadable",
            "error",
            file.name,
            None,
            use.parameter,
            f"proxymap runs as Postfix's user and cannot read this file (mode {file.mode:04o},"
            f" group {file.gid}): every lookup through proxy: fails with 451",
            f"chgrp {MAIL_GROUP} {file.name} and chmod 640 {file.name}",
        )


def unapproved_proxy(conf: Configuration) -> Iterator[Finding]:
    """Find tables behind proxy: that proxy_read_maps does not list."""
    allowed = approved(conf.value("proxy_read_maps"))
    for use in conf.tables:
        # What changes while Postfix runs is proxy_write_maps' matter.
        if use.proxied and not _is_cache(use) and use.reference not in allowed:
            yield _about(
                use,
                "proxy-unapproved",
                "error",
                f"proxy_read_maps does not list proxy:{use.reference}: every program that opens the"
                " table dies",
                f"add proxy:{use.reference} to proxy_read_maps, or leave proxy: out",
            )


def missing_table(conf: Configuration) -> Iterator[Finding]:
    """Find tables that main.cf or master.cf name and that are not there."""
    for use in conf.tables:
        if use.legacy or _is_cache(use):
            continue
        database = DATABASES.get(use.kind)
        source = conf.exists(use.path)
        if not conf.judged(use.path):
            made = database is not None and conf.exists(use.path + database)
            if not (source or made) and (database is None or _ours(use.path)):
                yield _about(
                    use,
                    "not-checked",
                    "info",
                    f"{use.path} is not here: what is in this table was not checked",
                    "copy it beside main.cf, or check on the machine that it runs on",
                )
        elif not (conf.exists(use.path + database) if database else source):
            fix = f"run {_maker(conf, use)}" if source else f"make {use.path}"
            missing = use.path + (database or "")
            message = f"{missing} is not there: lookups fail with 451"
            yield _about(use, "table-missing", "error", message, fix)


def stale_database(conf: Configuration) -> Iterator[Finding]:
    """Find databases that are older than the text that they were made from."""
    for use in conf.tables:
        database = DATABASES.get(use.kind)
        if database is None:
            continue
        source, made = conf.locate(use.path), conf.locate(use.path + database)
        try:
            older = made.stat().st_mtime_ns < source.stat().st_mtime_ns
        except OSError:
            continue
        if older and source not in conf.overlay:  # what is in a plan is made again with it
            message = f"{made} is older than {source.name}: Postfix sees the old content"
            yield _about(use, "table-stale", "warning", message, f"run {_maker(conf, use)}")


def missing_certificate(conf: Configuration) -> Iterator[Finding]:
    """Find certificate files that are not there."""
    places = [
        (conf.main_name, conf.line(name), name, conf.value(name))
        for name in _CERTIFICATES
        if conf.setting(name) is not None
    ]
    places += [
        (table.name, setting.line, table.full_name(name), setting.value)
        for table in conf.ldap_tables
        for name in ("tls_ca_cert_file", "tls_cert", "tls_key")
        if (setting := table.last.get(name))
    ]
    for file, line, name, path in places:
        if not path.startswith("/") or "#" in path or not conf.judged(path):
            continue
        if not conf.exists(path):
            yield Finding(
                "file-missing",
                "error",
                file,
                line,
                name,
                f"{path} is not there: no TLS connection that needs it is made",
                "correct the path",
            )


def edited_by_hand(conf: Configuration) -> Iterator[Finding]:
    """Find generated files that were changed afterwards; the next run would not overwrite them."""
    for path in sorted(conf.directory.iterdir()) if conf.directory.is_dir() else ():
        content = conf.overlay.get(path)
        try:
            if not path.is_file() or path.name.startswith("."):
                continue
            content = path.read_bytes() if content is None else content
        except OSError:
            continue  # none of the files that matter here, or told by not_read
        if seal_state(content) == "edited":
            yield Finding(
                "edited-by-hand",
                "warning",
                conf.name_of(path),
                None,
                None,
                "was edited since mailldap generated it: what is in mailldap.yaml and what"
                " Postfix does differ",
                "make the change in mailldap.yaml, then mailldap postfix generate"
                f" {sealed_kind(content)} --force --dir {conf.shown or conf.directory}",
            )


def not_read(conf: Configuration) -> Iterator[Finding]:
    """Tell which files could not be looked at: their faults, if any, are not found."""
    for path, reason in conf.unread.items():
        yield Finding(
            "not-checked",
            "info",
            conf.name_of(path),
            None,
            None,
            f"{reason}: what is in this file was not checked",
            "check as root" if reason == os.strerror(errno.EACCES) else "make it a file",
        )


def cut_off(conf: Configuration) -> Iterator[Finding]:
    """Find a change of mailldap's that was cut off before all its files were written."""
    try:
        journal = interrupted(conf.directory)
    except ConfigError as error:
        if isinstance(error.__cause__, PermissionError):
            return  # root's alone, as it should be
        message, journal = str(error), conf.directory
    else:
        message = "a change was cut off before all its files were written"
    if journal is not None:
        yield Finding(
            "change-cut-off",
            "error",
            str(journal),
            None,
            None,
            message,
            "run mailldap postfix fix, which first takes it back",
        )


def _is_cache(use: TableUse) -> bool:
    """Return whether Postfix itself makes the table, and writes into it."""
    return use.parameter.endswith(
        ("_cache_database", "_cache_map", "_cache_maps", "_cache_name", "verify_map")
    )


def _ours(path: str) -> bool:
    """Return whether a file is of Postfix's own directory, which a copy brings along."""
    return path.startswith(f"{USUAL_DIRECTORY}/")


def _maker(conf: Configuration, use: TableUse) -> str:
    """Return the command that makes a database: postmap would spoil one of aliases."""
    if use.reference in {own.reference for own in conf.tables_of("alias_database")}:
        return "newaliases"
    aliases = {own.reference for own in conf.tables_of("alias_maps")}
    return f"{'postalias' if use.reference in aliases else 'postmap'} {use.reference}"


def _read(conf: Configuration, name: str) -> SourceFile | None:
    return conf.read(conf.locate(name))


def _about(use: TableUse, code: str, severity: Severity, message: str, fix: str) -> Finding:
    return Finding(code, severity, use.file.name, use.line, use.parameter, message, fix)


def mail_group() -> int | None:
    """Return the number of Postfix's group, or None where this machine has none."""
    try:
        return grp.getgrnam(MAIL_GROUP).gr_gid
    except KeyError:
        return None
