"""Domain names that are not ASCII: ours and Postfix's own library judge them alike."""

import itertools
import random

from mailldap.simulate.hostname import is_utf8_hostname

#: Runs in the lab: the library that smtpd and trivial-rewrite ask, which logs each refusal.
SCRIPT = """
import ctypes, os, sys
library = ctypes.CDLL("/usr/lib/postfix/libpostfix-util.so")
library.valid_utf8_hostname.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
for line in sys.stdin.buffer:
    sys.stdout.write("01"[library.valid_utf8_hostname(1, line[:-1], 0) != 0])
"""
BLOCKS = (
    range(0x80, 0x3400), range(0xA000, 0xABFF), range(0xF8F0, 0x10000), range(0x10EF0, 0x11300),
    range(0x1BC00, 0x1BD00), range(0x1D000, 0x1D800), range(0x1E000, 0x1FC00),
    range(0x2F800, 0x2FA20), range(0x31340, 0x31360), range(0xE0000, 0xE0200),
)  # fmt: skip
PIECES = [
    "a", "B", "1", "-", "--", "_", ".", "..", "xn--", "xn--mller-kva", "xn--a", "xn--ls8h",
    "XN--MLLER-KVA", "m\u00fcller", "M\u00dcLLER", "u\u0308", "\u0308", "\u00df", "\u1e9e",
    "\u03c2", "\u03a3", "\u200d", "\u200c", "\u200b", "\u00ad", "\u3002", "\uff0e", "\uff61",
    "\ufe12", "\u2024", "\u2488", "\u33c2", "\u00a0", "\u3000", "\u05d0", "\u0627", "\u0300",
    "\u212a", "\uff21", "\ufb01", "\u00bd", "\u2603", "\U0001f600", "\u0130", "\u0131", "\u1806",
    "\U0002f868", "\u4e2d\u6587", "a" * 30, "\u00e9" * 20, "a" * 64, "\u0345", "\u0390", "\u1fd3",
    "\u2010", "\u2011", "\uff0d", "\ud55c", "\u1112\u1161\u11ab", "\ufdd0", "\ue000", "@", " ", "%",
]  # fmt: skip


def names():
    for code in itertools.chain(*BLOCKS):
        if not 0xD800 <= code < 0xE000:
            yield f"a{chr(code)}b.example"
    for one, other in itertools.product(PIECES, repeat=2):
        yield one + other
    rng = random.Random(46)
    for _ in range(60_000):
        yield "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 7)))


def test_as_postfix_judges(lab):
    asked = [name for name in dict.fromkeys(names()) if not name.isascii()]
    lines = "".join(f"{name}\n" for name in asked).encode()
    done = lab.exec(["python3", "-c", SCRIPT], lines)
    assert done.returncode == 0
    assert len(done.stdout) == len(asked)
    differences = [
        f"{name!r}: Postfix {chr(theirs)}"
        for name, theirs in zip(asked, done.stdout, strict=True)
        if is_utf8_hostname(name, utf8=True) != (theirs == ord("1"))
    ]
    assert not differences, f"{len(differences)}: " + "\n".join(differences[:40])
    assert 0.1 < done.stdout.count(b"1") / len(asked) < 0.9
