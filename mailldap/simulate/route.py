"""From one address to class, transport and next hop: trivial-rewrite(8)'s second service.

Source: Postfix 3.7, trivial-rewrite/resolve.c and transport.c; transport(5), relocated(5),
ADDRESS_CLASS_README.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from mailldap.postfix.words import fold, is_utf8, lower_ascii
from mailldap.simulate.hostname import is_address, is_literal, is_utf8_hostname
from mailldap.simulate.local import LocalDomains
from mailldap.simulate.lookup import ADDRESS, AddressSearch, Hit, Keys
from mailldap.simulate.opened import Opened
from mailldap.simulate.rewrite import Rewriting
from mailldap.simulate.strip import StripFailed, strip_local
from mailldap.tables.base import Failed, Found, NotFound


class AddressClass(Enum):
    """The address classes of ADDRESS_CLASS_README."""

    LOCAL = "local"
    VIRTUAL_ALIAS = "virtual-alias"
    VIRTUAL_MAILBOX = "virtual-mailbox"
    RELAY = "relay"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Route:
    """What trivial-rewrite(8) answers.

    ``recipient`` is in internal form and may differ from what was asked; it is empty where the
    resolver failed too early to know. ``bad_syntax`` and ``failed`` are the resolver's error
    flags: the address cannot be, or a table could not be asked. ``routed``: the local part still
    names another host. ``address_class`` is None only where the resolver failed before it knew.
    """

    recipient: str
    address_class: AddressClass | None = None
    transport: str = ""
    nexthop: str = ""
    routed: bool = False
    bad_syntax: bool = False
    failed: bool = False

    @property
    def final(self) -> bool:
        """Whether mail for the domain ends here."""
        return self.address_class in _FINAL


_FINAL = frozenset({AddressClass.LOCAL, AddressClass.VIRTUAL_ALIAS, AddressClass.VIRTUAL_MAILBOX})


class Resolver:
    """Resolves addresses with the rules of one configuration."""

    def __init__(
        self, opened: Opened, rewriting: Rewriting, local: LocalDomains, search: AddressSearch
    ) -> None:
        self._opened = opened
        self._main = opened.main
        self._rewriting = rewriting
        self._search = search
        self._local = local

    def resolve(self, address: str, sender: str = "") -> Route:
        """Return the route of *address*; both addresses are in internal form."""
        try:
            stripped = strip_local(address, self._rewriting, self._local, self._main)
        except StripFailed as error:
            self._opened.warn(str(error))
            return Route("", failed=True)
        recipient, remote = stripped
        utf8 = self._opened.utf8
        domain = recipient.rpartition("@")[2]
        valid = (
            is_literal(domain)
            if domain.startswith("[")
            else (not utf8 or is_utf8(recipient)) and is_utf8_hostname(domain, utf8=utf8)
        )
        if not valid:
            numeric = (
                not domain.startswith("[")
                and (not utf8 or is_utf8(recipient))
                and self._main.get_bool("resolve_numeric_domain")
                and is_address(domain)
            )
            if not numeric:
                return Route(recipient, AddressClass.DEFAULT, bad_syntax=True)
            domain = f"[{domain}]"
            recipient = recipient[: recipient.rindex("@") + 1] + domain
            ours = self._local.contains(domain)
            if isinstance(ours, Failed):
                return Route(recipient, failed=True)
            remote = remote and not ours
        first = next((i for i, c in enumerate(recipient) if c in "@!%"), len(recipient))
        route = Route(recipient, routed=recipient[first + 1 :] != domain)
        route = self._remote(route, domain, sender) if remote else self._own(route, domain)
        if route.failed:
            return route
        return self._overridden(route, domain)

    # --- the address classes -----------------------------------------------------------------

    def _own(self, route: Route, domain: str) -> Route:
        """Return the route of an address in a local domain."""
        self._warn_of_overlap(
            "mydestination", domain, ("virtual_alias_domains", "virtual_mailbox_domains")
        )
        return self._by_transport(route, AddressClass.LOCAL, "local_transport", domain)

    def _remote(self, route: Route, domain: str, sender: str) -> Route:
        """Return the route of an address that is not local."""
        listed = self._listed("virtual_alias_domains", domain)
        if isinstance(listed, Failed):
            return replace(route, failed=True)
        if listed:
            self._warn_of_overlap(
                "virtual_alias_domains", domain, ("virtual_mailbox_domains", "relay_domains")
            )
            table = self._main.get_bool("show_user_unknown_table_name")
            return replace(
                route,
                address_class=AddressClass.VIRTUAL_ALIAS,
                transport="error",
                nexthop="5.1.1 User unknown" + (" in virtual alias table" if table else ""),
            )
        listed = self._listed("virtual_mailbox_domains", domain)
        if isinstance(listed, Failed):
            return replace(route, failed=True)
        if listed:
            self._warn_of_overlap("virtual_mailbox_domains", domain, ("relay_domains",))
            return self._by_transport(
                route, AddressClass.VIRTUAL_MAILBOX, "virtual_transport", domain
            )
        return self._off_host(route, domain, sender)

    def _off_host(self, route: Route, domain: str, sender: str) -> Route:
        listed = self._listed("relay_domains", domain)
        if isinstance(listed, Failed):
            return replace(route, failed=True)
        if listed:
            parameter, destination = "relay_transport", self._main.get("relay_transport")
            route = replace(route, address_class=AddressClass.RELAY)
        else:
            found = self._default_transport(sender)
            if isinstance(found, Failed):
                return replace(route, failed=True)
            parameter, destination = found
            route = replace(route, address_class=AddressClass.DEFAULT)
        relay = self._relayhost(sender)
        if isinstance(relay, Failed):
            return replace(route, failed=True)
        return self._with(route, parameter, destination, relay or domain)

    def _default_transport(self, sender: str) -> tuple[str, str] | Failed:
        """Return the parameter that gives the default transport, and its value."""
        maps = "sender_dependent_default_transport_maps"
        hit = self._of_sender(maps, sender, "empty_address_default_transport_maps_lookup_key")
        if isinstance(hit, Failed):
            return hit
        if isinstance(hit, Hit):
            if lower_ascii(hit.value) == "dunno":
                return maps, self._main.get("default_transport")
            return maps, hit.value
        return "default_transport", self._main.get("default_transport")

    def _relayhost(self, sender: str) -> str | Failed:
        """Return the relay host for mail from *sender*, or ""."""
        hit = self._of_sender(
            "sender_dependent_relayhost_maps", sender, "empty_address_relayhost_maps_lookup_key"
        )
        if isinstance(hit, Failed):
            return hit
        utf8 = self._opened.utf8
        if isinstance(hit, Hit) and fold(hit.value, utf8=utf8) != "dunno":
            return hit.value
        return self._main.get("relayhost")

    def _of_sender(self, parameter: str, sender: str, null_key: str) -> Hit | NotFound | Failed:
        maps = self._opened.maps(parameter)
        if not maps.tables:
            return NotFound()
        hit = self._search.find(maps, sender or self._main.get(null_key), ADDRESS)
        if isinstance(hit, Failed):
            self._opened.warn(f"{parameter} lookup failure")
        return hit

    def _by_transport(
        self, route: Route, address_class: AddressClass, parameter: str, domain: str
    ) -> Route:
        route = replace(route, address_class=address_class)
        return self._with(route, parameter, self._main.get(parameter), domain)

    def _with(self, route: Route, parameter: str, destination: str, nexthop: str) -> Route:
        """Return the route over ``transport:nexthop``; a nexthop there overrides *nexthop*."""
        transport, _, own = destination.partition(":")
        if not transport:
            self._opened.warn(
                f"file {self._main.name}: parameter {parameter}: null transport is not allowed"
            )
            return replace(route, failed=True)
        return replace(route, transport=transport, nexthop=own or nexthop)

    # --- overrides ---------------------------------------------------------------------------

    def _overridden(self, route: Route, domain: str) -> Route:
        """Apply transport_maps and relocated_maps, and refuse what looks like an option."""
        if route.address_class is not AddressClass.VIRTUAL_ALIAS:
            route = self._by_transport_maps(route, domain)
            if route.failed:
                return route
        relocated = self._opened.maps("relocated_maps")
        if relocated.tables:
            hit = self._search.find(relocated, route.recipient, ADDRESS)
            if isinstance(hit, Failed):
                self._opened.warn("relocated_maps lookup failure")
                return replace(route, failed=True)
            if isinstance(hit, Hit):
                text = f"5.1.6 User has moved to {hit.value}"
                route = replace(route, transport="error", nexthop=text)
        if route.recipient.startswith("-") and not self._main.get_bool("allow_min_user"):
            return replace(route, bad_syntax=True)
        return route

    def _by_transport_maps(self, route: Route, domain: str) -> Route:
        maps = self._opened.maps("transport_maps")
        if not maps.tables:
            return route
        parents = self._opened.parents_match("transport_maps")
        keys = Keys.FULL | Keys.BARE | Keys.DOMAIN
        keys |= Keys.PARENTS if parents else Keys.DOT_PARENTS
        hit = self._search.find(maps, route.recipient, keys)
        if isinstance(hit, NotFound):
            wildcard = maps.find("*")
            if isinstance(wildcard, Found):
                return _entry(route, wildcard.value, domain)
            hit = wildcard
        if isinstance(hit, Failed):
            self._opened.warn("transport_maps lookup failure")
            return replace(route, failed=True)
        return _entry(route, hit.value, domain) if isinstance(hit, Hit) else route

    # --- lists -------------------------------------------------------------------------------

    def _listed(self, parameter: str, domain: str) -> bool | Failed:
        found = self._match(parameter, domain)
        if isinstance(found, Failed):
            self._opened.warn(f"{parameter} lookup failure")
        return found

    def _match(self, parameter: str, domain: str) -> bool | Failed:
        patterns = self._opened.match_list(parameter)
        if parameter == "relay_domains":
            return patterns.match_domain(domain)
        return patterns.match_string(domain)

    def _warn_of_overlap(self, chosen: str, domain: str, others: tuple[str, ...]) -> None:
        if not self._main.get_bool("helpful_warnings"):
            return
        for other in others:
            if self._match(other, domain) is True:
                self._opened.warn(f"do not list domain {domain} in BOTH {chosen} and {other}")


def _entry(route: Route, value: str, domain: str) -> Route:
    """Apply a transport(5) result, ``transport:nexthop`` with either part left out."""
    transport, _, nexthop = value.partition(":")
    if not transport:
        return replace(route, nexthop=nexthop or route.nexthop)
    if not nexthop:
        failing = transport in {"error", "retry"}
        nexthop = "Address is undeliverable" if failing else domain
    return replace(route, transport=transport, nexthop=nexthop)
