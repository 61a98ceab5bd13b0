"""An import over two connections, the next batch queued while one is made: nothing else changes."""

import contextlib
import itertools
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

import mailldap
from mailldap.directory.server import LdapServer
from mailldap.directory.transaction import Transaction
from mailldap.ldap.change import Add, Delete
from mailldap.ldap.entry import Entry
from mailldap.provision import bulk
from mailldap.provision.find import recipients
from tests.provision.test_bulk_import import PEOPLE, count, record, run

pytestmark = pytest.mark.container
TXN_START = "oid=1.3.6.1.1.21.1"


@pytest.fixture(autouse=True)
def ten_in_a_batch(monkeypatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 10)


@pytest.fixture
def committed(monkeypatch) -> list[bool]:
    """For each transaction that was made, whether the next one was queued meanwhile."""
    made = []
    commit = Transaction.commit

    def watched(self, meanwhile=None):
        made.append(False)
        place = len(made) - 1

        def look() -> None:
            meanwhile()
            made[place] = True

        return commit(self, meanwhile and look)

    monkeypatch.setattr(Transaction, "commit", watched)
    return made


@pytest.fixture
def connect(slapd) -> Iterator[Callable[..., LdapServer]]:
    slapd.reset(None)
    with contextlib.ExitStack() as stack:
        yield (
            lambda uri=slapd.uri, **options: (
                stack.enter_context(
                    mailldap.connect(
                        uri,
                        base=slapd.base,
                        bind_dn=slapd.admin_dn,
                        password=slapd.admin_password,
                        **options,
                    )
                ).directory
            )
        )


def connections(slapd, before: int) -> list[str]:
    """The connection of each transaction since then."""
    lines = slapd.logs()[before:].splitlines()
    return [
        match[0] for line in lines if TXN_START in line and (match := re.search(r"conn=\d+", line))
    ]


def test_two_connections_take_turns(slapd, connect) -> None:
    before = len(slapd.logs())
    writer = connect()
    assert run(writer, "".join(record(f"u{n}") for n in range(55))).done == 55
    # The first batch brings attributes that slapd must not see first in a transaction.
    used = connections(slapd, before)
    assert len(used) == 6
    assert len(set(used)) == 2
    assert all(one != other for one, other in itertools.pairwise(used))
    assert count(writer) == 55


BROKEN = {
    "nonsense": lambda n: record(f"u{n}", nonsense="x"),  # refused when it is queued
    "taken": lambda _: record("taken", mailQuota="1"),  # when it is made
    "orphan": lambda n: record(f"u{n}").replace("ou=People", "ou=Nowhere"),
}


@pytest.mark.parametrize("go_on", [False, True])
@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("where", [[10], [19], [25], [9, 10], [12, 21, 29, 33], range(10, 20)])
def test_refusals_are_those_of_one_after_the_other(connect, where, kind: str, go_on: bool) -> None:
    texts = [BROKEN[kind](n) if n in where else record(f"u{n}") for n in range(36)]
    texts[0] = record("taken")
    made = [f"u{n}" for n in range(1, 36) if n not in where and (go_on or n < where[0])]
    report = run(connect(), "".join(texts), go_on=go_on)
    expected = [1 + "".join(texts[:n]).count("\n") for n in where]
    assert [refused.line for refused in report.refused] == (expected if go_on else expected[:1])
    assert (report.done, report.already, report.stopped) == (1 + len(made), 0, not go_on)
    assert {found.dn for found in recipients(connect())} == {
        f"uid={uid},{PEOPLE}" for uid in ("taken", *made)
    }


def test_a_batch_may_need_the_one_before(connect, committed) -> None:
    units = [
        f"dn: ou=U{n},{PEOPLE}\nobjectClass: organizationalUnit\nou: U{n}\n\n" for n in range(10)
    ]
    people = [record(f"u{n}").replace(PEOPLE, f"ou=U{n},{PEOPLE}") for n in range(10)]
    more = [
        f"dn: uid=u{n},ou=U{n},{PEOPLE}\nchangetype: modify\nadd: mail\nmail: m{n}@example.com\n-\n\n"
        for n in range(10)
    ]
    gone = [f"dn: uid=x{n},{PEOPLE}\nchangetype: delete\n\n" for n in range(10)]
    first = [record(f"x{n}") for n in range(10)]  # uses all attributes
    writer = connect()
    report = run(writer, "".join(first + units + people + more + gone[:5]))
    assert (report.refused, report.done) == ([], 45)
    assert committed == [True, True, True, True, False]
    assert count(writer) == 15
    assert writer.get(f"uid=u9,ou=U9,{PEOPLE}").texts("mail") == (
        "u9@example.com",
        "m9@example.com",
    )


def test_an_attribute_is_not_new_in_what_is_queued(connect) -> None:
    """slapd loses what an attribute is that came in with a transaction that was given up."""
    records = [record(f"u{n}") for n in range(30)]
    records[15] = record("u15", mailQuota="5")
    records[16] = record("u1", mailQuota="6")
    report = run(connect(), "".join(records), go_on=True)
    assert (report.done, [r.change.dn for r in report.refused]) == (29, [f"uid=u1,{PEOPLE}"])
    assert connect().get(f"uid=u15,{PEOPLE}").texts("mailQuota") == ("5",)


def test_order_within_a_batch_is_kept(connect) -> None:
    """slapd takes the updates of one connection in any order; of these, the last one counts."""
    writer = connect()
    for turn in range(5):
        replaced = [
            f"dn: uid=x0,{PEOPLE}\nchangetype: modify\nreplace: mail\nmail: {turn}-{n}@example.com\n-\n\n"
            for n in range(10)
        ]
        report = run(writer, "".join([record(f"x{n}") for n in range(10)] + replaced))
        assert report.refused == []
        assert writer.get(f"uid=x0,{PEOPLE}").texts("mail") == (f"{turn}-9@example.com",)
        writer.apply(Delete(f"uid=x0,{PEOPLE}"))


def test_only_what_is_asked_for_is_made(connect) -> None:
    writer = connect()

    def accounts(name: str) -> list[Add]:
        uids = [f"{name}{n}" for n in range(3)]
        return [
            Add(Entry.of(f"uid={uid},{PEOPLE}", {"objectClass": ["account"], "uid": [uid]}))
            for uid in uids
        ]

    one, other, third = map(accounts, ("a", "b", "c"))
    assert writer.apply_batch(one, following=lambda: other) == [None] * 3
    assert writer.apply_batch(third, following=lambda: other) == [None] * 3
    assert writer.apply_batch(other[:2]) == [None] * 2
    writer.apply_batch([Delete(change.dn) for change in third], following=lambda: third)
    writer.end_batches()
    found = writer.get_many([change.dn for change in one + other + third])
    assert [entry is not None for entry in found] == [True] * 5 + [False] * 4


def test_what_is_queued_when_it_ends_is_not_made(slapd, connect, committed) -> None:
    writer = connect()
    report = run(
        writer,
        "".join(record(f"u{n}") for n in range(40)),
        stop=lambda: len(committed) == 2 and committed[1],
    )
    assert (report.done, report.stopped) == (20, True)
    assert count(connect()) == 20
    assert run(writer, "".join(record(f"u{n}") for n in range(40))).done == 20
    assert count(connect()) == 40


class Relay:
    """An address that leads the first connection to one place, the next one to another."""

    def __init__(self, *targets: Callable[[socket.socket], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        self.targets = targets
        self.accepted = 0
        self.ended = threading.Semaphore(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                target = self.targets[min(self.accepted, len(self.targets) - 1)]
                self.accepted += 1
                threading.Thread(target=self._serve, args=(target, client), daemon=True).start()

    def _serve(self, target: Callable[[socket.socket], None], client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            target(client)
        self.ended.release()


def to(server) -> Callable[[socket.socket], None]:
    def carry(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", server.port)) as other:
            ends = {client: other, other: client}
            while True:
                for one in select.select(list(ends), [], [])[0]:
                    if not (data := one.recv(1 << 16)):
                        return
                    ends[one].sendall(data)

    return carry


def hang_up(client: socket.socket) -> None:
    client.close()


def say_nothing(client: socket.socket) -> None:
    with client:
        while client.recv(1 << 16):
            pass


def bind_then(end: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    def answer(client: socket.socket) -> None:
        request = client.recv(1 << 16)
        client.sendall(b"\x30\x0c\x02\x01" + request[4:5] + b"\x61\x07\x0a\x01\x00\x04\x00\x04\x00")
        client.recv(1 << 16)
        end(client)

    return answer


@pytest.mark.parametrize(
    "other",
    [hang_up, say_nothing, bind_then(hang_up), bind_then(say_nothing)],
    ids=["hangs up", "says nothing", "hangs up later", "says nothing later"],
)
def test_a_second_connection_that_comes_to_nothing_is_done_without(slapd, connect, other) -> None:
    relay = Relay(to(slapd), other)
    writer = connect(relay.uri, timeout=0.5, connect_timeout=0.5)
    report = run(writer, "".join(record(f"u{n}") for n in range(40)))
    assert (report.done, report.complete) == (40, True)
    assert relay.accepted == 2
    assert relay.ended.acquire(timeout=10)
    assert not relay.ended.acquire(blocking=False)
    assert count(writer) == 40


def test_a_second_connection_may_lead_to_another_server(slapd, slapd_unique, connect) -> None:
    """Behind one address for several, which have not heard of each other's last changes."""
    slapd_unique.reset(None)
    relay = Relay(to(slapd), to(slapd_unique))
    units = [
        f"dn: ou=U{n},{PEOPLE}\nobjectClass: organizationalUnit\nou: U{n}\n\n" for n in range(10)
    ]
    people = [record(f"u{n}").replace(PEOPLE, f"ou=U{n},{PEOPLE}") for n in range(10)]
    first = [record(f"x{n}") for n in range(10)]
    more = [record(f"y{n}") for n in range(20)]
    writer = connect(relay.uri)
    report = run(writer, "".join(first + units + people + more))
    assert (report.refused, report.done) == ([], 50)
    assert relay.accepted == 2
    assert relay.ended.acquire(timeout=10)  # from then on it keeps to one
    assert writer.get(f"uid=u1,ou=U1,{PEOPLE}") is not None
