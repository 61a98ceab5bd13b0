"""mailldap's answers, asked for at its command line and brought into the form of cases.py."""

import io
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr

from mailldap.cli.app import execute
from tests.real.replay.cases import Place, external

_OUTCOMES = {"deliver": 0, "reject": 1, "defer": 75}


def run(argv: Sequence[str]) -> tuple[int, str]:
    """Exit status and stdout of one command line, run in this process."""
    with tempfile.TemporaryFile() as stdout, redirect_stderr(io.StringIO()):
        kept = os.dup(1)
        os.dup2(stdout.fileno(), 1)
        try:
            status = execute(argv, {"LDAPNOINIT": "1"})
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        stdout.seek(0)
        return status, stdout.read().decode("utf-8", "surrogateescape")


class Asker:
    """Asks about laid-out cases; *directory* (ldif:…) takes the place of the tables' servers."""

    def __init__(self, directory: str | None = None) -> None:
        self._directory = directory

    def __call__(self, family: str, place: Place, question: object) -> object:
        form, status = self._form(getattr(self, f"_{family}_words")(place, question), place)
        if "error" in form and "key" not in form:
            return {"status": status}
        return getattr(self, f"_{family}")(form, status)

    def _form(self, words: list[str], place: Place) -> tuple[dict, int]:
        stands_in = place.case.get("servers", "ldif") == "ldif" and self._directory
        status, text = run([*(["-H", self._directory] if stands_in else []), *words])
        return json.loads(text), status

    @staticmethod
    def _lookups_words(place: Place, key: str) -> list[str]:
        maps = [word for spec in place.maps for word in ("--table", spec)]
        options = place.case.get("options", [])
        return ["lookup", "-o", "json", "-c", str(place.folder), *options, *maps, "--", key]

    @staticmethod
    def _lookups(form: dict, status: int) -> object:
        assert status == {"found": 0, "not-found": 1, "error": 75}[form["status"]]
        return form["value"] if status != 75 else {"status": 75}

    @staticmethod
    def _expansions_words(place: Place, address: str) -> list[str]:
        return ["resolve", "-o", "json", "-c", str(place.folder), "--", address]

    @staticmethod
    def _expansions(form: dict, status: int) -> object:
        assert status == _OUTCOMES[form["outcome"]]
        if not form["recipients"]:
            assert (form["outcome"] == "reject") == form["dsn"].startswith("5")
            return f"{form['dsn']} {form['reason']}"
        return [[one["address"], _route(one)] for one in form["recipients"]]

    @staticmethod
    def _routes_words(place: Place, question: str | list[str]) -> list[str]:
        address, *sender = [question] if isinstance(question, str) else question
        options = ["--sender", *sender] if sender else []
        if address and not address.startswith("@"):
            address = external(address)  # the question is in internal form, trivial-rewrite's
        return ["route", "-o", "json", "-c", str(place.folder), *options, "--", address]

    @staticmethod
    def _routes(form: dict, status: int) -> object:
        (one,) = form["recipients"]
        assert status == _OUTCOMES[form["outcome"]]
        assert one["outcome"] == form["outcome"]
        found = _route(one)
        return found if found in {"error", "fail"} else [one["address"], found]

    @staticmethod
    def _senders_words(place: Place, question: list[str]) -> list[str]:
        login, address = question
        client = place.case.get("client", "127.0.0.1")
        words = ["-c", str(place.folder), "--client", client, "--", login, address]
        return ["sender", "check", "-o", "json", *words]

    @staticmethod
    def _senders(form: dict, status: int) -> object:
        assert status == {True: 0, False: 1, None: 75}[form["allowed"]]
        assert (form["reply"] is None) == (form["allowed"] is True)
        return form["reply"]


def _route(recipient: dict) -> str:
    dsn, reason, transport = recipient["dsn"], recipient["reason"], recipient["transport"]
    if (transport, dsn, reason) == ("error", "5.1.3", "bad address syntax"):
        return "error"
    if (transport, dsn, reason) == ("retry", "4.3.0", "address resolver failure"):
        return "fail"
    assert (recipient["outcome"] == "deliver") == (transport not in {"error", "retry"})
    return f"{recipient['class']} {transport} {recipient['nexthop']}"
