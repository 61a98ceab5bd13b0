"""Twelve at once: one owner, one success, on a file and on real servers."""

import multiprocessing
from pathlib import Path

import pytest

import mailldap
from mailldap.errors import AddressTaken, MailldapError

WRITERS = 12
ROUNDS = 6
BASE = "dc=example,dc=com"


def contend(options: dict, number: int, rounds: int, barrier, results) -> None:
    """Claim one address a round, all writers together; report (round, outcome)."""
    with mailldap.connect(**options) as mail:
        for turn in range(rounds):
            barrier.wait(60)
            try:
                result = mail.aliases.add(f"w{number}", f"prize{turn}@example.com")
                results.put((turn, number, result[0].state.value))
            except AddressTaken:
                results.put((turn, number, "taken"))
            except MailldapError as error:
                results.put((turn, number, f"{type(error).__name__}: {error}"))


def race(options: dict, rounds: int) -> None:
    with mailldap.connect(**options) as mail:
        for number in range(WRITERS):
            mail.recipients.add(
                f"w{number}", addresses=[f"w{number}@example.com"], routing=["w@mail1.internal"]
            )
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(WRITERS), context.Queue()
    writers = [
        context.Process(target=contend, args=(options, n, rounds, barrier, results), daemon=True)
        for n in range(WRITERS)
    ]
    for process in writers:
        process.start()
    reports = [results.get(timeout=120) for _ in range(WRITERS * rounds)]
    for process in writers:
        process.join(30)
    with mailldap.connect(**options) as mail:
        owners = {}
        for address, dn in mail.aliases.list():
            if address.startswith("prize"):
                owners.setdefault(address, []).append(dn)
    for turn in range(rounds):
        outcomes = [outcome for when, _, outcome in reports if when == turn]
        winners = [n for when, n, outcome in reports if when == turn and outcome == "added"]
        assert outcomes.count("added") == 1, (turn, outcomes)
        assert outcomes.count("taken") == WRITERS - 1, (turn, outcomes)
        assert owners[f"prize{turn}@example.com"] == [f"uid=w{winners[0]},ou=People,{BASE}"]


def test_on_a_file(tmp_path: Path) -> None:
    path = tmp_path / "directory.ldif"
    path.write_text(
        f"dn: {BASE}\nobjectClass: domain\ndc: example\n\n"
        f"dn: ou=People,{BASE}\nobjectClass: organizationalUnit\nou: People\n"
    )
    race({"uri": f"ldif:{path}"}, ROUNDS)


@pytest.mark.container
@pytest.mark.parametrize("server", ["slapd", "slapd_unique"])
def test_on_openldap(request: pytest.FixtureRequest, server: str) -> None:
    slapd = request.getfixturevalue(server)
    slapd.reset(None)
    race(
        {
            "uri": slapd.uri,
            "base": slapd.base,
            "bind_dn": slapd.admin_dn,
            "password": slapd.admin_password,
        },
        ROUNDS,
    )
