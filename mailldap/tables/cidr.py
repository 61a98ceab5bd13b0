"""``cidr:`` tables: networks to values.

Source: cidr_table(5); Postfix's dict_cidr.c and cidr_match.c.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from mailldap.postfix.words import SPACE, c_string, number_of
from mailldap.tables.base import TableContext
from mailldap.tables.rules import Rule, RuleTable, keyword, no_result, rule_lines


class CidrError(ValueError):
    """A pattern that is no network; the text is Postfix's."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network as cidr_table(5) writes it: ``bits`` of an address of one family."""

    family: socket.AddressFamily
    address: int
    bits: int
    width: int

    @classmethod
    def parse(cls, pattern: str) -> Network:
        """Return the network of ``address``, ``address/bits`` or either in ``[…]``.

        Raises CidrError: host bits must be zero.
        """
        address, mask = _parts(pattern)
        family = _family(address)
        width = 128 if family == socket.AF_INET6 else 32
        shown = f'"{address}/{mask}"'
        if mask is None:
            number = _number(family, address)
            if number is None:
                raise CidrError(f'bad address pattern: "{address}"')
            return cls(family, number, width, width)
        if not (mask.isascii() and mask.isdigit()):
            raise CidrError(f"bad mask value in {shown}")
        bits = number_of(mask)
        if bits > width:
            raise CidrError(f"bad mask length in {shown}")
        number = _number(family, address)
        if number is None:
            raise CidrError(f"bad network value in {shown}")
        host_bits = width - bits
        network = number >> host_bits << host_bits
        if network != number:
            correct = socket.inet_ntop(family, network.to_bytes(width // 8, "big"))
            raise CidrError(
                f"non-null host address bits in {shown}, "
                f'perhaps you should use "{correct}/{bits}" instead'
            )
        return cls(family, number, bits, width)

    def holds(self, address: str) -> bool | None:
        """Return whether *address* is in the network; None if it is of another family or none."""
        family = _family(address)
        if family != self.family:
            return None
        number = _number(family, address)
        if number is None:
            return None
        host_bits = self.width - self.bits
        return number >> host_bits == self.address >> host_bits


def _parts(pattern: str) -> tuple[str, str | None]:
    """Return address and mask."""
    if not pattern.startswith("["):
        address, slash, mask = pattern.partition("/")
        return address, mask if slash else None
    inside, bracket, rest = pattern[1:].partition("]")
    if not bracket:
        raise CidrError(f"missing ']' character after \"[{inside}\"")
    if rest.startswith("/"):
        return inside, rest[1:]
    if rest:
        raise CidrError(f'garbage after "[{inside}]"')
    address, slash, mask = inside.partition("/")
    return address, mask if slash else None


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _number(family: socket.AddressFamily, address: str) -> int | None:
    if not address.isascii() or "\0" in address:
        return None
    try:
        return int.from_bytes(socket.inet_pton(family, address), "big")
    except OSError:
        return None


def open_cidr(path: str, context: TableContext) -> RuleTable:
    """Return the table of a file or of rules in place. Raises TableUnavailable."""
    rules: list[Rule] = []
    nesting = 0
    for line in rule_lines("cidr", path, context):
        try:
            rule = _parse_rule(c_string(line.text), line.line, nesting)
        except CidrError as error:
            context.warn(f"cidr map {path}, line {line.line}: {error}: skipping this rule")
            continue
        nesting += {"if": 1, "endif": -1}.get(rule.kind, 0)
        rules.append(rule)
    return RuleTable("cidr", path, context, rules)


def _parse_rule(text: str, line: int, nesting: int) -> Rule:
    condition = keyword(text, "if")
    if condition is not None:
        pattern, wanted = _negations(condition)
        pattern = pattern.rstrip(SPACE)
        if not pattern:
            raise CidrError("no address pattern")
        return Rule("if", line, _Match(Network.parse(pattern), wanted, "").apply)
    rest = keyword(text, "endif")
    if rest is not None:
        if rest.strip(SPACE):
            raise CidrError("garbage after ENDIF")
        if not nesting:
            raise CidrError("ENDIF without IF")
        return Rule("endif", line, no_result)
    start, wanted = _negations(text)
    end = next((i for i, c in enumerate(start) if c in SPACE), len(start))
    pattern, value = start[:end], start[end:].strip(SPACE)
    if not pattern:
        raise CidrError("no address pattern")
    network = Network.parse(pattern)
    if not value:
        raise CidrError("no lookup result")
    return Rule("match", line, _Match(network, wanted, value).apply)


def _negations(text: str) -> tuple[str, bool]:
    """Return *text* without the ``!`` in front, and whether their number is even."""
    start = text.lstrip(SPACE + "!")
    return start, text[: len(text) - len(start)].count("!") % 2 == 0


@dataclass(frozen=True, slots=True)
class _Match:
    network: Network
    wanted: bool
    value: str

    def apply(self, key: str) -> str | None:
        return self.value if self.network.holds(key) == self.wanted else None
