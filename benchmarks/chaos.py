"""Does a run that is killed again and again give what a run gives that nobody disturbs?

`prox refine` runs on a corpus of all formats, in many small units. At moments that chance chooses, and often in the
middle of a commit, a worker, the process that workers are forked from, or the main process is ended with SIGKILL (the
main process also with SIGTERM and SIGINT); then the same command goes on. At the end text/, programs/ and quarantine/
are compared byte by byte with those of one run with one worker, the counts with what was written into the corpus, and
every file in the output folder must be known: a part of a unit in the ledger, its entry, the plan, run.json, or the
report.

    python benchmarks/chaos.py [--megabytes 200] [--kills 25] [--seed 0]

prints one line of JSON and ends with code 1 if anything differs.
"""

import argparse
import contextlib
import filecmp
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from corpora import write_mixed
from processes import Command, Seen

PROX = Path(sys.executable).with_name("prox")
FOLDERS = ("text", "programs", "quarantine")
_POLL = 0.002


def refine(corpus: Path, output: Path, workers: int, unit_bytes: int) -> list[str]:
    """The command of a run, the same for every session."""
    sizes = ["--workers", str(workers), "--unit-bytes", str(unit_bytes)]
    return [str(PROX), "refine", str(corpus), str(output), *sizes, "--json"]


def undisturbed(corpus: Path, output: Path, unit_bytes: int, log: Path) -> None:
    """One run with one worker.

    Raises:
        RuntimeError: It failed.
    """
    command = Command(refine(corpus, output, 1, unit_bytes), log)
    if command.main.wait() != 0:
        raise RuntimeError(f"the run that nobody disturbs failed: {log.read_text()}")


def disturbed(
    corpus: Path,
    output: Path,
    unit_bytes: int,
    kills: int,
    seed: int,
    longest_wait: float,
    log: Path,
    workers: int = 2,
    seconds: float = 3600,
) -> dict[str, Any]:
    """Sessions of one run, all but the last of them disturbed, until the run is complete.

    Returns:
        What was killed how often, how many sessions that took, and how many processes outlived theirs.

    Raises:
        RuntimeError: A session that nobody disturbed failed, or it took too long.
    """
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    killed: Counter[str] = Counter()
    sessions = left = 0
    while True:
        command = Command(refine(corpus, output, workers, unit_bytes), log)
        sessions += 1
        disturbed_now = False
        while command.main.poll() is None:
            if time.monotonic() > until:
                command.main.kill()
                raise RuntimeError(f"not done within {seconds:.0f} s")
            if sum(killed.values()) >= kills:
                time.sleep(0.05)
                continue
            moment = chance.choice(["any", "any", "start", "entry", "part"])
            _wait_for(moment, command, output, chance.uniform(0, longest_wait), longest_wait)
            target, number = _chosen(command.processes(), chance)
            if target is None or command.main.poll() is not None:
                continue
            os.kill(target.pid, number)
            killed[f"{target.role} {number.name}"] += 1
            disturbed_now = disturbed_now or target.role == "main"
            if target.role == "main":
                command.main.wait()
        left += len(command.left())
        if command.main.returncode == 0:
            return {"kills": sum(killed.values()), "killed": dict(sorted(killed.items())), "sessions": sessions,
                    "processes_left": left}  # fmt: skip
        if not disturbed_now:
            raise RuntimeError(f"session {sessions} failed, though its main process was left alone: {log.read_text()}")


def _chosen(there: Iterable[Seen], chance: random.Random) -> tuple[Seen | None, signal.Signals]:
    """Who is killed, and how: mostly a worker or the main process."""
    roles: dict[str, list[Seen]] = {}
    for seen in there:
        roles.setdefault(seen.role, []).append(seen)
    role = chance.choice(["worker"] * 5 + ["main"] * 5 + ["server"])
    how = chance.choice([signal.SIGKILL] * 3 + [signal.SIGTERM, signal.SIGINT]) if role == "main" else signal.SIGKILL
    return (chance.choice(roles[role]) if role in roles else None), how


def _wait_for(moment: str, command: Command, output: Path, seconds: float, patience: float) -> None:
    """Until a moment of this kind has come, or for a while."""
    if moment in ("any", "start"):
        time.sleep(seconds if moment == "any" else min(seconds, 0.5))
        return
    happens = _entry_half_written if moment == "entry" else _parts_half_moved
    until = time.monotonic() + patience
    while command.main.poll() is None and time.monotonic() < until and not _soon(happens, output):
        time.sleep(_POLL)


def _soon(happens: Callable[[Path], bool], output: Path) -> bool:
    try:
        return happens(output)
    except OSError:  # what was looked at is gone again
        return False


def _entry_half_written(output: Path) -> bool:
    return any(output.glob("ledger/*/.*.tmp")) or any(output.glob(".*.tmp"))


def _parts_half_moved(output: Path) -> bool:
    """A unit's folder has its programs still, but its text is in place already."""
    for unit in output.glob(".aside/*"):
        if any((unit / "programs").iterdir()) and (output / "text" / f"part-{unit.name[:12]}.parquet").exists():
            return True
    return False


def compared(corpus_records: int, reference: Path, output: Path) -> dict[str, Any]:
    """How the folders of two runs of one corpus differ, and whether all that is in the second is known."""
    different = sorted(
        name
        for folder in FOLDERS
        for name in {f"{folder}/{path.name}" for run in (reference, output) for path in (run / folder).iterdir()}
        if not _same(reference / name, output / name)
    )
    records = [json.loads((run / "run.json").read_bytes()) for run in (reference, output)]
    names = ("records", "decisions", "reasons", "words_before", "words_after", "text_bytes", "operations", "units")
    rows = [row for path in sorted((output / "programs").iterdir())
            for row in pq.read_table(path, columns=["id", "file", "record", "offset"]).to_pylist()]  # fmt: skip
    places = {(row["file"], row["offset"], row["record"]) for row in rows}
    counts = (
        all(records[0][name] == records[1][name] for name in names)
        and records[1]["status"] == "complete"
        and corpus_records == records[1]["records"] == len(rows) == len(places)
    )
    orphans, missing = unknown_files(output)
    return {
        "identical": not different,
        "counts_exact": counts,
        "orphans": len(orphans),
        "records": records[1]["records"],
        "units": records[1]["units"]["all"],
        "problems": [*different[:5], *orphans[:5], *missing[:5]],
    }


def _same(first: Path, second: Path) -> bool:
    return first.exists() and second.exists() and filecmp.cmp(first, second, shallow=False)


def unknown_files(output: Path) -> tuple[list[str], list[str]]:
    """Files that nothing accounts for, and files that should be there and are not."""
    known = {"run.json", "plan.jsonl.zst"}
    for entry in output.glob("ledger/*/*.json"):
        known |= {str(entry.relative_to(output)), *json.loads(entry.read_bytes())["parts"]}
    folders = {*FOLDERS, "ledger", *(f"ledger/{path.name}" for path in output.glob("ledger/*"))}
    there = {str(path.relative_to(output)) for path in output.rglob("*")} - folders
    return sorted(there - known - {"report.html"}), sorted(known - there)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=200)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unit-bytes", type=int, default=1_000_000)
    parser.add_argument("--longest-wait", type=float, default=5.0, help="seconds between two kills")
    parser.add_argument("--keep", action="store_true", help="leave the folders for a look")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = tempfile.mkdtemp(prefix="chaos-")
        if not given.keep:
            stack.callback(shutil.rmtree, folder)
        corpus, reference, output, log = (Path(folder, name) for name in ("corpus", "reference", "output", "log"))
        records = write_mixed(corpus, given.megabytes, given.seed)
        undisturbed(corpus, reference, given.unit_bytes, log)
        started = time.monotonic()
        figures = disturbed(corpus, output, given.unit_bytes, given.kills, given.seed, given.longest_wait, log)
        figures["seconds"] = round(time.monotonic() - started)
        figures |= compared(records, reference, output)
    print(json.dumps(figures | {"megabytes": given.megabytes, "seed": given.seed}))
    whole = figures["identical"] and figures["counts_exact"]
    raise SystemExit(0 if whole and not figures["orphans"] and not figures["processes_left"] else 1)


if __name__ == "__main__":
    main()
