"""A bar with rate and time left, for work that a person on a terminal waits for."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    """Records a second since the beginning."""

    def render(self, task: Task) -> Text:
        done: int = task.fields["records"]
        rate = done / task.elapsed if task.elapsed else 0
        return Text(f"{rate:,.0f}/s")


class ProgressBar:
    """A bar on stderr, gone when the context ends.

    *total* is the size of the input in bytes, None where it is not known: the bar then tells
    how much is done, and no time left.
    """

    def __init__(self, total: int | None) -> None:
        columns: list[ProgressColumn] = [
            TextColumn("{task.fields[records]:,} records"),
            BarColumn(),
            _Rate(),
        ]
        if total:
            columns += [TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn()]
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=total, records=0)

    def update(self, records: int, size: int) -> None:
        """Show that *records* are done and *size* bytes of the input are read."""
        self._progress.update(self._task, completed=size, records=records)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
