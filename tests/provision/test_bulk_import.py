"""Import: everything the file says, or a report of what is missing; a second run finishes."""

import io
import itertools

import pytest

import mailldap
from mailldap.directory.bulk_write import independent
from mailldap.errors import CouldNotAsk
from mailldap.ldap.change import Add, Delete, Rename
from mailldap.ldap.entry import Entry
from mailldap.provision import bulk
from mailldap.provision.bulk import BATCH, ImportOptions, import_ldif
from mailldap.provision.find import recipients
from mailldap.provision.journal import DryRun

PEOPLE = "ou=People,dc=example,dc=com"


def record(uid: str, **more: str) -> str:
    lines = {
        "uid": uid,
        "mail": f"{uid}@example.com",
        "mailRoutingAddress": f"{uid}@mail1.internal",
    }
    lines |= more
    return (
        f"dn: uid={uid},{PEOPLE}\nobjectClass: account\nobjectClass: mailRecipient\n"
        + "".join(f"{name}: {value}\n" for name, value in lines.items())
        + "\n"
    )


def run(writer, text: str, **options):
    return import_ldif(writer, io.BytesIO(text.encode()), "x.ldif", ImportOptions(**options))


@pytest.fixture
def slapd_writer(slapd):
    slapd.reset(None)
    with mailldap.connect(
        slapd.uri, base=slapd.base, bind_dn=slapd.admin_dn, password=slapd.admin_password
    ) as mail:
        yield mail.directory


@pytest.fixture(params=["memory", "ldif", "slapd", "slapd without transactions"])
def target(request: pytest.FixtureRequest, monkeypatch):
    """Every kind of directory; `writer` is parametrized itself, so each is asked for by name."""
    if not request.param.startswith("slapd"):
        from mailldap.directory.ldif_file import LdifDirectory
        from mailldap.directory.memory import MemoryDirectory
        from tests.provision.conftest import BASE, LDIF, TREE

        if request.param == "memory":
            return MemoryDirectory(TREE, base=BASE)
        path = request.getfixturevalue("tmp_path") / "directory.ldif"
        path.write_text(LDIF)
        return LdifDirectory(path)
    writer = request.getfixturevalue("slapd_writer")
    if "without" in request.param:
        monkeypatch.setattr(type(writer), "has_transactions", False)
    return writer


def count(writer) -> int:
    return sum(1 for _ in recipients(writer))


def test_all_of_it_and_again(target) -> None:
    text = "".join(record(f"u{n}") for n in range(BATCH + 50))
    seen = []
    report = run(target, text, progress=lambda r, size: seen.append((r.done, size)))
    assert (report.done, report.already, report.complete) == (BATCH + 50, 0, True)
    assert seen[-1] == (BATCH + 50, len(text))
    assert count(target) == BATCH + 50
    again = run(target, text)
    assert (again.done, again.already, again.complete) == (0, BATCH + 50, True)


def test_a_refused_entry_is_named_and_stops_the_import(target) -> None:
    text = record("a") + record("bad", nonsense="x") + record("b")
    report = run(target, text)
    assert report.stopped
    assert not report.complete
    assert [refused.line for refused in report.refused] == [8]
    assert report.refused[0].change.dn == f"uid=bad,{PEOPLE}"
    assert target.get(f"uid=a,{PEOPLE}") is not None
    assert target.get(f"uid=bad,{PEOPLE}") is None


def test_an_import_can_go_on_past_refusals(target) -> None:
    broken = [0, 7, 8, 30, 59]
    text = "".join(record(f"u{n}", **({"nonsense": "x"} if n in broken else {})) for n in range(60))
    report = run(target, text, go_on=True)
    assert not report.stopped
    assert report.done == 60 - len(broken)
    lines = text.split("\n")
    assert [lines[r.line - 1] for r in report.refused] == [f"dn: uid=u{n},{PEOPLE}" for n in broken]
    assert count(target) == 60 - len(broken)


def test_an_entry_that_differs_is_refused_not_overwritten(target) -> None:
    run(target, record("a"))
    report = run(target, record("a", mailQuota="5") + record("b"), go_on=True)
    assert [r.error.code for r in report.refused] == ["entry-exists"]
    assert report.done == 1
    assert target.get(f"uid=a,{PEOPLE}").values("mailQuota") == ()


def test_change_records_in_their_order_and_again(target) -> None:
    text = record("a") + (
        f"dn: uid=a,{PEOPLE}\nchangetype: modify\nadd: mail\nmail: x@example.com\n-\n"
        f"delete: mail\nmail: a@example.com\n-\n\n"
        f"dn: uid=a,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=z\ndeleteoldrdn: 1\n\n"
        f"dn: ou=Sub,{PEOPLE}\nobjectClass: organizationalUnit\nou: Sub\n\n"
        f"dn: uid=k,ou=Sub,{PEOPLE}\nobjectClass: account\nuid: k\n\n"
        f"dn: uid=k,ou=Sub,{PEOPLE}\nchangetype: delete\n\n"
    )
    report = run(target, text)
    assert (report.done, report.complete) == (6, True)
    assert target.get(f"uid=z,{PEOPLE}").texts("mail") == ("x@example.com",)
    changes_only = text[len(record("a")) :]
    again = run(
        target,
        changes_only.replace(
            f"dn: uid=a,{PEOPLE}\nchangetype: modify", f"dn: uid=z,{PEOPLE}\nchangetype: modify"
        ),
    )
    assert again.complete


def test_the_last_entry_below_another_may_go_in_company(target) -> None:
    """slapd refuses that in a transaction with other (80)."""
    units = [f"ou=U{n},{PEOPLE}" for n in range(5)]
    text = "".join(f"dn: {dn}\nobjectClass: organizationalUnit\nou: {dn[3:5]}\n\n" for dn in units)
    text += "".join(f"dn: uid=k,{dn}\nobjectClass: account\nuid: k\n\n" for dn in units)
    gone = "".join(f"dn: uid=k,{dn}\nchangetype: delete\n\n" for dn in units)
    assert run(target, text).done == 10
    report = run(target, gone)
    assert (report.done, report.refused) == (5, [])
    assert [target.get(f"uid=k,{dn}") for dn in units] == [None] * 5


def test_a_dry_run_refuses_what_the_directory_would(target) -> None:
    run(target, record("a"))
    nobody = f"dn: uid=no,{PEOPLE}\nchangetype: modify\nadd: mail\nmail: no@example.com\n-\n\n"
    renamed = f"dn: uid=b,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=c\ndeleteoldrdn: 1\n\n"
    gone = f"dn: uid=c,{PEOPLE}\nchangetype: delete\n\n"
    text = record("a", mailQuota="5") + record("b") + nobody + renamed + gone + gone
    planned = DryRun(target)
    report = run(planned, text, go_on=True)
    assert [r.error.code for r in report.refused] == ["entry-exists", "no-such-object"]
    assert (report.done, report.already, len(planned.changes)) == (3, 1, 3)
    assert count(target) == 1
    real = run(target, text, go_on=True)
    assert [r.change.dn for r in real.refused] == [r.change.dn for r in report.refused]
    assert (real.done, real.already) == (3, 1)


def test_a_second_run_ends_as_the_first_one_did(target) -> None:
    gone = f"dn: uid=x,{PEOPLE}\nchangetype: delete\n\n"
    text = record("a") + record("x") + gone + record("b")
    for done, already in ((4, 0), (2, 2)):
        report = run(target, text)
        assert (report.done, report.already, report.complete) == (done, already, True)
        assert target.get(f"uid=x,{PEOPLE}") is None


def test_a_fault_anywhere_in_a_file_keeps_all_of_it_out(target) -> None:
    text = record("a") + "dn: uid=b\nmail:: !!!\n\n" + record("c") + "nonsense\n\n"
    report = run(target, text)
    assert {fault.line for fault in report.faults} == {9, 18}
    assert count(target) == 0
    report = run(target, text, go_on=True)
    assert report.done == 2
    assert not report.complete


def test_a_pipe_is_read_once_up_to_its_first_fault(target) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    text = record("a") + "nonsense\n\n" + record("c")
    report = import_ldif(target, Pipe(text.encode()), "stdin")
    assert report.stopped
    assert {fault.line for fault in report.faults} == {8}
    assert target.get(f"uid=c,{PEOPLE}") is None


def test_killed_at_any_moment_a_second_run_finishes(target, monkeypatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 10)
    text = "".join(record(f"u{n}") for n in range(35))

    def die(report, _size) -> None:
        if report.done >= 20:
            raise CouldNotAsk("killed")

    with pytest.raises(CouldNotAsk):
        run(target, text, progress=die)
    report = run(target, text)
    assert report.complete
    assert report.done + report.already == 35
    assert count(target) == 35


def test_asked_to_stop_it_counts_what_was_made(target) -> None:
    text = "".join(record(f"u{n}") for n in range(BATCH + 500))
    made = stops = 0
    # While the file is looked through, between batches, and among changes that wait for their
    # answers, wherever the question is put for that time.
    for times in (3, *range(6, 12), *range(12, 3000, 60)):
        asked = itertools.count()
        report = run(target, text, stop=lambda n=times, asked=asked: next(asked) >= n)
        made += report.done
        if not report.stopped:
            break
        stops += 1
        assert not report.complete
        assert made == count(target)
    assert stops > 1
    assert report.complete
    assert made == count(target) == BATCH + 500


def test_refused_records_can_be_handed_over(target) -> None:
    text = "".join(record(f"u{n}", **({"nonsense": "x"} if n % 3 else {})) for n in range(30))
    told = []
    report = run(target, text, go_on=True, on_refused=told.append)
    assert (report.done, report.refusals, report.refused) == (10, 20, [])
    assert [text.split("\n")[r.line - 1] for r in told] == [f"dn: {r.change.dn}" for r in told]
    assert len(told) == 20


def test_changes_that_depend_on_each_other_are_told_apart() -> None:
    def add(dn: str) -> Add:
        return Add(Entry(dn, ()))

    assert independent([add("uid=a,ou=x"), add("uid=b,ou=x"), Delete("uid=c,ou=x")])
    assert not independent([add("uid=a,ou=x"), add("uid=A,OU=X")])
    assert not independent([add("ou=x"), add("uid=a,ou=X")])
    assert not independent([add("uid=a, ou=x")])
    assert not independent([add("uid=a\\,b,ou=x")])
    assert not independent([Rename("uid=a,ou=x", "uid=b")])


def again(uid: str) -> str:
    return f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: People\n\n" + record(uid)


@pytest.mark.parametrize(
    "before",
    [
        f"dn: UID=ann , {PEOPLE}\nchangetype: delete\n\n",
        f"dn: userid=ann,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=b\ndeleteoldrdn: 1\n\n",
        f"dn: {PEOPLE}\nchangetype: modrdn\nnewrdn: ou=Old\ndeleteoldrdn: 1\n\n" + again("c"),
    ],
)
def test_what_goes_and_comes_again_in_one_file_is_there_at_its_end(target, before: str) -> None:
    run(target, record("ann"))
    # The entry that is there already makes the import look ahead for others.
    report = run(target, again("ann").replace(record("ann"), "") + before + record("ann"))
    assert report.complete
    assert target.get(f"uid=ann,{PEOPLE}") is not None


@pytest.mark.parametrize(
    ("name", "there", "other"),
    [
        ("userPassword", "Secret", "secret"),
        ("labeledURI", "http://x/A", "http://x/a"),
        ("description", "straße", "strasse"),
    ],
)
def test_values_that_the_directory_tells_apart_are_not_there_already(
    target, name: str, there: str, other: str
) -> None:
    more = {"objectClass": "labeledURIObject\nobjectClass: simpleSecurityObject"}
    more |= {"userPassword": "x", name: there}
    run(target, record("ann", **more))
    assert run(target, record("ann", **more)).already == 1
    report = run(target, record("ann", **more | {name: other}))
    assert (report.already, report.refusals) == (0, 1)


def test_what_a_server_spells_otherwise_is_there_already(target) -> None:
    short = f"dn: userid=ann,{PEOPLE}\nobjectClass: account\nseeAlso: CN=a , {PEOPLE}\n\n"
    assert run(target, short).complete
    report = run(target, short)
    assert (report.complete, report.already) == (True, 1)


@pytest.mark.parametrize("dn", ["nosuch=x", "uid=a+uid=b"])
def test_a_name_that_no_directory_takes_is_one_refusal(target, dn: str) -> None:
    text = f"dn: {dn},{PEOPLE}\nchangetype: delete\n\n" + record("ann")
    text += f"dn: {dn},{PEOPLE}\nobjectClass: account\nuid: a\n\n" + record("bob")
    for done in 2, 0:
        report = run(target, text, go_on=True)
        assert [refused.error.result for refused in report.refused] == [34, 34]
        assert (report.done, report.already) == (done, 2 - done)
