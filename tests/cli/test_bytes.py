"""Whatever bytes and characters are written: validated, escaped, or refused, never a crash."""

import pytest

JANE = "uid=jane.doe,ou=People,dc=example,dc=com"


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("recipient", "set", "jane.doe", "cn=\udcff"), 77),
        (("recipient", "set", "jane.doe", "na\nme=x"), 77),
        (("recipient", "set", "jane.doe", "userPassword=x"), 2),
        (("recipient", "set", "jane.doe", "userPassword;lang-en=x"), 2),
        (("recipient", "set", "jane.doe", "mail=x@example.com"), 2),
        (("recipient", "rename", "jane.doe", "\udcff"), 65),
        (("recipient", "rename", "jane.doe", "j\x1b"), 65),
        (("recipient", "rename", "jane.doe", ""), 65),
        (("recipient", "rename", "jane.doe", "j\nuid: x"), 65),
        (("recipient", "add", "\udcff", "-a", "q@example.com", "-r", "q@b.test"), 65),
        (("recipient", "add", "", "-a", "q@example.com", "-r", "q@b.test"), 65),
        (("recipient", "add", "u", "--name", "\x1b", "-a", "q@example.com", "-r", "q@b.test"), 65),
        (("alias", "add", "jane.doe", "ä@example.com"), 65),
        (("routing", "add", "jane.doe", "@example.com"), 65),
    ],
)
def test_what_is_no_value_is_refused(example, argv, status: int) -> None:
    before = example("export", "ldif").out
    done = example(*argv)
    assert done.status == status, done
    assert "internal error" not in done.err
    assert "\x1b" not in done.err
    assert example("export", "ldif").out == before


@pytest.mark.parametrize("uid", ["a,b+c=d", "#x", "a b", "ä", "🙂", "x\\y", '"q"', "a;b<c>"])
def test_any_printable_uid_names_an_entry(example, uid: str) -> None:
    words = ("--address", "q@example.com", "--routing", "q@b.test")
    assert example("recipient", "add", uid, *words).status == 0
    assert example("recipient", "add", "--", uid, *words).status in {0, 2}
    assert f"  uid: {uid}\n" in example("recipient", "show", uid).out
    assert example("recipient", "rename", uid, "plain").status == 0
    assert example("recipient", "rename", "plain", uid).status == 0
    assert example("lookup", "q@example.com").out == "q@b.test\n"
    assert example("recipient", "remove", "--yes", uid).status == 0


def test_equal_addresses_are_one(example) -> None:
    planned = example("-n", "alias", "add", "jane.doe", "new@example.com", "New@Example.com").out
    assert planned.count("add: mail") == 1
    done = example("alias", "add", "jane.doe", "new@example.com", "New@Example.com")
    assert done.out == f"* added\tmail: new@example.com\t{JANE}\n"
    done = example("routing", "add", "jane.doe", "n@b.test", "N@B.test", "m@b.test")
    assert done.out.count("* added") == 2
