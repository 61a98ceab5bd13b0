"""``postfix fix``: the mend of what needs no choice, shown as a diff, then made all or none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mailldap.audit.check import findings_of
from mailldap.audit.configuration import Configuration
from mailldap.audit.edit import apply_edits
from mailldap.audit.finding import Finding
from mailldap.audit.legacy import LegacyTable
from mailldap.audit.mends import MENDERS, Options
from mailldap.audit.postfix_rules.files import (
    DATABASES,
    closed_secret,
    mail_group,
    secret_files,
    wanted_mode,
)
from mailldap.errors import ConfigError
from mailldap.postfix.changeset import FileChange, commit
from mailldap.postfix.lines import decode
from mailldap.postfix.write import run_postmap, unified_diff

#: A relay's password as part of main.cf or master.cf.
_WRITTEN = re.compile(
    r"(smtp_sasl_password_maps\s*=[^\n]*?\b(?:static|inline):)(\{[^}\n]*\}?|[^\s,}]+)"
)
#: More rounds than any real file needs; a mend that does not hold must not turn for ever.
_ROUNDS = 10_000


@dataclass(frozen=True, slots=True)
class FixPlan:
    """What mending would do; nothing is written before :meth:`apply`.

    ``mended`` are the findings that will be gone, ``left`` those that need the administrator.
    ``tables`` are the text tables (map type and source) whose database is to be made again.
    """

    directory: Path
    changes: tuple[FileChange, ...] = field(repr=False)
    mended: tuple[Finding, ...]
    left: tuple[Finding, ...]
    tables: tuple[tuple[str, Path], ...]
    _modes: tuple[tuple[Path, int, int], ...] = ()
    _groups: tuple[tuple[Path, int, int], ...] = ()
    _secret: frozenset[Path] = frozenset()
    #: Paths as the caller wrote the directory.
    _names: Mapping[Path, str] = field(default_factory=dict)

    def diff(self) -> str:
        """Return the unified diff of every file, then modes and groups.

        Passwords are blotted out.
        """
        text = ""
        for change in self.changes:
            before, after = change.before or b"", change.content
            if change.path in self._secret or change.path.name in {"main.cf", "master.cf"}:
                table = change.path.suffix != ".cf"
                before, after = blotted(before, table=table), blotted(after, table=table)
            text += unified_diff(self._names[change.path], before, after)
        return (
            text
            + "".join(
                f"mode of {self._names[path]}: {old:04o} becomes {new:04o}\n"
                for path, old, new in self._modes
            )
            + "".join(
                f"group of {self._names[path]}: {old} becomes {new}\n"
                for path, old, new in self._groups
            )
        )

    def apply(self) -> Path | None:
        """Make the mend, all files or none; return the folder with the files as they were.

        None: there was nothing to mend. changeset.roll_back takes it back. Raises ConfigError,
        after which nothing has changed.
        """
        return commit(self.directory, self.changes)

    def run_postmap(self) -> tuple[str, ...]:
        """Make the databases of changed text tables; return the commands still to be run."""
        return run_postmap(self.tables)


def plan_fixes(
    directory: str | Path, *, root: str | Path = "/", deliver: str | None = None
) -> FixPlan:
    """Return the mend of the configuration in *directory*.

    *root* is as in check.check; *deliver* the path of Cyrus's deliver(8), which is otherwise
    looked for. Raises ConfigError where there is nothing to check, a file cannot be read, or
    *deliver* is no absolute path.
    """
    if deliver is not None and not re.fullmatch(r"/[^\s{}$]+", deliver):
        raise ConfigError(f"{deliver!r} is not an absolute path that master.cf can hold")
    found = Configuration.load(Path(directory), Path(root))
    mended = _with_modes(_mended(found, Options(deliver)))
    before, after = findings_of(found), findings_of(mended)
    changes, modes, groups = [], [], []
    for path in sorted({*mended.overlay, *mended.modes}):
        old = found.read(path)
        assert old is not None
        mode = mended.modes.get(path)
        gid = mended.groups.get(path)
        content = mended.overlay.get(path, old.content)
        if gid is not None and gid != old.gid:
            groups.append((path, old.gid, gid))
        if content != old.content or mode != old.mode or gid not in {None, old.gid}:
            changes.append(FileChange(path, content, old.content, mode, gid))
        if mode is not None and old.mode is not None and mode != old.mode:
            modes.append((path, old.mode, mode))
    kept = {(f.code, f.file, f.parameter) for f in after}
    return FixPlan(
        directory=found.shown or found.directory,
        changes=tuple(changes),
        mended=tuple(f for f in before if (f.code, f.file, f.parameter) not in kept),
        left=tuple(after),
        tables=_to_index(mended, set(mended.overlay)),
        _modes=tuple(modes),
        _groups=tuple(groups),
        _names={change.path: found.name_of(change.path) for change in changes},
        _secret=frozenset(file.path for file, _ in secret_files(found)),
    )


def _mended(conf: Configuration, options: Options) -> Configuration:
    overlay: dict[Path, bytes] = {}
    for mender in MENDERS:
        for _ in range(_ROUNDS):
            mend = mender(conf, options)
            if mend is None:
                break
            text = apply_edits(mend.file.text, mend.edits)
            overlay[mend.file.path] = text.encode("utf-8", "surrogateescape")
            conf = conf.with_contents(dict(overlay), {}, {})
    return conf


def _with_modes(conf: Configuration) -> Configuration:
    """Return the configuration with its secrets closed to others, open to who needs them."""
    modes: dict[Path, int] = {}
    groups: dict[Path, int] = {}
    unreadable = {finding.file for finding in closed_secret(conf)}
    for file, _ in secret_files(conf):
        if isinstance(file, LegacyTable):
            continue  # everybody needs main.cf
        mode = file.mode or 0
        if file.name in unreadable and mail_group() is not None:
            modes[file.path] = 0o640
        elif mode & 0o007:
            modes[file.path] = mode & wanted_mode(conf, file)
        group = mail_group()
        if modes.get(file.path) == 0o640 and group is not None:
            groups[file.path] = group
    return conf.with_contents(conf.overlay, modes, groups)


def tables_among(directory: str | Path, files: Iterable[Path]) -> tuple[tuple[str, Path], ...]:
    """Return the text tables (map type and source) that are among *files*, for run_postmap.

    None where the directory holds no configuration, or one that cannot be read.
    """
    try:
        conf = Configuration.load(Path(directory))
    except ConfigError:
        return ()
    return _to_index(conf, {path for path in files if path.exists()})


def _to_index(conf: Configuration, files: set[Path]) -> tuple[tuple[str, Path], ...]:
    sources = ((use.kind, conf.locate(use.path)) for use in conf.tables if use.kind in DATABASES)
    return tuple(
        dict.fromkeys(
            (kind, path) for kind, path in sources if path in files or path.resolve() in files
        )
    )


def blotted(content: bytes, *, table: bool) -> bytes:
    """Return a file with what may be a password blotted out, comments included.

    *table* tells a text table, of which keys remain, from files of parameters.
    """
    text = decode(content)
    if table:
        text = re.sub(r"(?m)^(#)[^\r\n]*", r"\1 ********", text)
        text = re.sub(r"(?m)^([^\s#][^ \t\r\n]*[ \t]+|[ \t]+)\S[^\r\n]*", r"\1********", text)
    else:
        text = re.sub(r"(?m)^(#?\s*\w*bind_pw\s*=).*(?:\n[ \t].*)*", r"\1 ********", text)
        text = _WRITTEN.sub(r"\1********", text)
    return text.encode("utf-8", "surrogateescape")
