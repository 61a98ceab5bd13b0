"""ldap3's exceptions as ours, in one place.

Looked up by class name along the exception's ancestry, so that nothing here imports ldap3 (its
communication errors are classes made at run time, which inherit from the ones named here).
"""

from __future__ import annotations

from collections.abc import Callable

from mailldap.errors import (
    BadData,
    ConfigError,
    CouldNotAsk,
    DNError,
    FilterError,
    MailldapError,
    SchemaError,
    Unreachable,
    UsageError,
    from_result,
)

#: ldap3 class -> what we raise for it. A class that is not here is found through its base.
_OURS: dict[str, Callable[[str], MailldapError]] = {
    # The server could not be reached or secured.
    "LDAPSocketOpenError": Unreachable,
    "LDAPStartTLSError": Unreachable,
    "LDAPCertificateError": Unreachable,
    "LDAPServerPoolExhaustedError": Unreachable,
    "LDAPMaximumRetriesError": Unreachable,
    # The conversation broke off, or made no sense.
    "LDAPCommunicationError": CouldNotAsk,
    "LDAPSocketCloseError": CouldNotAsk,
    "LDAPSocketReceiveError": CouldNotAsk,
    "LDAPSocketSendError": CouldNotAsk,
    "LDAPSessionTerminatedByServerError": CouldNotAsk,
    "LDAPUnknownResponseError": CouldNotAsk,
    "LDAPUnknownRequestError": CouldNotAsk,
    "LDAPReferralError": CouldNotAsk,
    "LDAPResponseTimeoutError": CouldNotAsk,
    "LDAPTransactionError": CouldNotAsk,
    "LDAPInfoError": CouldNotAsk,
    "LDAPBindError": CouldNotAsk,
    "LDAPSASLBindInProgressError": CouldNotAsk,
    "LDAPSignatureVerificationFailedError": CouldNotAsk,
    "LDAPExtensionError": CouldNotAsk,
    "LDAPServerPoolError": CouldNotAsk,
    # The options cannot work.
    "LDAPConfigurationError": ConfigError,
    "LDAPUnknownStrategyError": ConfigError,
    "LDAPUnknownAuthenticationMethodError": ConfigError,
    "LDAPSSLConfigurationError": ConfigError,
    "LDAPSSLNotSupportedError": ConfigError,
    "LDAPDefinitionError": ConfigError,
    "LDAPPackageUnavailableError": ConfigError,
    "LDAPConfigurationParameterError": ConfigError,
    "LDAPInvalidTlsSpecificationError": ConfigError,
    "LDAPInvalidHashAlgorithmError": ConfigError,
    "LDAPInvalidServerError": ConfigError,
    "LDAPInvalidPortError": ConfigError,
    "LDAPSASLMechanismNotSupportedError": ConfigError,
    "LDAPSASLPrepError": ConfigError,
    "LDAPUserNameNotAllowedError": ConfigError,
    "LDAPUserNameIsMandatoryError": ConfigError,
    "LDAPPasswordIsMandatoryError": ConfigError,
    "LDAPConnectionPoolNameIsMandatoryError": ConfigError,
    "LDAPConnectionPoolNotStartedError": ConfigError,
    "LDAPMetricsError": ConfigError,
    # What was asked cannot be said in LDAP.
    "LDAPInvalidFilterError": FilterError,
    "LDAPInvalidDnError": DNError,
    "LDAPSchemaError": SchemaError,
    "LDAPObjectClassError": SchemaError,
    "LDAPLDIFError": BadData,
    "LDAPAttributeError": BadData,
    "LDAPObjectError": BadData,
    "LDAPKeyError": BadData,
    "LDAPInvalidValueError": BadData,
    "LDAPChangeError": BadData,
    "LDAPCursorError": UsageError,
    "LDAPCursorAttributeError": UsageError,
    "LDAPObjectDereferenceError": UsageError,
    "LDAPInvalidScopeError": UsageError,
    "LDAPInvalidDereferenceAliasesError": UsageError,
    "LDAPControlError": UsageError,
    "LDAPConnectionIsReadOnlyError": UsageError,
}


def is_mapped(kind: type[BaseException]) -> bool:
    """Tell whether exceptions of that ldap3 class have a counterpart of their own."""
    return any(c.__name__ in _OURS or c.__name__ == "LDAPOperationResult" for c in kind.__mro__)


def convert(error: Exception, uri: str) -> MailldapError:
    """Return our error for one of ldap3's; *uri* is the server that it is about."""
    if any(c.__name__ == "LDAPOperationResult" for c in type(error).__mro__):
        result = getattr(error, "result", None)
        return from_result(
            80 if result is None else int(result), getattr(error, "message", "") or ""
        )
    for kind in type(error).__mro__:
        ours = _OURS.get(kind.__name__)
        if ours is not None:
            return ours(f"{uri}: {error}")
    return CouldNotAsk(f"{uri}: {type(error).__name__}: {error}")
