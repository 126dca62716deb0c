"""The process that workers are forked from. It imports little, so that the server can be started before all else."""

import multiprocessing
import signal
import threading
from multiprocessing.context import ForkServerContext, SpawnContext

from prox.runs.threads import limit_threads

_starting = threading.Lock()


def worker_context() -> ForkServerContext | SpawnContext:
    """Workers are forked from a server process that has loaded what they need, and runs no threads."""
    limit_threads()
    with _starting:
        if "forkserver" not in multiprocessing.get_all_start_methods():
            return multiprocessing.get_context("spawn")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["prox.runs.worker", "prox.refiners.tagger"])
        return context


def start_server() -> None:
    """Start the server, deaf to Ctrl-C: that is the main process's business. It loads while this process goes on.

    Nothing happens if it runs already, or if this is not the main thread.
    """
    context = worker_context()
    if context.get_start_method() != "forkserver" or threading.current_thread() is not threading.main_thread():
        return
    from multiprocessing import forkserver

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
