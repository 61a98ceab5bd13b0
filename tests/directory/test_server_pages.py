"""Pages of a search on LdapServer (RFC 2696), against scripted servers."""

import pytest

from mailldap.directory.base import Scope
from mailldap.errors import CouldNotAsk, SizeLimitExceeded
from mailldap.ldap.filter import Present
from tests.directory.fake_server import (
    directory,
    entry,
    everything,
    message,
    number,
    polite,
    result,
    tlv,
)


def paging(pages, limit=None):
    """A handler that pages as RFC 2696 has it; *limit* breaks the connection before that page."""

    def handle(connection):
        while request := connection.read():
            message_id, tag, content = request
            if tag == 0x42:
                return
            page = int(content.rpartition(b"cookie")[2][:1]) if b"cookie" in content else 0
            if page == limit:
                return
            more = b"cookie%d" % (page + 1) if page + 1 < len(pages) else b""
            control = tlv(
                0x30,
                tlv(4, b"1.2.840.113556.1.4.319"),
                tlv(4, tlv(0x30, number(0), tlv(4, more))),
            )
            connection.send(
                *(message(message_id, e) for e in pages[page]),
                message(message_id, result(0x65), control),
            )

    return handle


PAGES = [[entry(f"uid={p}{i}") for i in range(3)] for p in range(3)]
NAMES = [f"uid={p}{i}" for p in range(3) for i in range(3)]


class TestPages:
    def test_pages_follow_each_other(self):
        with directory(paging(PAGES)) as made:
            assert [e.dn for e in everything(made)] == NAMES

    def test_a_server_without_pages_gives_all(self):
        with directory(polite(*PAGES[0])) as made:
            assert [e.dn for e in everything(made)] == NAMES[:3]

    def test_a_search_within_a_search_disturbs_neither(self):
        with directory(paging(PAGES)) as made:
            outer = made.search("dc=x", Scope.SUB, "(mail=*)")
            seen = [next(outer).dn]
            assert [e.dn for e in everything(made)] == NAMES
            assert seen + [e.dn for e in outer] == NAMES

    def test_a_connection_that_breaks_between_pages_is_told(self):
        with directory(paging(PAGES, limit=2)) as made:
            found = made.search("dc=x", Scope.SUB, "(mail=*)")
            assert [next(found).dn for _ in range(6)] == NAMES[:6]
            with pytest.raises(CouldNotAsk):
                next(found)


def in_pages(made):
    pages = made.search_pages("dc=x", Scope.SUB, Present("mail"))
    return [[dn.decode() for dn, _ in page] for page in pages]


class TestPagesAtOnce:
    def test_they_are_what_the_server_makes_of_them(self):
        with directory(paging(PAGES)) as made:
            assert in_pages(made) == [NAMES[:3], NAMES[3:6], NAMES[6:]]
        with directory(polite(*PAGES[0])) as made:
            assert in_pages(made) == [NAMES[:3]]

    def test_another_search_disturbs_nothing(self):
        with directory(paging(PAGES)) as made:
            pages = made.search_pages("dc=x", Scope.SUB, Present("mail"))
            next(pages)
            assert [e.dn for e in everything(made)] == NAMES
            assert sum(map(len, pages)) == 6

    def test_the_next_one_is_asked_for_before_one_is_given(self):
        asked = []

        def handle(connection):
            read = connection.read
            connection.read = lambda: asked.append(read()) or asked[-1]
            paging(PAGES)(connection)

        with directory(handle) as made:
            pages = made.search_pages("dc=x", Scope.SUB, Present("mail"))
            next(pages)
            next(pages)
            searches = [request for request in asked if request and request[1] == 0x63]
            assert len(searches) >= 2

    def test_errors_come_behind_the_entries(self):
        with directory(polite(*PAGES[0], code=4)) as made:
            pages = made.search_pages("dc=x", Scope.SUB, Present("mail"))
            assert len(next(pages)) == 3
            with pytest.raises(SizeLimitExceeded):
                next(pages)
        with directory(paging(PAGES, limit=2)) as made:
            pages = made.search_pages("dc=x", Scope.SUB, Present("mail"))
            assert sum(len(next(pages)) for _ in range(2)) == 6
            with pytest.raises(CouldNotAsk):
                next(pages)
