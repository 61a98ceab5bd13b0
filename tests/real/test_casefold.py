"""Folding of keys beside the real one, ICU's: every character there is."""

import unicodedata

from mailldap.postfix.words import fold

#: The first table makes the union fold its keys; the second gives back what it is asked.
ECHO = "unionmap:{inline:{nosuchkey=x},regexp:{{/(.*)/ $1}}}"


def test_every_character(lab):
    place = lab.folder("fold")
    lab.write(place / "main.cf", "compatibility_level = 3.6\n")
    characters = [chr(c) for c in range(0x20, 0x20000) if not 0xD800 <= c < 0xE000]
    keys = "".join(f"A{c}B\n" for c in characters).encode()
    done = lab.exec(["postmap", "-c", place, "-q", "-", ECHO], keys)
    assert done.returncode == 0, done.stderr
    real = {}
    for line in done.stdout.decode().split("\n"):
        key, tab, value = line.partition("\t")
        if tab:
            real[key] = value
    # Debian 12 folds by Unicode 15; letters that are younger stay as they are there.
    younger = unicodedata.unidata_version.split(".") > ["15", "1"]
    differing = [
        f"U+{ord(c):04X} {unicodedata.name(c, '?')}: real {real.get(f'A{c}B')!r}, ours {fold(f'A{c}B', utf8=True)!r}"
        for c in characters
        if c != "\t"
        and real.get(f"A{c}B") != fold(f"A{c}B", utf8=True)
        and not (younger and real.get(f"A{c}B") == f"a{c}b")
    ]
    assert not differing, "\n".join(differing[:40])
