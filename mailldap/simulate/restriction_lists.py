"""The restriction lists of smtpd(8) as main.cf has them, with their classes.

Source: Postfix 3.7, smtpd_check_init(), has_required() and fail_required() in smtpd_check.c;
postconf(5), smtpd_restriction_classes; RESTRICTION_CLASS_README.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.words import lower_ascii, split_braced, split_list

AUTHENTICATED = "reject_authenticated_sender_login_mismatch"
UNAUTHENTICATED = "reject_unauthenticated_sender_login_mismatch"
KNOWN = "reject_known_sender_login_mismatch"
MISMATCH = "reject_sender_login_mismatch"
#: What asks smtpd_sender_login_maps.
LOGIN_CHECKS = frozenset({AUTHENTICATED, UNAUTHENTICATED, KNOWN, MISMATCH})

PARAMETERS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_etrn_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
)
_POLICY = "check_policy_service"
#: What keeps others from relaying through us.
_CLOSING = (
    "reject_unauth_destination",
    "defer_unauth_destination",
    "reject",
    "defer",
    "defer_if_permit",
    "check_relay_domains",
)
_MUST_CLOSE = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")


class RestrictionLists:
    """The lists and classes of *main*; raises ConfigError for a class without definition."""

    def __init__(self, main: MainCf) -> None:
        self._main = main
        self.classes = {MISMATCH: [AUTHENTICATED, UNAUTHENTICATED]}
        for name in split_list(main.get("smtpd_restriction_classes")):
            value = main.lookup(name)
            if not value:
                raise ConfigError(
                    f"restriction class `{name}' needs a definition",
                    file=main.name,
                    line=main.location("smtpd_restriction_classes"),
                    hint=f"set {name} to a list of restrictions",
                )
            self.classes.setdefault(name, split_braced(value))

    def words(self, parameter: str) -> list[str]:
        """Return the words of one of PARAMETERS."""
        return self._main.get_maps(parameter)

    def tables(self) -> Iterator[str]:
        """Yield the tables that lists and classes name."""
        return (word for before, word in self._pairs() if ":" in word and before != _POLICY)

    def policy_services(self) -> Iterator[str]:
        """Yield the arguments of check_policy_service."""
        return (word for before, word in self._pairs() if before == _POLICY)

    def _pairs(self) -> Iterator[tuple[str, str]]:
        """Yield every word with the one before it."""
        lists = [self.words(parameter) for parameter in PARAMETERS]
        for words in (*lists, *self.classes.values()):
            for before, word in zip(("", *words), words, strict=False):
                yield lower_ascii(before), word

    def require_closed(self) -> None:
        """Raise ConfigError where no list keeps others from relaying: smtpd does not start."""
        if any(self._closes(self.words(parameter)) for parameter in _MUST_CLOSE):
            return
        *most, last = _CLOSING
        raise ConfigError(
            f"in parameter {' or '.join(_MUST_CLOSE)}, specify at least one working instance of: "
            f"{', '.join(most)} or {last}",
            file=self._main.name,
            line=self._main.location(_MUST_CLOSE[0]),
            hint="add reject_unauth_destination to smtpd_relay_restrictions",
        )

    def _closes(self, words: list[str]) -> bool:
        skip = False
        for position, word in enumerate(words):
            if skip:
                skip = False
                continue
            name = lower_ascii(word)
            if name == "warn_if_reject" and position + 1 < len(words):
                skip = True
            elif name == "permit":
                return False
            elif name in _CLOSING or (word in self.classes and self._closes(self.classes[word])):
                return True
        return False
