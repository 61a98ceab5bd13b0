"""Generated files into a configuration directory: planned, shown, then written all or none."""

from __future__ import annotations

import difflib
import grp
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mailldap.errors import ConfigError
from mailldap.postfix.changeset import FileChange, commit
from mailldap.postfix.durable import read_or_none
from mailldap.postfix.generate.files import GeneratedFile
from mailldap.postfix.generate.seal import seal_state
from mailldap.postfix.lines import decode, physical_lines

State = Literal["new", "unchanged", "stale", "edited", "foreign"]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A generated file and what stands in its place.

    ``new``: nothing; ``unchanged``: the same bytes and mode; ``stale``: an older generated file;
    ``edited``: a generated file changed by hand; ``foreign``: somebody else's file.
    """

    file: GeneratedFile
    path: Path
    state: State
    before: bytes | None = field(repr=False)

    @property
    def in_the_way(self) -> bool:
        """Whether writing would destroy somebody's work."""
        return self.state in {"edited", "foreign"}

    def diff(self) -> str:
        """Return the unified diff from what is there; never a secret's."""
        if self.file.secret:
            return f"{self.path} holds a secret; its difference is not shown\n"
        return unified_diff(str(self.path), self.before, self.file.content)


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What writing would do; nothing is written before :meth:`apply`."""

    directory: Path
    files: tuple[PlannedFile, ...]

    def diff(self) -> str:
        """Return the differences of all files, secrets left out; empty where there is none."""
        return "".join(f.diff() for f in self.files if f.state != "unchanged")

    def apply(self, *, force: bool = False) -> tuple[Path, ...]:
        """Write what is new or stale, all or none; return the paths that were written.

        *force* overwrites edited and foreign files too, of which a copy is kept
        (changeset.roll_back). The directory is made where only its last folder is missing: more
        missing is a misspelt name. Raises ConfigError otherwise, or where a file cannot be written.
        """
        for planned in self.files:
            if planned.in_the_way and not force:
                raise ConfigError(
                    "was edited since mailldap generated it"
                    if planned.state == "edited"
                    else "is there and was not made by mailldap",
                    file=str(planned.path),
                    hint="-n shows the difference; --force overwrites it and keeps a copy",
                )
        wanted = [p for p in self.files if p.state != "unchanged"]
        if wanted:
            try:
                self.directory.mkdir(mode=0o755, exist_ok=True)
            except FileNotFoundError as error:
                raise ConfigError(
                    "cannot be made: the folder that it would stand in is not there",
                    file=str(self.directory),
                    hint=f"correct the name, or make {self.directory.parent} first",
                ) from error
            except OSError as error:
                raise ConfigError(
                    f"cannot be made: {error.strerror}", file=str(self.directory)
                ) from error
        changes = [
            FileChange(p.path, p.file.content, p.before, p.file.mode, _group_id(p.file.group))
            for p in wanted
        ]
        commit(self.directory, changes, backup=any(p.in_the_way for p in wanted))
        return tuple(p.path for p in wanted)


def plan_write(directory: Path, files: Sequence[GeneratedFile]) -> WritePlan:
    """Return what writing *files* into *directory* would do.

    A file with a ``beside`` name takes that one where somebody else's file has the first: main.cf
    is the administrator's, and our lines stand in main-all.cf until they are merged
    (apply.plan_apply). Raises ConfigError for a file that cannot be read.
    """
    planned = []
    for file in files:
        plan = _plan_one(directory / file.name, file)
        if plan.state == "foreign" and file.beside:
            plan = _plan_one(directory / file.beside, file)
        planned.append(plan)
    return WritePlan(directory, tuple(planned))


def _plan_one(path: Path, file: GeneratedFile) -> PlannedFile:
    gid = _group_id(file.group)
    try:
        before = read_or_none(path)
        status = path.stat() if before is not None else None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from error
    fits = status is not None and (
        status.st_mode & 0o7777 == file.mode and gid in {None, status.st_gid}
    )
    state: State
    if before is None:
        state = "new"
    elif before == file.content:
        state = "unchanged" if fits else "stale"
    else:
        kind = seal_state(before)
        state = "stale" if kind == "intact" else kind
    return PlannedFile(file, path, state, before)


def unified_diff(name: str, before: bytes | None, after: bytes) -> str:
    """Return a unified diff of two versions of a file; any bytes survive as surrogates."""
    old = physical_lines(decode(before or b""))
    new = physical_lines(decode(after))
    source = name if before is not None else "/dev/null"
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(old, new, source, name)
    )


def indexed_tables(plan: WritePlan) -> list[tuple[str, Path]]:
    """Return map type and source of the files that need a database, for run_postmap."""
    return [(p.file.index, p.path) for p in plan.files if p.file.index is not None]


def run_postmap(tables: Sequence[tuple[str, Path]]) -> tuple[str, ...]:
    """Make the databases of *tables* (map type and source) with postmap(1), where it is here.

    postmap gives a database the mode of its source. Returns the commands that somebody has still
    to run, because postmap is not here. Raises ConfigError with its words where it fails.
    """
    program = shutil.which("postmap", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
    left = []
    for kind, path in tables:
        table = f"{kind}:{path.absolute()}"
        if program is None:
            left.append(f"postmap {table}")
            continue
        done = subprocess.run(  # noqa: S603  a fixed program and one argument
            [program, table], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode:
            words = "; ".join(decode(done.stderr).splitlines())
            raise ConfigError(f"postmap {table}: {words}", file=str(path))
    return tuple(left)


def _group_id(name: str | None) -> int | None:
    """Return the group's number when it exists here and we may give files to it."""
    if name is None:
        return None
    try:
        gid = grp.getgrnam(name).gr_gid
    except KeyError:
        return None
    return gid if os.geteuid() == 0 or gid in os.getgroups() else None
