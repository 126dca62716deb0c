"""How much memory `prox refine` takes: as much for 1 GB of input as for 100 MB, and no more for a record of 200 MB.

Each run is a process with its workers, whose resident memory is sampled from /proc (Linux) many times a second. The
figures are, for each corpus, the peak of the main process and of the largest worker, in megabytes; `ratio` compares the
large corpus with the small one, the larger of both kinds of process. One record of 200 MB is longer than prox refines:
it goes to quarantine, and `fate` says so. One of 48 MB is refined.

    python benchmarks/run_memory.py [--small 100] [--large 1000] [--workers 2]

prints one line of JSON and ends with code 1 if a bar is missed: a ratio of 1.1, and 1,500 MB a process.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from corpora import pages, texts, write_lines, write_table
from processes import Command

PROX = Path(sys.executable).with_name("prox")
BARS = {"ratio": 1.1, "megabytes": 1500}
_SAMPLE_SECONDS = 0.01


def measured(corpus: Path, workers: int) -> dict[str, Any]:
    """Run `prox refine` over a file, and watch it."""
    output = corpus.with_name("output")
    log = corpus.with_name("log")
    command = Command([str(PROX), "refine", str(corpus), str(output), "--workers", str(workers), "--json"], log)
    peaks = {"main": 0, "worker": 0}
    started = time.monotonic()
    while command.main.poll() is None:
        for seen in command.processes():
            if seen.role in peaks:
                peaks[seen.role] = max(peaks[seen.role], seen.resident)
        time.sleep(_SAMPLE_SECONDS)
    seconds = time.monotonic() - started
    run = json.loads((output / "run.json").read_bytes())
    if command.main.returncode not in (0, 1) or run["status"] != "complete":
        raise RuntimeError(f"the run failed: {log.read_text()}")
    decisions = {name: count for name, count in run["decisions"].items() if count}
    reasons = [row["reason"] for part in (output / "programs").iterdir() for row in pq.read_table(part).to_pylist()
               if row["decision"] == "quarantined"] if decisions.get("quarantined", 0) < 10 else []  # fmt: skip
    shutil.rmtree(output)
    return {f"{role}_mb": round(peak / 1e6) for role, peak in peaks.items()} | {
        "seconds": round(seconds, 1), "decisions": decisions, "reasons": reasons[:2],
    }  # fmt: skip


def one_record(megabytes: int) -> Iterator[dict[str, Any]]:
    """A document of so many megabytes among others: lines of many pages."""
    chance = random.Random(megabytes)
    stock = texts()
    yield {"id": "before", "text": stock[0], "number": 0, "tags": []}
    pieces: list[str] = []
    size = 0
    while size < megabytes * 1e6:
        pieces.append(chance.choice(stock))
        size += len(pieces[-1].encode()) + 1
    yield {"id": "large", "text": "\n".join(pieces), "number": 1, "tags": []}
    yield {"id": "after", "text": stock[1], "number": 2, "tags": []}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=float, default=100, help="megabytes of text")
    parser.add_argument("--large", type=float, default=1000, help="megabytes of text")
    parser.add_argument("--records", type=int, nargs="*", default=[48, 200], help="megabytes of one record")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--formats", nargs="*", default=["jsonl", "parquet"])
    given = parser.parse_args()
    figures: dict[str, Any] = {"workers": given.workers}
    ratios, peaks = [], []
    with tempfile.TemporaryDirectory() as folder:
        for ending in given.formats:
            path = Path(folder, f"pages.{ending}")
            write = write_table if ending == "parquet" else write_lines
            of_size = {}
            for megabytes in (given.small, given.large):
                write(path, pages(megabytes))
                of_size[f"{megabytes:g} MB"] = measured(path, given.workers)
            small, large = (max(one["main_mb"], one["worker_mb"]) for one in of_size.values())
            ratios.append(round(large / small, 3))
            figures[ending] = of_size | {"ratio": ratios[-1]}
            for megabytes in given.records:
                write(path, one_record(megabytes))
                figures[ending][f"one record of {megabytes} MB"] = measured(path, given.workers)
            peaks += [one[name] for one in figures[ending].values() if isinstance(one, dict)
                      for name in ("main_mb", "worker_mb")]  # fmt: skip
    figures |= {"ratio": max(ratios), "peak_mb": max(peaks), "bars": BARS}
    print(json.dumps(figures))
    raise SystemExit(0 if figures["ratio"] <= BARS["ratio"] and figures["peak_mb"] <= BARS["megabytes"] else 1)


if __name__ == "__main__":
    main()
