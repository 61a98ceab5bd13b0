"""Records what the real programs answer to the cases, and writes it into their files.

    python -m tests.real.replay.record [lookups|expansions|routes|senders]…

A case that is added with `null` for each answer gets its answers here. test_replay.py calls the
same code and compares.
"""

import json
import sys

from tests.containers import Engine, free_port
from tests.real.replay.cases import FAMILIES, HERE, Place, external, load, route, save
from tests.servers import Lab, Slapd

_QUIET = {"LDAPNOINIT": "1", "LC_ALL": "C.UTF-8"}


def directory(uri: str) -> bytes:
    """The directory of the cases, whose referrals lead to *uri*."""
    return (HERE / "directory.ldif").read_bytes().replace(b"@URI@", uri.encode())


def empty(slapd: Slapd) -> None:
    """Empties the server; its own reset does not remove referral objects."""
    as_admin = ["-x", "-H", "ldapi:///", "-D", slapd.admin_dn, "-w", slapd.admin_password]
    slapd.exec(["ldapdelete", *as_admin, "-M", "-r", f"ou=Refs,{slapd.base}"])


def record(family: str, cases: list[dict], lab: Lab, slapd: Slapd) -> list[list[list[object]]]:
    """The question and answer pairs of each case."""
    folder = lab.folder(f"replay-{family}")
    places = [Place(family, case, folder / case["name"], slapd.uri) for case in cases]
    recorder = _lookups if family == "lookups" else _postfix
    empty(slapd)
    slapd.reset(directory(slapd.uri))
    try:
        answers = iter(recorder(family, places, lab))
    finally:
        empty(slapd)
    return [[[question, next(answers)] for question, _ in case["ask"]] for case in cases]


def _in_lab(lab: Lab, script: str, jobs: object) -> list:
    program = (HERE / script).read_text()
    done = lab.exec(["python3", "-c", program], json.dumps(jobs).encode(), _QUIET)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    return json.loads(done.stdout)


def _lookups(family: str, places: list[Place], lab: Lab) -> list[object]:
    jobs = []
    for place in places:
        words = ["postmap", "-c", str(place.folder), *place.case.get("options", []), "-q"]
        jobs += [[[*words, key, *place.maps], ""] for key, _ in place.case["ask"]]
    return [_lookup(*done) for done in _in_lab(lab, "lab_postmap.py", jobs)]


def _lookup(status: int, stdout: str, stderr: str) -> object:
    """postmap's exit status does not tell failures from keys that are not there; its words do."""
    if status == 0:
        return stdout.removesuffix("\n")
    if "fatal:" not in stderr:
        return None
    return {"status": 75 if ": query error" in stderr else 78}


def _postfix(family: str, places: list[Place], lab: Lab) -> list[object]:
    jobs = [
        {
            "dir": str(place.folder),
            "queue": place.queue,
            "port": free_port(),
            "before": [place.fill(command) for command in place.case.get("before", [])],
            "asks": [_question(family, place.case, question) for question, _ in place.case["ask"]],
        }
        for place in places
    ]
    found = _in_lab(lab, "lab_postfix.py", jobs)
    return [_answer(family, answer) for answers in found for answer in answers]


def _question(family: str, case: dict, question: str | list[str]) -> list[object]:
    if family == "expansions":
        return ["mail", question]
    if family == "routes":
        address, sender = (question, "") if isinstance(question, str) else question
        return ["resolve", address, sender]
    options = {name: case[name] for name in ("client", "sasl") if name in case}
    return ["sender", *question, options]


def _answer(family: str, answer: object) -> object:
    if family == "expansions":
        if isinstance(answer, str):
            return answer.partition(" ")[2]  # the code is told by the outcome
        return [[external(name), route(how[0], how[1], how[3])] for name, how in answer]
    if family == "routes":
        transport, nexthop, recipient, flags = answer
        found = route(transport, nexthop, flags)
        return found if found in {"error", "fail"} else [external(recipient), found]
    return answer


def main() -> None:
    engine = Engine()
    engine.build("openldap", "lab")
    lab = Lab(engine)
    port = free_port()
    urls = f"ldap://127.0.0.1:{port}/ ldapi:///"
    place = engine.run("openldap", env={"URLS": urls, "NOSYNC": "1"}, options=["--network", "host"])
    try:
        slapd = Slapd(place, port, "dc=example,dc=com", unique=False)
        for family in sys.argv[1:] or FAMILIES:
            content = load(family)
            for case, pairs in zip(
                content["cases"], record(family, content["cases"], lab, slapd), strict=True
            ):
                case["ask"] = pairs
            save(family, content)
    finally:
        lab.remove()
        engine.close()


if __name__ == "__main__":
    main()
