"""How a server is asked for by name."""

import socket

import pytest

from mailldap.directory.libldap.connect import open_channel
from mailldap.directory.libldap.uri import LibldapUri
from mailldap.errors import ApiError

#: The last two are what Python's codec for international names refuses.
NAMES = ["ldap1.internal", "münchen.example", "\udcff.example", "a..example", "a" * 64 + ".example"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_asked_for_in_its_own_bytes(name, monkeypatch) -> None:
    asked = []

    def getaddrinfo(host, port, **_more):
        asked.append((host, port))
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(ApiError, match="Name or service not known"):
        open_channel([LibldapUri("ldap", name, 389)], 1, None)
    assert asked == [(name.encode("utf-8", "surrogateescape"), 389)]
