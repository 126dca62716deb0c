"""A live bar on a terminal; elsewhere a plain line now and then."""

import sys
import time

from rich.console import Console
from rich.progress import Progress, ProgressColumn

LOG_SECONDS = 10


class LiveBar:
    """One bar on standard error, with a line of text beside it.

    Columns show the task's `completed` (0 to 1) and its field `line`.
    """

    def __init__(self, console: Console, *columns: ProgressColumn, first_line_at_once: bool = False) -> None:
        self._bar = Progress(*columns, console=console, transient=True) if console.is_terminal else None
        self._logged = float("-inf") if first_line_at_once else time.monotonic()

    def __enter__(self) -> "LiveBar":
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0, line="starting")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            sys.stderr.write(f"{line}\n")

    def update(self, share: float, line: str, plain: str | None = None, *, at_once: bool = False) -> None:
        """Show how far it is.

        Args:
            share: 0 to 1.
            plain: The line where there is no terminal.
            at_once: Written there even if there has been one just now.
        """
        if self._bar:
            self._bar.update(self._task, completed=share, line=line)
        elif at_once or time.monotonic() - self._logged > LOG_SECONDS:
            self._logged = time.monotonic()
            sys.stderr.write(f"{plain or line}\n")
