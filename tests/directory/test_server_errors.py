"""Every exception that ldap3 knows has a counterpart of ours."""

import inspect

import ldap3.core.exceptions as theirs
import pytest

from mailldap.directory.ldap3_errors import convert, is_mapped
from mailldap.errors import (
    ConfigError,
    CouldNotAsk,
    EntryExists,
    LdapRefusal,
    MailldapError,
    Unreachable,
    from_result,
)

CLASSES = [
    kind
    for _, kind in inspect.getmembers(theirs, inspect.isclass)
    if issubclass(kind, theirs.LDAPException)
]
#: The roots, which ldap3 never raises themselves.
ROOTS = {theirs.LDAPException, theirs.LDAPExceptionError}


def test_ldap3_has_the_classes_that_we_look_at():
    assert len(CLASSES) > 100


@pytest.mark.parametrize("kind", [c for c in CLASSES if c not in ROOTS], ids=lambda c: c.__name__)
def test_none_is_unmapped(kind):
    assert is_mapped(kind)
    if issubclass(kind, theirs.LDAPOperationResult):
        ours = convert(kind(result=53, message="words"), "ldap://host")
        assert isinstance(ours, LdapRefusal)
        assert str(ours) == "unwillingToPerform (53): words"
    else:
        ours = convert(kind("words"), "ldap://host")
        assert isinstance(ours, MailldapError)
        assert str(ours).startswith("ldap://host: ")
        assert "words" in str(ours)


def test_results_keep_code_and_words():
    error = theirs.LDAPOperationResult(result=68, description="entryAlreadyExists", message="there")
    ours = convert(error, "ldap://host")
    assert isinstance(ours, EntryExists)
    assert (ours.result, ours.text) == (68, "there")
    assert isinstance(convert(theirs.LDAPOperationResult(result=51), "u"), CouldNotAsk)
    unknown = convert(theirs.LDAPOperationResult(), "u")
    assert isinstance(unknown, LdapRefusal)
    assert unknown.result == 80


def test_classes_made_at_run_time_go_by_their_base():
    made = theirs.communication_exception_factory(theirs.LDAPSocketOpenError, OSError("gone"))
    assert isinstance(convert(made("no way"), "u"), Unreachable)
    assert type(convert(theirs.LDAPSocketReceiveError("cut"), "u")) is CouldNotAsk
    assert isinstance(convert(theirs.LDAPInvalidPortError("x"), "u"), ConfigError)
    assert type(convert(theirs.LDAPException("root"), "u")) is CouldNotAsk


def test_a_refusal_for_lack_of_rights_says_how_to_get_them():
    hint = from_result(50, "no write access to parent").hint
    assert hint is not None
    assert "mailldap whoami" in hint
    assert from_result(53).hint is None
