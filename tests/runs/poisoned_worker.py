"""A worker process for tests: the real one, in which records with a mark in their text do what they say.

Its functions run in worker processes only, so that the main process of a test stays sound. A mark does harm where it
is refined, or, with `decode-` or `read-` before it, where its block is decoded or read.
"""

import ctypes
import os
import re
import signal
import time
from multiprocessing.connection import Connection

import prox.runs.supervisor
from prox.corpora import Block, Preset, Quarantined, table_of
from prox.refiners.tagger.refiner import TaggerRefiner
from prox.runs import worker
from prox.runs.supervisor import Job

MARK = re.compile(rb"POISON-([a-z-]+)")

_serve = prox.runs.supervisor._serve  # a test puts `serve` in its place, but in the main process only


def serve(pipe: Connection, job: Job, settings: object) -> None:
    """What a worker process runs instead of `_serve`."""
    worker.decode = _harmed_by(worker.decode, _content, "decode-")
    worker.read_blocks = _read_blocks(worker.read_blocks)
    TaggerRefiner.refine = _harmed_by(
        TaggerRefiner.refine, lambda _, chunks: "\n".join(chunk.text for chunk in chunks).encode(), ""
    )
    _serve(pipe, job, settings)


def _harmed_by(function, content, stage):
    def harmed(*arguments, **options):
        harm(content(*arguments), stage)
        return function(*arguments, **options)

    return harmed


def _read_blocks(function):
    def read(*arguments, **options):
        for block in function(*arguments, **options):
            harm(b"" if isinstance(block, Quarantined) else _content(block), "read-")
            yield block

    return read


def _content(block: Block, preset: Preset | None = None) -> bytes:
    if block.layout == "arrow":  # not the raw payload: Arrow pads buffers with what stands beside a slice
        return "\n".join(table_of(block).column("text").to_pylist()).encode()
    return block.payload if isinstance(block.payload, bytes) else b"\n".join(block.payload)


def harm(content: bytes, stage: str) -> None:
    """Do what the first mark for this stage says."""
    for found in MARK.finditer(content):
        name = found[1].decode()
        if name.removeprefix(stage) in HARMS and name.startswith(stage):
            HARMS[name.removeprefix(stage)]()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _segfault() -> None:
    ctypes.string_at(0)


def _exit() -> None:
    raise SystemExit(7)


def _sleep_with_the_interpreter() -> None:
    ctypes.PyDLL(None).sleep(1000)  # holds the lock of the interpreter: no other thread runs


def _loop() -> None:
    while True:
        pass


def _allocate() -> None:
    hoard = []
    while True:
        hoard.append(b"x" * (10 << 20))
        time.sleep(0.002)


def _raise() -> None:
    raise ValueError("no such page")


def _no_memory() -> None:
    raise MemoryError


def _recursion() -> None:
    _recursion()


HARMS = {
    "kill": _kill,
    "segfault": _segfault,
    "exit": _exit,
    "hang": _sleep_with_the_interpreter,
    "loop": _loop,
    "allocate": _allocate,
    "raise": _raise,
    "no-memory": _no_memory,
    "recursion": _recursion,
}
