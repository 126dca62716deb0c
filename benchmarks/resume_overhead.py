"""What continuing a run costs, and planning a very large one.

Three figures, in seconds and megabytes:

* `resume`: a run of 10,000 units is done; the same command again has nothing to do but to see that.
* `planning` of 1,000,000 units, for 100,000 files of ten units and for 1,000,000 files of one: cutting a listing into
  units, storing the plan, reading it again and comparing it with the input. Each in a process of its own; `peak_mb` is
  the most memory it takes.

    python benchmarks/resume_overhead.py [--units 10000]

prints one line of JSON. The bars: 10 s to resume, 60 s and 2,000 MB to plan.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

PROX = Path(sys.executable).with_name("prox")
BARS = {"resume_seconds": 10.0, "planning_seconds": 60.0, "planning_peak_mb": 2000.0}
_MEGABYTE = 1 << 20


def resume(units: int) -> dict[str, float]:
    """Seconds of a run of so many units, and of the same command again."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, output = Path(folder, "pages.jsonl"), Path(folder, "output")
        line = orjson.dumps({"text": "A line of prose that is long enough to be kept by any rule.\n" * 8})
        with corpus.open("wb") as file:
            for number in range(units):
                file.write(b'{"id": "%07d", ' % number + line[1:] + b"\n")
        size = len(line) + 19
        command = [str(PROX), "refine", str(corpus), str(output), "--unit-bytes", str(size), "--workers", "2", "--json"]
        seconds, counts = [], []
        for _ in range(2):
            started = time.monotonic()
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
            seconds.append(round(time.monotonic() - started, 2))
            counts.append(json.loads(done.stdout))
        assert counts[0]["units"] == counts[1]["units"] and counts[0]["decisions"] == counts[1]["decisions"]
        return {"units": counts[1]["units"]["all"], "run_seconds": seconds[0], "seconds": seconds[1]}


def planning(files: int, units_each: int, folder: str, step: str) -> dict[str, float]:
    """Seconds of each step for a listing of so many files, and the peak memory of this process.

    `step`: `begin` a run, or `continue` it, each as the main process of a run does it.
    """
    from prox.corpora import CorpusFile, get_preset
    from prox.runs.plan import differences, plan_units, read_plan, write_plan

    size = units_each * 256 * _MEGABYTE
    preset = get_preset("plain")
    listing = [
        CorpusFile(f"s3://bucket/crawl/CC-MAIN-2024-{n:07d}.jsonl", "jsonl", None, size, f"{n:032x}")
        for n in range(files)
    ]
    figures: dict[str, float] = {}

    def timed(name: str, step: Any, *arguments: Any) -> Any:
        started = time.monotonic()
        result = step(*arguments)
        figures[name] = round(time.monotonic() - started, 2)
        return result

    if step == "begin":
        plan = timed("plan_units", plan_units, listing, dict.fromkeys([file.path for file in listing], preset), False)
        timed("write_plan", write_plan, folder, plan)
        figures["stored_mb"] = round(sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6, 1)
    else:
        plan = timed("read_plan", read_plan, folder)
        changed = timed("differences", differences, plan, listing)
        assert not any(changed.values())
        assert all(planned.file == file for planned, file in zip(plan.files, listing, strict=True))
    count = timed("all_units", lambda: sum(1 for _ in plan.units()))
    assert count == plan.count == files * units_each
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return figures | {f"{step}_peak_mb": round(peak / 1e6)}


def planned(files: int, units_each: int) -> dict[str, float]:
    """Both steps, in a process each."""
    figures: dict[str, float] = {"files": files, "units": files * units_each}
    with tempfile.TemporaryDirectory() as folder:
        for step in ("begin", "continue"):
            command = [sys.executable, __file__, "--planning", str(files), str(units_each), folder, step]
            figures |= json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    seconds = sum(figures[name] for name in ("plan_units", "write_plan", "read_plan", "differences", "all_units"))
    peak = max(figures["begin_peak_mb"], figures["continue_peak_mb"])
    return figures | {"seconds": round(seconds, 2), "peak_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--planning", nargs=4, metavar=("FILES", "UNITS", "FOLDER", "STEP"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.planning:
        files, units_each, folder, step = given.planning
        print(json.dumps(planning(int(files), int(units_each), folder, step)))
        return
    plans = [planned(100_000, 10), planned(1_000_000, 1)]
    figures = {"resume": resume(given.units), "planning": plans, "bars": BARS}
    print(json.dumps(figures))
    met = (
        figures["resume"]["seconds"] < BARS["resume_seconds"]
        and max(plan["seconds"] for plan in plans) < BARS["planning_seconds"]
        and max(plan["peak_mb"] for plan in plans) < BARS["planning_peak_mb"]
    )
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
