"""Runs where libldap is: what it makes of the texts on stdin (hex, one a line).

Its argument is what they are: "filter" prints the BER in hex, "dn" the DN as libldap spells it, in
hex, or "not UTF-8" where it has read what it does not write, "ldif" the value of an LDIF line in hex;
all print "bad" for what libldap refuses.
"""

import ctypes
import ctypes.util
import sys

ldap = ctypes.CDLL(ctypes.util.find_library("ldap") or "libldap-2.5.so.0")
lber = ctypes.CDLL(ctypes.util.find_library("lber") or "liblber-2.5.so.0")
LDAPV3_PRETTY = 0x0110


class Berval(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ulong), ("value", ctypes.POINTER(ctypes.c_char))]


lber.ber_alloc_t.restype = ctypes.c_void_p
lber.ber_free.argtypes = [ctypes.c_void_p, ctypes.c_int]
lber.ber_flatten2.argtypes = [ctypes.c_void_p, ctypes.POINTER(Berval), ctypes.c_int]
ldap.ldap_pvt_put_filter.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
ldap.ldap_str2dn.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_uint]
ldap.ldap_dn2str.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_char_p), ctypes.c_uint]


def filter_ber(text: bytes) -> str:
    ber = lber.ber_alloc_t(1)  # LBER_USE_DER
    try:
        if ldap.ldap_pvt_put_filter(ber, text) == -1:
            return "bad"
        found = Berval()
        lber.ber_flatten2(ber, ctypes.byref(found), 0)
        return found.value[: found.length].hex()
    finally:
        lber.ber_free(ber, 1)


def spelled_dn(text: bytes) -> str:
    dn, out = ctypes.c_void_p(), ctypes.c_char_p()
    if ldap.ldap_str2dn(text, ctypes.byref(dn), 0):
        return "bad"
    if ldap.ldap_dn2str(dn, ctypes.byref(out), LDAPV3_PRETTY):
        return "not UTF-8"
    return (out.value or b"").hex()


def ldif_value(line: bytes) -> str:
    name, value = Berval(), Berval()
    if ldap.ldif_parse_line2(line, ctypes.byref(name), ctypes.byref(value), None):
        return "bad"
    return value.value[: value.length].hex()


answer = {"filter": filter_ber, "dn": spelled_dn, "ldif": ldif_value}[sys.argv[1]]
for line in sys.stdin:
    print(answer(bytes.fromhex(line)))
