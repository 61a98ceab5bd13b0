"""libldap's result codes in libldap's words, which Postfix logs (ldap_err2string(3))."""

from __future__ import annotations

from mailldap.errors import ApiError

SERVER_DOWN = -1
DECODING_ERROR = -4
TIMEOUT = -5
AUTH_UNKNOWN = -6
PARAM_ERROR = -9
NOT_SUPPORTED = -12
CONNECT_ERROR = -11

_TEXTS = {
    -17: "Referral Limit Exceeded",
    -16: "Client Loop",
    -15: "More results to return",
    -14: "No results returned",
    -13: "Control not found",
    -12: "Not Supported",
    -11: "Connect error",
    -10: "Out of memory",
    -9: "Bad parameter to an ldap routine",
    -8: "User cancelled operation",
    -7: "Bad search filter",
    -6: "Unknown authentication method",
    -5: "Timed out",
    -4: "Decoding error",
    -3: "Encoding error",
    -2: "Local error",
    -1: "Can't contact LDAP server",
    0: "Success",
    1: "Operations error",
    2: "Protocol error",
    3: "Time limit exceeded",
    4: "Size limit exceeded",
    5: "Compare False",
    6: "Compare True",
    7: "Authentication method not supported",
    8: "Strong(er) authentication required",
    9: "Partial results and referral received",
    10: "Referral",
    11: "Administrative limit exceeded",
    12: "Critical extension is unavailable",
    13: "Confidentiality required",
    14: "SASL bind in progress",
    16: "No such attribute",
    17: "Undefined attribute type",
    18: "Inappropriate matching",
    19: "Constraint violation",
    20: "Type or value exists",
    21: "Invalid syntax",
    32: "No such object",
    33: "Alias problem",
    34: "Invalid DN syntax",
    35: "Entry is a leaf",
    36: "Alias dereferencing problem",
    47: "Proxy Authorization Failure (X)",
    48: "Inappropriate authentication",
    49: "Invalid credentials",
    50: "Insufficient access",
    51: "Server is busy",
    52: "Server is unavailable",
    53: "Server is unwilling to perform",
    54: "Loop detected",
    64: "Naming violation",
    65: "Object class violation",
    66: "Operation not allowed on non-leaf",
    67: "Operation not allowed on RDN",
    68: "Already exists",
    69: "Cannot modify object class",
    70: "Results too large",
    71: "Operation affects multiple DSAs",
    76: "Virtual List View error",
    80: "Other (e.g., implementation specific) error",
    113: "LCUP Resources Exhausted",
    114: "LCUP Security Violation",
    115: "LCUP Invalid Data",
    116: "LCUP Unsupported Scheme",
    117: "LCUP Reload Required",
    118: "Cancelled",
    119: "No Operation to Cancel",
    120: "Too Late to Cancel",
    121: "Cannot Cancel",
    122: "Assertion Failed",
    123: "Proxied Authorization Denied",
    4096: "Content Sync Refresh Required",
    16640: "Content Sync Refresh Required (X)",
    16654: "No Operation (X)",
    16655: "Assertion Failed (X)",
    16672: "TXN specify okay",
    16673: "TXN ID is invalid",
}


def err2string(code: int) -> str:
    """Return libldap's text for a result code, as in ``Search error 4: Size limit exceeded``."""
    if code in _TEXTS:
        return _TEXTS[code]
    if code < 0:
        return "Unknown API error"
    if 0x1000 <= code < 0x4000:
        return "Unknown (extension) error"
    if 0x4000 <= code < 0x10000:
        return "Unknown (private extension) error"
    return "Unknown error"


def api_error(code: int, detail: str = "") -> ApiError:
    """Return the error for one of libldap's own failures; *detail* is for people."""
    text = err2string(code)
    return ApiError(code, text, f"{text}: {detail}" if detail else text)
