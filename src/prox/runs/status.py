"""How far a run is, while it is at work or after the fact."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prox.corpora import open_file_system
from prox.errors import UsageError
from prox.runs.ledger import read_ledger
from prox.runs.lock import is_held
from prox.runs.plan import Plan, read_plan
from prox.runs.record import RUN_FILE, read_record
from prox.runs.unit_report import UnitReport

FEWEST_SECONDS = 1.0
"""A run that is at work shorter than this has no rate yet."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the ledger of a run says, with what its `run.json` adds.

    Attributes:
        state: `complete`, `running`, `interrupted`, `incomplete` (some units could not be done), `failed`, or `killed`
            for a run that says it is running but is not; `running?` on object stores, where only watching would tell.
        units_done, units: That are done, and all.
        share: Of the input that is done, by stored bytes.
        report: The counts of all units that are done.
        failed_units: Units that could not be done, with the reason.
        seconds: Of work in all sessions, up to the last word of the run.
        rate: Bytes of raw text a second, in the last session; None where it cannot be told.
        left: Seconds until the end at that rate; None where it cannot be told.
        files: Of the input, with their share that is done.
        record: What `run.json` holds.
    """

    state: str
    units_done: int
    units: int
    share: float
    report: UnitReport
    failed_units: dict[str, str]
    seconds: float
    rate: float | None
    left: float | None
    files: dict[str, float]
    record: dict[str, Any]


def run_status(output: str) -> Status:
    """Look at an output folder; nothing in it is touched.

    Raises:
        UsageError: It holds no run, or what it says of itself cannot be read.
    """
    fs, path = open_file_system(output)
    record = read_record(output.rstrip("/")) if fs.isdir(path) else None
    try:
        plan = read_plan(output.rstrip("/")) if record is not None else None
    except ValueError as error:
        raise UsageError(str(error)) from error
    if record is None or plan is None:
        raise UsageError(f"{output} holds no run (no {RUN_FILE}). Name the OUTPUT of a prox refine")
    report, units_done, bytes_done = UnitReport(), 0, 0.0
    shares: defaultdict[int, float] = defaultdict(float)
    for entry in read_ledger(output.rstrip("/")):
        planned = plan.numbers.get(entry.file_number)
        if planned is None or entry.number >= len(planned.cuts):
            continue
        report += entry.report
        units_done += 1
        shares[entry.file_number] += planned.share(entry.number)
        bytes_done += (planned.file.size or 0) * planned.share(entry.number)
    share = plan.share(units_done, bytes_done)
    state = _state(record["status"], is_held(output.rstrip("/")))
    rate, left = _pace(record, share) if state.startswith("running") else (None, None)
    return Status(
        state,
        units_done,
        plan.count,
        share,
        report,
        record["failed_units"],
        record["seconds"],
        rate if rate is not None else _mean_rate(record),
        left,
        _files(plan, shares),
        record,
    )


def _state(written: str, held: bool | None) -> str:
    if held is None:
        return "running?" if written == "running" else written
    if held:
        return "running"
    return "killed" if written == "running" else written


def _pace(record: dict[str, Any], share: float) -> tuple[float | None, float | None]:
    """Rate and time left, by the session that is at work. Its seconds are its own, so clocks do not matter."""
    session = record["session"]
    if session["seconds"] < FEWEST_SECONDS or session["share"] <= 0:
        return None, None
    rate = session["text_bytes"] / session["seconds"]
    return rate, session["seconds"] / session["share"] * max(0.0, 1 - share)


def _mean_rate(record: dict[str, Any]) -> float | None:
    session = record["session"]
    return session["text_bytes"] / session["seconds"] if session["seconds"] > 0 and session["text_bytes"] else None


def _files(plan: Plan, shares: Mapping[int, float]) -> dict[str, float]:
    return {planned.file.shown: min(1.0, round(shares.get(planned.number, 0.0), 6)) for planned in plan.files}


def as_json(status: Status) -> dict[str, Any]:
    """For machines: flat, with names that `run.json` has too."""
    report = status.report
    return {
        "state": status.state,
        "units": {"done": status.units_done, "failed": len(status.failed_units), "all": status.units},
        "share": round(status.share, 6),
        **report.counts(),
        "reasons": dict(report.reasons.most_common(20)),
        "seconds": status.seconds,
        "bytes_per_second": None if status.rate is None else round(status.rate),
        "seconds_left": None if status.left is None else round(status.left),
        "sessions": status.record["sessions"],
        "failed_units": status.failed_units,
        "error": status.record.get("error"),
        "file_problems": list(report.problems),
    }
