"""``postfix generate main --apply``: our lines into an administrator's main.cf and master.cf.

postconf(1) edits copies; what it made is shown as a diff, and then put in place of both files,
all or none, with a copy of the old ones kept (changeset.roll_back is the way back).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mailldap.errors import ConfigError
from mailldap.postfix.changeset import FileChange, commit
from mailldap.postfix.generate.services import Service
from mailldap.postfix.lines import decode
from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.words import split_braced
from mailldap.postfix.write import unified_diff

#: Lists to which ours is added behind what the administrator has: there the first answer counts.
_ADDED = frozenset(
    {
        "local_recipient_maps",
        "smtp_tls_policy_maps",
        "smtpd_sender_login_maps",
        "transport_maps",
        "virtual_alias_domains",
        "virtual_alias_maps",
    }
)
#: Lists that ours must lead: a refusal behind a permit_ is never reached, and an older password
#: for the same service would win.
_LED = frozenset({"smtp_sasl_password_maps", "smtpd_sender_restrictions"})

#: They change the restriction behind them (postconf(5)).
_CHANGERS = frozenset({"warn_if_reject", "defer_if_reject"})


@dataclass(frozen=True, slots=True)
class ApplyPlan:
    """What the files would become; nothing is written before :meth:`apply`."""

    directory: Path
    files: tuple[FileChange, ...] = field(repr=False)

    def diff(self) -> str:
        """Return the unified diff of both files; empty where there is nothing to change."""
        return "".join(unified_diff(str(f.path), f.before, f.content) for f in self.files)

    def apply(self) -> Path | None:
        """Put the new files in place, all or none; return the folder with the old ones.

        None: there was nothing to change. Raises ConfigError, after which nothing has changed.
        """
        return commit(self.directory, self.files)


def find_postconf() -> str | None:
    """Return the path of postconf(1) on this machine, or None."""
    return shutil.which("postconf", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")


def plan_apply(
    directory: Path,
    parameters: Mapping[str, str],
    services: Sequence[Service] = (),
    *,
    postconf: Sequence[str] | None = None,
) -> ApplyPlan:
    """Return what ``postconf -e`` makes of the files in *directory*.

    *parameters* and *services* are generate.main_parameters and generate.master_services;
    *postconf* is the command to run (default: the one of this machine). Raises ConfigError where
    Postfix is not here, a file cannot be read, or postconf refuses.
    """
    if postconf is None:
        program = find_postconf()
        if program is None:
            raise ConfigError(
                "postconf is not installed here",
                hint="run this on the mail host, or merge main-all.cf by hand",
            )
        postconf = (program,)
    names = ["main.cf", *(["master.cf"] if services else [])]
    before = {name: _read(directory / name) for name in names}
    merged = merge_parameters(
        MainCf.parse(decode(before["main.cf"]), str(directory / "main.cf")), parameters
    )
    edits = [["-e", *(f"{name}={value}" for name, value in sorted(merged.items()))]]
    for service in services:
        words = " ".join(str(service).split())
        edits.append(["-M", "-e", f"{service.name}/unix={words}"])
    after = _edited(postconf, before, edits if merged else edits[1:])
    made = MainCf.parse(decode(after["main.cf"]), str(directory / "main.cf"))
    for name, value in merged.items():
        if made.explicit(name) != value:
            raise ConfigError(
                f"postconf could not set {name}; nothing was changed",
                file=str(directory / "main.cf"),
                hint="is there a line with a NUL byte in it?",
            )
    changes = tuple(
        FileChange(directory / name, after[name], before[name])
        for name in names
        if after[name] != before[name]
    )
    return ApplyPlan(directory, changes)


def merge_parameters(main: MainCf, ours: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters to set: ours, with what the administrator's lists hold kept.

    What is so already is left out.
    """
    merged = {}
    for name, value in ours.items():
        own = main.explicit(name)
        if name == "virtual_alias_domains" and own is None:
            # The default: every domain that is a key of the alias tables there are.
            own = main.explicit("virtual_alias_maps")
        if not own or name not in _ADDED | _LED:
            wanted = value
        else:
            wanted = _merge(own, value, lead=name in _LED)
        if main.explicit(name) != wanted:
            merged[name] = wanted
    allowed = main.explicit("proxy_read_maps")
    if allowed is not None and (unknown := _unapproved(main, allowed, ours)):
        merged["proxy_read_maps"] = ", ".join([*filter(None, [allowed]), *unknown])
    return merged


def _unapproved(main: MainCf, allowed: str, ours: Mapping[str, str]) -> list[str]:
    """Return our tables behind proxy: that an own proxy_read_maps does not list yet.

    With a table that it does not list every program that opens it dies (proxymap(8)).
    """
    named = {word.strip("${}()") for word in split_braced(allowed) if word.startswith("$")}
    listed = set(split_braced(main.expand(allowed)))
    return [
        item
        for name, value in ours.items()
        for item in split_braced(value)
        if item.startswith("proxy:") and name not in named and item not in listed
    ]


def _merge(own: str, ours: str, *, lead: bool) -> str:
    theirs = split_braced(own)
    known = {_bare(item) for item in theirs}
    items = split_braced(ours)
    if lead:
        first = {_bare(item) for item in items}
        if [_bare(item) for item in theirs[: len(items)]] == [_bare(item) for item in items]:
            return own
        if not first & known:
            return f"{ours}, {own}"
        kept: list[str] = []
        for item in theirs:
            if _bare(item) not in first:
                kept.append(item)
            elif kept and kept[-1] in _CHANGERS:
                kept.pop()  # it would change the next restriction instead
        return ", ".join([*items, *kept])
    missing = [item for item in items if _bare(item) not in known]
    return ", ".join([own, *missing])


def _bare(item: str) -> str:
    return item.removeprefix("proxy:")


def _edited(
    postconf: Sequence[str], files: Mapping[str, bytes], edits: Sequence[Sequence[str]]
) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="mailldap-") as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        for edit in edits:
            done = subprocess.run(  # noqa: S603  a program and arguments, no shell
                [*postconf, "-c", folder, *edit],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            if done.returncode:
                words = "; ".join(decode(done.stderr).replace(folder, "").splitlines())
                raise ConfigError(f"postconf: {words or f'exit status {done.returncode}'}")
        return {name: (Path(folder) / name).read_bytes() for name in files}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}",
            file=str(path),
            hint="--apply merges into an existing Postfix configuration",
        ) from error
