"""aliases(5) files: the real postalias and postmap beside our reading of the text."""

import json
import random

from mailldap.postfix.lines import decode
from mailldap.tables.alias_file import read_aliases
from mailldap.tables.base import Found, TableContext
from mailldap.tables.open import open_table
from tests.real.seeds import seeds

#: Runs in the lab, on its python3: what postalias says of each file, and what postmap finds.
SCRIPT = r"""
import json, subprocess, sys

out = []
for directory, kind, _, keys in json.load(open(sys.argv[1])):
    spec = f"{kind}:{directory}/aliases"
    made = subprocess.run(["postalias", "-c", directory, spec], capture_output=True)
    asked = "".join(key + "\n" for key in keys).encode("utf-8", "surrogateescape")
    got = subprocess.run(["postmap", "-c", directory, "-q", "-", spec], input=asked, capture_output=True)
    out.append([made.stderr.decode("latin-1"), got.stdout.decode("latin-1"), got.stderr.decode("latin-1")])
json.dump(out, sys.stdout)
"""

WRITTEN = """\
# comment
postmaster: root
MAILER-DAEMON:  postmaster
sales: jane, bob@example.com,\\"quoted\\"
folded: one,
  two ,
\tthree
  # a comment inside
  four
include: :include:/etc/lists/x
pipe: "|/usr/bin/vacation jane"
file: /var/mail/archive
error:"x y"@z, (comment) a
"two words": root
empty:
: nothing before
no colon here
a, b: c
a@b: c
a%b: c
"a@b": c
"with:colon": d
back\\ slash: e
sales: again
SALES: once more
[1]: literal
null: ""
"": nobody
b:c: d
tab\t:\tvalue with   blanks
<angle>: f
group: g: h;
trailing: x,
ümlaut: Ünicode
@: at
x:y
"""
_WORDS = [
    "root", "Jane", "a.b", '"two words"', '"a@b"', '"q\\"q"', "x@example.com", ":include:/f",
    '"|/bin/cat"', "/var/mail/x", "(note)", "[lit]", "\\ ", "a\\,b", "<a@b>", "é", "%", "!",
]  # fmt: skip
_GLUE = [": ", ":", ", ", ",", " ", "  ", "\t", "\n ", "\n\t", "@", ";", "#", ""]


def generated(seed: str) -> str:
    rng = random.Random(f"aliases {seed}")
    lines = []
    for _ in range(rng.randrange(4, 14)):
        line = rng.choice(_WORDS) + rng.choice([": ", ":", " : ", rng.choice(_GLUE)])
        for _ in range(rng.randrange(4)):
            line += rng.choice(_WORDS) + rng.choice(_GLUE)
        lines.append(line + rng.choice(["\n", "\n", "\n", "\n# c\n", "\n\n", " \n"]))
    return "".join(lines)


def keys_of(text: str) -> list[str]:
    """Names that the file may have, and some beside them; none that ends a line."""
    found = {"", "@", "nobody", "YP_LAST_MODIFIED", "SaLeS"}
    for line in text.split("\n"):
        name = line.partition(":")[0].strip(" \t")
        found |= {name, name.strip('"'), name.upper(), name.replace("\\", ""), line.strip(" \t")}
    return sorted(key for key in found if "\r" not in key and "\0" not in key)


def test_names_and_values_are_those_of_postalias(lab) -> None:
    folder = lab.folder("postalias")
    texts = [WRITTEN, *map(generated, seeds(300, 1))]
    kinds = ["hash", "btree", "cdb", "lmdb"]
    jobs = []
    for number, text in enumerate(texts):
        place = folder / str(number)
        place.mkdir()
        kind = kinds[number % 4]
        lab.write(place / "aliases", text)
        utf8 = "yes" if number % 3 else "no"
        main = f"alias_database = {kind}:{place}/aliases\nsmtputf8_enable = {utf8}\n"
        lab.write(place / "main.cf", main)
        keys = [key for key in keys_of(text) if key or kind != "lmdb"]
        jobs.append((str(place), kind, utf8, keys))
    lab.write(folder / "job.json", json.dumps(jobs))
    done = lab.exec(["python3", "-c", SCRIPT, str(folder / "job.json")])
    assert done.returncode == 0, done.stderr
    hits = 0
    for text, (place, kind, utf8, keys), real in zip(
        texts, jobs, json.loads(done.stdout), strict=True
    ):
        said, found, complaints = (part.encode("latin-1") for part in real)
        path, spec = f"{place}/aliases", f"{kind}:{place}/aliases"
        context = TableContext(
            open_session=None,  # type: ignore[arg-type]  no table of LDAP here
            parameter={"alias_database": spec}.get,
            utf8=utf8 == "yes",
        )
        table = open_table(spec, context)
        expected = {}
        for line in decode(found).split("\n"):
            key, tab, value = line.partition("\t")
            if tab:
                expected[key] = value
        ours = {key: answer.value for key in keys if isinstance(answer := table.get(key), Found)}
        assert ours == expected, (spec, text, complaints)
        hits += len(ours)
        heard: list[str] = []
        context.warn = heard.append
        read_aliases(decode(text.encode()), path, context)
        warned = [line.partition("warning: ")[2] for line in decode(said).split("\n") if line]
        assert _plain(heard) == _plain(warned), (spec, text)
    assert hits > 5 * len(texts)


def _plain(warnings: list[str]) -> list[str]:
    """Each type words duplicates in its own way, with or without a place."""
    return ["duplicate" if "duplicate entry" in text else text for text in warnings]
