"""Where tables of numbers are printed."""

from rich.console import Console

LEAST_WIDTH = 80
"""Columns that numbers need beside names that can be read; a narrower window breaks lines, and hides nothing."""
_LOG_WIDTH = 100
"""Columns where no terminal says how wide it is."""


def table_console() -> Console:
    """Standard output; wide enough, above all where it is no terminal."""
    console = Console()
    console.width = max(console.width, LEAST_WIDTH if console.is_terminal else _LOG_WIDTH)
    return console
