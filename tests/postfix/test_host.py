"""The addresses of a machine, in the order in which Postfix meets them."""

from mailldap.postfix.host import in_order

#: As one machine had it; `ip -6 addr` and postconf's mynetworks say lo, fd00::2, fe80::…:1.
TABLE = """\
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
fe8000000000000000421cfffe008d92 05 40 20 80  docker0
fd000000000000000000000000000002 04 40 00 82     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""


def test_the_widest_scope_of_each_interface_comes_first() -> None:
    assert [str(interface) for interface in in_order(TABLE)] == [
        "::1/128",
        "fd00::2/64",
        "fe80::fc:ff:fe00:1/64",
        "fe80::42:1cff:fe00:8d92/64",
    ]
