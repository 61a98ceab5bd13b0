"""Restrictions that judge the sender and the recipient themselves.

Source: Postfix 3.7, reject_*_sender_login_mismatch(), reject_non_fqdn_address(),
permit_auth_destination() and check_*_rcpt_maps() in smtpd_check.c; postconf(5).
"""

from __future__ import annotations

from mailldap.errors import ConfigError
from mailldap.postfix.words import fold, split_list
from mailldap.simulate.decision import Decision, Session, Status
from mailldap.simulate.hostname import is_utf8_hostname
from mailldap.simulate.lookup import Hit
from mailldap.simulate.opened import Opened
from mailldap.simulate.reply import RECIPIENT, SENDER, Reply
from mailldap.simulate.route import AddressClass
from mailldap.simulate.smtpd import AddressChecks
from mailldap.tables.base import Failed


class AddressRules:
    """Judges addresses with the rules of one configuration, for one session."""

    def __init__(
        self, opened: Opened, checks: AddressChecks, decision: Decision, session: Session
    ) -> None:
        self._opened = opened
        self._main = opened.main
        self._checks = checks
        self._decision = decision
        self._session = session
        self.sender_checked = False
        self.recipient_checked = False

    # --- logins ------------------------------------------------------------------------------

    def _owners(self, sender: str) -> Hit | None:
        route = self._checks.resolve_or_refuse(sender, self._session.recipient or "")
        return self._checks.find("smtpd_sender_login_maps", route.recipient, sender)

    def authenticated(self, *, unknown_ok: bool = False) -> Status:
        """Refuse a login that does not own the sender; *unknown_ok*: nor does anybody else."""
        sender, login = self._session.sender, self._session.login
        if not sender or login is None:
            return Status.DUNNO
        hit = self._owners(sender)
        if hit is None and unknown_ok:
            return Status.DUNNO
        utf8 = self._opened.utf8
        owners = split_list(hit.value) if hit else []
        if any(fold(login, utf8=utf8) == fold(owner, utf8=utf8) for owner in owners):
            return Status.DUNNO
        text = f"<{sender}>: {SENDER} rejected: not owned by user {login}"
        return self._decision.reject(553, "5.7.1", text)

    def unauthenticated(self) -> Status:
        """Refuse a sender that has an owner, from a client that is not logged in."""
        sender = self._session.sender
        if not sender or self._session.login is not None or self._owners(sender) is None:
            return Status.DUNNO
        text = f"<{sender}>: {SENDER} rejected: not logged in"
        return self._decision.reject(553, "5.7.1", text)

    def known_sender(self) -> Status:
        """Refuse a sender that belongs to others only."""
        if self._session.login is None:
            return self.unauthenticated()
        return self.authenticated(unknown_ok=True)

    # --- names -------------------------------------------------------------------------------

    def non_fqdn_sender(self) -> Status:
        """Refuse a sender whose domain is not a full name."""
        sender = self._session.sender
        return self._non_fqdn(sender, SENDER) if sender else Status.DUNNO

    def non_fqdn_recipient(self) -> Status:
        """Refuse a recipient whose domain is not a full name."""
        recipient = self._session.recipient
        return Status.DUNNO if recipient is None else self._non_fqdn(recipient, RECIPIENT)

    def _non_fqdn(self, address: str, role: str) -> Status:
        domain = address.rpartition("@")[2] if "@" in address else ""
        if domain.startswith("[") and domain.endswith("]"):
            return Status.DUNNO
        if domain.endswith(".") and not domain.endswith(".."):
            domain = domain[:-1]
        if domain and is_utf8_hostname(domain, utf8=False) and "." in domain:
            return Status.DUNNO
        return self._decision.reject(
            self._main.get_int("non_fqdn_reject_code"),
            "4.5.2",
            f"<{address}>: {role} rejected: need fully-qualified address",
        )

    # --- users -------------------------------------------------------------------------------

    def unlisted_sender(self) -> Status:
        """Refuse a sender in our domains that no table lists; once is enough."""
        sender = self._session.sender
        if not sender or self.sender_checked:
            return Status.DUNNO
        self.sender_checked = not self._decision.only_warns
        return self._again(self._checks.unlisted(sender, SENDER, self._session.recipient or ""))

    def unlisted_recipient(self) -> Status:
        """Refuse a recipient in our domains that no table lists; once is enough."""
        recipient = self._session.recipient
        if not recipient or self.recipient_checked:
            return Status.DUNNO
        self.recipient_checked = not self._decision.only_warns
        return self._again(self._checks.unlisted(recipient, RECIPIENT, self._session.sender or ""))

    def _again(self, reply: Reply | None) -> Status:
        if reply is None:
            return Status.DUNNO
        return self._decision.reject(reply.code, reply.dsn, reply.text)

    # --- destinations ------------------------------------------------------------------------

    def auth_destination(self) -> Status:
        """Permit a recipient whose mail ends here or whose domain we relay for."""
        recipient = self._session.recipient
        if recipient is None:
            return Status.OK if self._session.any_recipient else Status.DUNNO
        route = self._checks.resolve_or_refuse(recipient, self._session.sender or "")
        if route.routed and not self._main.get_bool("allow_untrusted_routing"):
            return Status.DUNNO
        ours = route.final or route.address_class is AddressClass.RELAY
        return Status.OK if ours else Status.DUNNO

    def unauth_destination(self, *, soft: bool = False) -> Status:
        """Refuse a recipient elsewhere."""
        recipient = self._session.recipient
        if recipient is None or self.auth_destination() is Status.OK:
            return Status.DUNNO
        code = self._main.get_int("relay_domains_reject_code")
        text = f"<{recipient}>: Relay access denied"
        if soft:
            return self._decision.reject(code - 100, "4.7.1", text)
        return self._decision.reject(code, "5.7.1", text)

    def relay_domains(self) -> Status:
        """Permit a recipient that we relay for and refuse others (check_relay_domains)."""
        recipient = self._session.recipient
        if recipient is None:
            return self.auth_destination()
        client = self._session.name_of_client()
        listed = self._opened.match_list("relay_domains").match_domain(client)
        if isinstance(listed, Failed):  # smtpd dies of it
            raise ConfigError(f"relay_domains: {listed.message}", file=self._main.name)
        if listed:
            return Status.OK
        if self.auth_destination() is Status.OK:
            return Status.OK
        return self._decision.reject(
            self._main.get_int("relay_domains_reject_code"),
            "5.7.1",
            f"<{recipient}>: {RECIPIENT} rejected: Relay access denied",
        )
