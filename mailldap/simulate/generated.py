"""The Postfix that does not exist yet: simulated with the files that the settings generate."""

from __future__ import annotations

import errno
from dataclasses import replace

from mailldap.config.settings import Settings
from mailldap.directory.base import SessionOpener
from mailldap.postfix.generate.generate import generate
from mailldap.postfix.lines import decode
from mailldap.postfix.main_cf import MainCf
from mailldap.tables.base import TableContext

#: Debian 12's package writes this; without it Postfix runs with the defaults of ten years ago.
_COMPATIBILITY = "compatibility_level = 3.6\n"


def generated_postfix(
    settings: Settings, open_session: SessionOpener
) -> tuple[MainCf, TableContext]:
    """Return the generated main.cf, and what its tables need to be asked.

    The files are made in memory and handed to the tables; *open_session* decides which directory
    answers. Raises ConfigError where the settings cannot be written as Postfix files.
    """
    if not settings.ldap_hosts:  # an LDIF file stands in for servers that nobody has named
        postfix = replace(settings.postfix, hosts=("ldap://localhost",))
        settings = replace(settings, postfix=postfix)
    folder = settings.postfix.config_directory.rstrip("/")
    main, aliases = generate("main", settings)[0], generate("aliases", settings)[0]
    contents = {f"{folder}/{file.name}": file.content for file in (main, aliases)}

    def read_file(path: str) -> bytes:
        try:
            return contents[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path) from None

    text = _COMPATIBILITY + decode(main.content)
    parsed = MainCf.parse(text, f"{folder}/main.cf", directory=folder)
    context = TableContext(
        open_session=open_session,
        parameter=parsed.lookup,
        config_directory=folder,
        read_file=read_file,
    )
    return parsed, context
