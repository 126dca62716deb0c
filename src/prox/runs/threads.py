"""One thread for each process that refines."""

import os

_COUNTS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def limit_threads() -> None:
    """Keep numpy's libraries to one thread, in this process if numpy is not loaded yet and in those it starts.

    The matrices of the tagger are small: threads that wait for one another made two workers on two cores eight times
    slower, and one worker took twice the processor time for the same speed.
    """
    for name in _COUNTS:
        os.environ.setdefault(name, "1")
