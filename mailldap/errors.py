"""Every error that mailldap raises, in one tree.

::

    MailldapError                 .code  .hint  .exit_status
    ├── UsageError            2   the call itself is wrong
    ├── Negative              1   the answer is no
    │   ├── NoSuchRecipient
    │   ├── Ambiguous             the name fits several entries
    │   ├── AlreadyExists
    │   └── AddressTaken          another entry owns the address
    ├── BadData              65   input that cannot be what it claims to be
    │   ├── AddressError          RFC 5321 Mailbox
    │   ├── DNError               RFC 4514
    │   ├── FilterError           RFC 4515
    │   ├── SchemaError           RFC 4512 definitions
    │   ├── RecipientError        every fault of one entry together
    │   └── LdifError             RFC 2849, with file and line
    ├── ConfigError          78   a configuration or table file, with file and line
    │   ├── SettingsError         every problem of all sources together
    │   ├── SecretExposed         a secret that others can read
    │   └── TableUnavailable      a daemon goes on without this table, its lookups fail
    ├── CouldNotAsk          75   nobody answered the question; try again later
    │   ├── ApiError              a failure on our side, with libldap's number for it
    │   └── Unreachable      69   no server could be reached at all
    └── LdapRefusal          77   the directory answered with a result code other than success
        └── …                     one subclass a result code that callers tell apart

*Not found*, *refused* and *could not ask* never share a class: a caller that catches one of
them cannot mistake it for another.
"""

from __future__ import annotations

from typing import ClassVar


class MailldapError(Exception):
    """The root; str() is one line for people, without secrets."""

    exit_status: ClassVar[int] = 75
    #: Stable machine-readable name, kebab-case; part of the JSON error shape.
    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Exception calls the class with str(self), which makes another error or none where that
        # is not what the class takes; a pool of processes then hangs.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    kind: type[MailldapError], args: tuple[object, ...], state: dict[str, object]
) -> MailldapError:
    """Return a pickled error as it was."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(MailldapError):
    """The command or call cannot mean anything."""

    exit_status = 2
    code = "usage"


class Negative(MailldapError):
    """The question was answered, and the answer is no."""

    exit_status = 1
    code = "no"


class NoSuchRecipient(Negative):
    """No mailRecipient entry has that uid, address or DN."""

    code = "no-such-recipient"


class Ambiguous(Negative):
    """The name fits several entries; the DN would not."""

    code = "ambiguous"


class AlreadyExists(Negative):
    """An entry of that name is there already and differs from the one asked for."""

    code = "already-exists"


class AddressTaken(Negative):
    """Another entry owns the address."""

    code = "address-taken"

    def __init__(self, address: str, owners: tuple[str, ...], *, hint: str | None = None) -> None:
        super().__init__(f"{address} belongs to {'; '.join(owners)}", hint=hint)
        self.address = address
        #: DNs, as the directory spells them.
        self.owners = owners


class BadData(MailldapError):
    """Input that is not what it claims to be."""

    exit_status = 65
    code = "bad-data"


class AddressError(BadData):
    """Not a Mailbox of RFC 5321 §4.1.2, nor a catch-all."""

    code = "bad-address"


class DNError(BadData):
    """Not a distinguished name of RFC 4514 §3."""

    code = "bad-dn"


class FilterError(BadData):
    """Not a search filter of RFC 4515 §3 (or of libldap's looser grammar)."""

    code = "bad-filter"


class SchemaError(BadData):
    """Not a schema definition of RFC 4512 §4.1."""

    code = "bad-schema"


class RecipientError(BadData):
    """A mailRecipient that no directory should hold; all its problems together."""

    code = "bad-recipient"

    def __init__(self, subject: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"{subject}: {'; '.join(problems)}")
        self.problems = problems


class LdifError(BadData):
    """A fault in an LDIF file, RFC 2849."""

    code = "bad-ldif"

    def __init__(self, file: str, line: int, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{file}:{line}: {reason}", hint=hint)
        self.file = file
        self.line = line
        self.reason = reason


class ConfigError(MailldapError):
    """A configuration or table file that cannot be used."""

    exit_status = 78
    code = "bad-config"

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + message, hint=hint)
        self.file = file
        self.line = line


class SettingsError(ConfigError):
    """Settings that cannot be used; all their problems together, each with its origin."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class TableUnavailable(ConfigError):
    """A table that cannot be opened, but does not keep Postfix's daemons from starting.

    Tools refuse it; a daemon defers what depends on it. Any other ConfigError about a table ends
    the daemon.
    """

    code = "table-unavailable"


class SecretExposed(ConfigError):
    """A file with a secret that others than its owner can read."""

    code = "secret-exposed"


class CouldNotAsk(MailldapError):
    """The question got no answer (timeout, server busy or gone); later it may."""

    exit_status = 75
    code = "could-not-ask"


class ApiError(CouldNotAsk):
    """The conversation failed on this side of it: Postfix's and libldap's words and number."""

    def __init__(self, result: int, text: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        #: libldap's result: below zero for its own failures (ldap_err2string(3)), or the code
        #: with which the server refused StartTLS or the bind.
        self.result = result
        #: What ldap_err2string says of it.
        self.text = text


class Unreachable(CouldNotAsk):
    """No server of the list could be reached, secured or talked to."""

    exit_status = 69
    code = "unreachable"


class LdapRefusal(MailldapError):
    """The directory answered, with a result code other than success (RFC 4511 §4.1.9)."""

    exit_status = 77
    code = "refused"

    def __init__(self, result: int, text: str = "", *, hint: str | None = None) -> None:
        name = RESULT_NAMES.get(result, "unknown result")
        super().__init__(f"{name} ({result})" + (f": {text}" if text else ""), hint=hint)
        #: The result code.
        self.result = result
        #: The server's own words (diagnosticMessage).
        self.text = text


class NoSuchObject(LdapRefusal):
    """noSuchObject (32): the base of a search or the target of a change is not there."""

    code = "no-such-object"


class EntryExists(LdapRefusal):
    """entryAlreadyExists (68)."""

    code = "entry-exists"


class ValueExists(LdapRefusal):
    """attributeOrValueExists (20): the value to be added is there already."""

    code = "value-exists"


class NoSuchValue(LdapRefusal):
    """noSuchAttribute (16): the value to be deleted is not there."""

    code = "no-such-value"


class SizeLimitExceeded(LdapRefusal):
    """sizeLimitExceeded (4): more entries match than the caller or the server allows."""

    code = "size-limit"


class ReferralReceived(LdapRefusal):
    """referral (10): another server holds what was asked for."""

    code = "referral"

    def __init__(self, result: int, text: str = "", *, uris: tuple[str, ...] = ()) -> None:
        super().__init__(result, text, hint=f"ask {', '.join(uris)}" if uris else None)
        self.uris = uris


#: RFC 4511 appendix A, with the codes of RFC 4528, 3909 and 5805 that servers send.
RESULT_NAMES: dict[int, str] = {
    0: "success",
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    4: "sizeLimitExceeded",
    5: "compareFalse",
    6: "compareTrue",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    14: "saslBindInProgress",
    16: "noSuchAttribute",
    17: "undefinedAttributeType",
    18: "inappropriateMatching",
    19: "constraintViolation",
    20: "attributeOrValueExists",
    21: "invalidAttributeSyntax",
    32: "noSuchObject",
    33: "aliasProblem",
    34: "invalidDNSyntax",
    36: "aliasDereferencingProblem",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    54: "loopDetect",
    64: "namingViolation",
    65: "objectClassViolation",
    66: "notAllowedOnNonLeaf",
    67: "notAllowedOnRDN",
    68: "entryAlreadyExists",
    69: "objectClassModsProhibited",
    71: "affectsMultipleDSAs",
    80: "other",
    118: "canceled",
    119: "noSuchOperation",
    120: "tooLate",
    121: "cannotCancel",
    122: "assertionFailed",
    123: "authorizationDenied",
}

#: Result codes that say "not now" rather than "no".
_TEMPORARY = frozenset({3, 51, 52})

#: What to do about a refusal, by its result code.
_WAYS_OUT = {
    50: "`mailldap whoami` shows as whom the server sees you; -D with -W or -y, or -Y EXTERNAL, "
    "binds as somebody who may"
}

_BY_RESULT: dict[int, type[LdapRefusal]] = {
    4: SizeLimitExceeded,
    16: NoSuchValue,
    20: ValueExists,
    32: NoSuchObject,
    68: EntryExists,
}


def from_result(result: int, text: str = "", uris: tuple[str, ...] = ()) -> MailldapError:
    """Return the error for an LDAP result code other than success.

    *text* is the server's diagnosticMessage, *uris* the referral's. busy, unavailable and
    timeLimitExceeded become :class:`CouldNotAsk`; all others an :class:`LdapRefusal`.
    Source: RFC 4511 §4.1.9 and appendix A.
    """
    if result in _TEMPORARY:
        return CouldNotAsk(f"{RESULT_NAMES[result]} ({result})" + (f": {text}" if text else ""))
    if result == 10:
        return ReferralReceived(result, text, uris=uris)
    return _BY_RESULT.get(result, LdapRefusal)(result, text, hint=_WAYS_OUT.get(result))
