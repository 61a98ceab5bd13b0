"""What cleanup(8) makes of an envelope recipient: canonical form, then virtual aliases.

Source: Postfix 3.7, cleanup_addr.c, cleanup_map11.c, cleanup_map1n.c, cleanup_masquerade.c,
cleanup_out_recipient.c; canonical(5), virtual(5), ADDRESS_REWRITING_README.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.rfc822 import addresses, quote, unquote
from mailldap.postfix.words import fold, split_list
from mailldap.simulate.demands import listed_names
from mailldap.simulate.lookup import ADDRESS, AddressSearch, Hit
from mailldap.simulate.opened import Opened
from mailldap.simulate.rewrite import Rewriting
from mailldap.simulate.trace import Kind, Step
from mailldap.tables.base import Failed
from mailldap.tables.open import Maps

#: How often canonical mapping may be repeated.
_MAX_CANONICAL = 10
_PROPAGATION = "propagate_unmatched_extensions"


class CleanupFailed(Exception):
    """The message cannot be taken now. ``dsn`` and ``reason`` are those of smtpd's reply.

    An expansion that ran away outranks a table that failed.
    """

    def __init__(self, dsn: str, reason: str) -> None:
        super().__init__(reason)
        self.dsn = dsn
        self.reason = reason


def _alias_error() -> CleanupFailed:
    return CleanupFailed("4.6.0", "Alias expansion error")


def _write_error() -> CleanupFailed:
    return CleanupFailed("4.3.0", "Error: queue file write error")


@dataclass(slots=True)
class Envelope:
    """The recipients of one message, in internal form and in queue-file order.

    ``remembered`` is how many are compared with later ones (duplicate_filter_limit); 0 means all.
    """

    remembered: int = 0
    recipients: list[str] = field(default_factory=list)
    failures: list[CleanupFailed] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def add(self, key: str, recipient: str) -> bool:
        """Add a recipient unless its *key* was there before; tell whether it was added."""
        if key in self._seen:
            return False
        self.recipients.append(recipient)
        if self.remembered <= 0 or len(self._seen) < self.remembered:
            self._seen.add(key)
        return True

    @property
    def failure(self) -> CleanupFailed | None:
        """What fails the message, or None; nothing more should be added then."""
        return max(self.failures, key=lambda f: f.dsn, default=None)


class Cleanup:
    """Processes envelope recipients with the rules of one configuration."""

    def __init__(self, opened: Opened, rewriting: Rewriting, search: AddressSearch) -> None:
        self._opened = opened
        self._main = opened.main
        self._rewriting = rewriting
        self._search = search
        self._map_ok = "no_address_mappings" not in override_options(self._main)

    # --- the envelope ------------------------------------------------------------------------

    def recipient(self, envelope: Envelope, address: str, orcpt: str | None = None) -> str:
        """Add a recipient in internal form, as RCPT TO gave it, and what it expands to.

        *orcpt* is the DSN original recipient, by default *address*. Returns the address in
        canonical form.
        """
        clean = self._canonical(envelope, address)
        dsn_orcpt = f"rfc822;{address if orcpt is None else orcpt}"
        self._out(envelope, clean, dsn_orcpt, address)
        if clean:
            self._bcc(envelope, "recipient_bcc_maps", clean)
        return clean

    def sender(self, envelope: Envelope, sender: str) -> str:
        """Return the envelope sender in canonical form, after adding its blind copies."""
        clean = self._rewriting.internal(sender)
        utf8 = self._opened.utf8
        if fold(clean, utf8=utf8) == fold(self._rewriting.internal("mailer-daemon"), utf8=utf8):
            clean = ""
        if self._map_ok:
            clean = self._mapped(envelope, clean, "sender_canonical", "envelope_sender")
        if clean:
            self._bcc(envelope, "sender_bcc_maps", clean)
        return clean

    def finish(self, envelope: Envelope) -> None:
        """Add always_bcc, which comes after all recipients."""
        if self._map_ok and envelope.failure is None and (bcc := self._main.get("always_bcc")):
            self._blind_copy(envelope, bcc)

    def _bcc(self, envelope: Envelope, parameter: str, address: str) -> None:
        if not self._map_ok:
            return
        maps = self._opened.maps(parameter)
        hit = self._search.find(maps, address, ADDRESS) if maps.tables else None
        if isinstance(hit, Failed):
            self._opened.warn(
                f"{parameter} map lookup problem -- message not accepted, try again later"
            )
            envelope.failures.append(_write_error())
        elif isinstance(hit, Hit):
            self._note("copy", parameter, address, hit.value)
            self._blind_copy(envelope, hit.value)  # taken for internal form: quotes are part of it

    def _blind_copy(self, envelope: Envelope, address: str) -> None:
        clean = self._canonical(envelope, address)
        self._out(envelope, clean, "", clean)

    def _out(self, envelope: Envelope, address: str, dsn_orcpt: str, orcpt: str) -> None:
        """Expand an address in canonical form and add the results, duplicates dropped."""
        results = [address]
        if self._map_ok and self._opened.maps("virtual_alias_maps").tables:
            try:
                results = self.expand(address)
            except CleanupFailed as failure:
                envelope.failures.append(failure)
        distinct = self._main.get_bool("enable_original_recipient")
        for result in results:
            key = f"{dsn_orcpt}\n{orcpt}\n{result}" if distinct else result
            if not envelope.add(fold(key, utf8=self._opened.utf8), result):
                self._note("duplicate", "duplicate_filter_limit", result)

    # --- canonical form ----------------------------------------------------------------------

    def _canonical(self, envelope: Envelope, address: str) -> str:
        clean = self.rewritten(address or self._main.get("empty_address_recipient"))
        if self._map_ok:
            clean = self._mapped(envelope, clean, "recipient_canonical", "envelope_recipient")
        return clean

    def rewritten(self, address: str) -> str:
        """Return an address in internal form as trivial-rewrite(8) rewrites it."""
        external = quote(address)
        return self._noted(external, self._rewriting.external(external))

    def _noted(self, before: str, after: str) -> str:
        """Return *after* in internal form, having told what made it of *before*."""
        result = unquote(after)
        if result != unquote(before):
            rules = ", ".join(self._rewriting.rules(before)) or "quoting"
            self._note("rewrite", rules, unquote(before), result)
        return result

    def _note(self, kind: Kind, rule: str, before: str, *after: str, level: int = 0) -> None:
        """Tell what was done; addresses are in internal form."""
        self._opened.note(Step(kind, rule, quote(before), tuple(map(quote, after)), level))

    def _mapped(self, envelope: Envelope, address: str, own: str, which: str) -> str:
        """Return *address* after its own canonical maps, the common ones, and masquerading."""
        for prefix in (own, "canonical"):
            maps = self._opened.maps(f"{prefix}_maps")
            if maps.tables and which in self._classes(f"{prefix}_classes"):
                address = self._by_canonical(envelope, address, maps)
        if self._main.get("masquerade_domains") and which in self._classes("masquerade_classes"):
            before, address = address, self._masqueraded(envelope, address)
            if address != before:
                self._note("masquerade", "masquerade_domains", before, address)
        return address

    def _classes(self, parameter: str) -> frozenset[str]:
        own = {"sender": ("envelope_sender", "header_sender")}
        own["recipient"] = ("envelope_recipient", "header_recipient")
        known = own.get(parameter.partition("_")[0], (*own["sender"], *own["recipient"]))
        return listed_names(self._main, parameter, known)

    def _by_canonical(self, envelope: Envelope, address: str, maps: Maps) -> str:
        """Return what canonical tables make of an address; only the first result counts."""
        propagate = "canonical" in self._propagated
        external = quote(address)
        for level in range(1, _MAX_CANONICAL + 1):
            results = self._map(maps, unquote(external), propagate=propagate)
            if isinstance(results, Failed):
                self._opened.warn(
                    f"{maps.title} map lookup problem for {external} -- "
                    "message not accepted, try again later"
                )
                envelope.failures.append(_write_error())
                return unquote(external)
            if results is None:
                return unquote(external)
            if len(results) > 1:
                self._opened.warn(f"multi-valued {maps.title} entry for {external}")
            before, external = external, quote(results[0])
            if self._same(before, external):
                self._note("identity", maps.title, unquote(before), results[0], level=level)
                return unquote(external)
            self._note("canonical", maps.title, unquote(before), results[0], level=level)
        self._opened.warn(
            f"unreasonable {maps.title} map nesting for {external} -- "
            "message not accepted, try again later"
        )
        return unquote(external)

    def _masqueraded(self, envelope: Envelope, address: str) -> str:
        """Return *address* with its subdomain stripped down to a masquerade domain."""
        external = quote(address)
        name, at, domain = external.rpartition("@")
        if not at:
            return address
        domain = fold(domain, utf8=self._opened.utf8)
        if self._main.get("masquerade_exceptions"):
            excepted = self._opened.match_list("masquerade_exceptions").match_string(name)
            if isinstance(excepted, Failed):
                envelope.failures.append(_write_error())
            elif excepted:
                return address
        for item in split_list(self._main.get("masquerade_domains")):
            masquerade = fold(item.lstrip("!"), utf8=self._opened.utf8)
            strip = (len(item) - len(item.lstrip("!"))) % 2 == 0
            if not masquerade:
                continue
            if domain == masquerade:
                break
            if domain.endswith("." + masquerade):
                return unquote(f"{name}@{masquerade}") if strip else address
        return address

    # --- aliases -----------------------------------------------------------------------------

    def expand(self, address: str) -> list[str]:
        """Return what virtual_alias_maps make of an address, both in internal form.

        Every result is looked up again; the first takes the place of what was looked up,
        further ones go to the end of the list. Raises CleanupFailed beyond the limits and where
        a table fails.
        """
        maps = self._opened.maps("virtual_alias_maps")
        propagate = "virtual" in self._propagated
        final: set[str] = set()
        results = [address]
        position = 0
        while position < len(results):
            if len(results) > self._limits.expansion:
                raise self._unreasonable(maps, f"map expansion size for {address}")
            for count in range(self._limits.recursion + 1):
                current = results[position]
                if fold(current, utf8=self._opened.utf8) in final:
                    break
                if count == self._limits.recursion:
                    raise self._unreasonable(maps, f"map nesting for {address}")
                found = self._map(maps, current, propagate=propagate)
                if isinstance(found, Failed):
                    self._opened.warn(
                        f"{maps.title} map lookup problem for {address} -- "
                        "message not accepted, try again later"
                    )
                    raise _write_error()
                if found is None:
                    break
                self._note("alias", maps.title, current, *found, level=count + 1)
                for result in found:
                    if len(result.encode("utf-8", "surrogateescape")) > self._limits.length:
                        raise self._unreasonable(maps, f"result {result[:300]}...")
                    if self._same(current, result):
                        self._note("identity", maps.title, current, result, level=count + 1)
                        final.add(fold(current, utf8=self._opened.utf8))
                results[position] = found[0]
                results += found[1:]
            position += 1
        return results

    def _unreasonable(self, maps: Maps, what: str) -> CleanupFailed:
        self._opened.warn(
            f"unreasonable {maps.title} {what} -- message not accepted, try again later"
        )
        return _alias_error()

    def _map(self, maps: Maps, address: str, *, propagate: bool) -> list[str] | Failed | None:
        """Return the addresses, in internal form, that tables give for one; None without hit.

        Source: mail_addr_map(3).
        """
        hit = self._search.find(maps, address, ADDRESS, internal_too=False)
        if isinstance(hit, Failed):
            return hit
        if not isinstance(hit, Hit):
            return None
        text = hit.value
        if text.startswith("@"):
            local = address.rpartition("@")[0] if "@" in address else address
            if hit.extension:
                local = local[: -len(hit.extension)]
            rule = f"{maps.title}: a domain keeps the local part"
            self._opened.note(Step("domain", rule, text, (quote(local + text),)))
            text = quote(local + text)
        extension = hit.extension if propagate and hit.extension else ""
        results = []
        for external in addresses(text):
            result = self._noted(external, self._rewriting.external(external))
            local, at, domain = result.rpartition("@")
            results.append(f"{local}{extension}@{domain}" if at else result + extension)
            if hit.extension:
                self._note("extension", _PROPAGATION, result, results[-1])
        if not results:
            self._opened.warn(
                f'{maps.title} lookup of {address} returns non-address result "{text}"'
            )
            return Failed("non-address result")
        return results

    def _same(self, one: str, other: str) -> bool:
        return fold(one, utf8=self._opened.utf8) == fold(other, utf8=self._opened.utf8)

    @cached_property
    def _propagated(self) -> frozenset[str]:
        known = ("canonical", "virtual", "alias", "forward", "include", "generic")
        return listed_names(self._main, _PROPAGATION, known)

    @cached_property
    def _limits(self) -> _Limits:
        return _Limits(
            recursion=self._main.get_int("virtual_alias_recursion_limit", 1),
            expansion=self._main.get_int("virtual_alias_expansion_limit", 1),
            length=self._main.get_int("virtual_alias_address_length_limit", 1),
        )


def override_options(main: MainCf) -> frozenset[str]:
    """Return what receive_override_options switches off; raises ConfigError."""
    known = (
        "no_unknown_recipient_checks",
        "no_address_mappings",
        "no_header_body_checks",
        "no_milters",
    )
    return listed_names(main, "receive_override_options", known)


@dataclass(frozen=True, slots=True)
class _Limits:
    recursion: int
    expansion: int
    length: int
