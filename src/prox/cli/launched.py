"""Verbs that a launcher (torchrun, accelerate) starts in several processes."""

import contextlib
import time
from collections.abc import Callable, Iterator

from prox.errors import ProxError

SECONDS_TO_SPEAK = 5
"""What the main process has to say a thing that all have found, before another says it."""


@contextlib.contextmanager
def one_voice(is_main: Callable[[], bool]) -> Iterator[None]:
    """Of the processes of a launcher the main one speaks; what it dies of ends the others before they say the same."""
    try:
        yield
    except ProxError:
        if not is_main():
            time.sleep(SECONDS_TO_SPEAK)
        raise
