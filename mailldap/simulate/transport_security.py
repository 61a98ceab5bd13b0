"""Whether a conversation with smtpd(8) can, or must, be encrypted.

Source: Postfix 3.7, pre_jail_init() in smtpd.c; postconf(5), smtpd_tls_security_level,
smtpd_tls_wrappermode, smtpd_tls_auth_only.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.words import lower_ascii

_CERTIFICATES = (
    "smtpd_tls_chain_files",
    "smtpd_tls_cert_file",
    "smtpd_tls_eccert_file",
    "smtpd_tls_dcert_file",
)


@dataclass(frozen=True, slots=True)
class TransportSecurity:
    """What one configuration says about TLS.

    ``offered``: a client may use it; ``enforced``: it must; ``wrapped``: it begins before the
    greeting; ``before_login``: it must before it logs in.
    """

    offered: bool
    enforced: bool
    wrapped: bool
    before_login: bool

    @classmethod
    def of(cls, main: MainCf) -> TransportSecurity:
        """Return what *main* says."""
        wrapped = main.get_bool("smtpd_tls_wrappermode")
        level = lower_ascii(main.get("smtpd_tls_security_level"))
        use, enforced = main.get_bool("smtpd_use_tls"), main.get_bool("smtpd_enforce_tls")
        if level and not wrapped:
            use, enforced = level != "none", level not in {"none", "may"}
        enforced = enforced or wrapped
        certificate = any(main.get(name) for name in _CERTIFICATES)
        return cls(
            offered=(use or enforced) and certificate,
            enforced=enforced,
            wrapped=wrapped,
            before_login=enforced or main.get_bool("smtpd_tls_auth_only"),
        )

    def encrypted(self, told: bool | None, *, logged_in: bool) -> bool | None:
        """Return whether the session is encrypted: as *told*, else what follows, else None."""
        if told is not None:
            return told
        if not self.offered:
            return False
        return True if self.enforced or (logged_in and self.before_login) else None
