"""From settings to a directory."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from mailldap.config.secret import read_secret
from mailldap.config.settings import Settings
from mailldap.directory.base import Writer
from mailldap.directory.open import is_file, open_directory
from mailldap.errors import ConfigError
from mailldap.ldap.schema import Schema, default_schema, load_schema_file


def open_writer(settings: Settings, *, need_base: bool = True) -> Writer:
    """Return the directory that *settings* name, with the base that it has when they name none.

    Raises ConfigError, SecretExposed, Unreachable, CouldNotAsk or LdapRefusal.
    """
    if not settings.uris:
        raise ConfigError(
            "no directory is configured",
            hint="`mailldap init --example` makes one to try; -H ldap://host or -H ldif:FILE "
            "names one",
        )
    if is_file(settings.uris):
        schema = embedded_schema(settings)
        return open_directory(settings.uris, base=settings.base, schema=schema)
    options = server_options(settings)
    if settings.base or not need_base:
        return open_directory(settings.uris, base=settings.base, **options)
    with closing(open_directory(settings.uris, **options)) as server:
        root = server.get("", ("namingContexts",))
    suffixes = root.texts("namingContexts") if root else ()
    if len(suffixes) != 1:
        raise ConfigError(
            f"no base is given, and the server has {len(suffixes)}: {'; '.join(suffixes)}",
            hint="give -b, or `base:` in mailldap.yaml",
        )
    return open_directory(settings.uris, base=suffixes[0], **options)


def server_options(settings: Settings) -> dict[str, Any]:
    """Return what *settings* say about servers, as open_directory and session_opener take it.

    Raises SecretExposed or ConfigError for the password file.
    """
    password = settings.password
    if password is None and settings.password_file and settings.bind_dn:
        password = read_secret(settings.password_file)
    return {
        "bind_dn": settings.bind_dn,
        "password": password,
        "sasl_external": settings.sasl_external,
        "start_tls": settings.start_tls,
        "ca_file": settings.ca_file,
        "verify": settings.verify,
        "connect_timeout": settings.connect_timeout,
        "timeout": settings.timeout,
        "allow_cleartext_password": settings.allow_cleartext_password,
    }


def embedded_schema(settings: Settings) -> Schema | None:
    """Return the embedded schema with the files that the settings add; None for the default.

    Raises ConfigError for a file that cannot be read, SchemaError or LdifError for what is in it.
    """
    if not settings.schema:
        return None
    schema = default_schema()
    for path in settings.schema:
        try:
            schema = schema.with_more(load_schema_file(path))
        except OSError as error:
            raise ConfigError(error.strerror or str(error), file=str(path)) from error
    return schema
