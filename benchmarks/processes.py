"""A command with all the processes it starts, seen through /proc (Linux)."""

import os
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MARK = "PROX_BENCHMARK"


@dataclass(frozen=True, slots=True)
class Seen:
    """A process at one moment. `role` is `main`, `server` (that workers are forked from), `worker` or `other`."""

    pid: int
    parent: int
    resident: int
    role: str


class Command:
    """A command whose processes are known by a mark in their environment, also after it has died."""

    def __init__(self, arguments: Sequence[str], output: Path | None = None) -> None:
        self._mark = uuid.uuid4().hex
        self.log = output.open("wb") if output else subprocess.DEVNULL
        self.main = subprocess.Popen(
            arguments,
            env=os.environ | {_MARK: self._mark},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is sent on purpose only
        )

    def processes(self) -> list[Seen]:
        """Those that are there and are no zombies."""
        found = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and (seen := self._look(int(entry.name))):
                found[seen[0]] = seen
        servers = {
            pid
            for pid, (_, parent, _, line) in found.items()
            if b"forkserver" in line and (parent == self.main.pid or parent not in found)
        }
        return [
            Seen(pid, parent, resident, self._role(pid, parent, line, servers))
            for pid, parent, resident, line in found.values()
        ]

    def _role(self, pid: int, parent: int, line: bytes, servers: set[int]) -> str:
        if pid == self.main.pid:
            return "main"
        if pid in servers:
            return "server"
        return "worker" if b"forkserver" in line else "other"

    def _look(self, pid: int) -> tuple[int, int, int, bytes] | None:
        try:
            folder = Path(f"/proc/{pid}")
            if f"{_MARK}={self._mark}".encode() not in (folder / "environ").read_bytes():
                return None
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state in "ZX":
                return None
            pages = int((folder / "statm").read_text().split()[1])
            return pid, int(parent), pages * os.sysconf("SC_PAGE_SIZE"), (folder / "cmdline").read_bytes()
        except (OSError, IndexError, ValueError):  # it is gone, or another user's
            return None

    def left(self, patience: float = 15.0) -> list[Seen]:
        """Processes that are still there when the command is long over."""
        until = time.monotonic() + patience
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.05)
        return left
