"""A run: a recipe executed into an output folder, begun or continued."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from prox.corpora import (
    FoundFiles,
    choose_presets,
    find_files,
    part_schema,
    shown_path,
    write_atomically,
)
from prox.errors import RunError, UsageError
from prox.refiners.language_model.refiner import shown_prompt
from prox.runs import local
from prox.runs.changes import differing_fields, identity, refusal
from prox.runs.costs import StageCost
from prox.runs.ledger import (
    Entry,
    forget,
    make_aside,
    part_sizes,
    read_ledger,
    remove_unentered,
    sweep,
)
from prox.runs.lock import Lock, locked
from prox.runs.output import beside_output, check_place, claim, not_writable, remove_run, without_slashes
from prox.runs.plan import FilePlan, Plan, Unit, differences, plan_units, read_plan, write_plan
from prox.runs.recipe import Recipe, load_stages
from prox.runs.record import RUN_FILE, now, read_record, shown_cost, shown_recipe, version_of, versions
from prox.runs.stages import Stage
from prox.runs.supervisor import Job, default_memory
from prox.runs.unit_report import MOST_PROBLEMS, UnitReport
from prox.runs.worker_server import start_server

_RECORD_SECONDS = 5.0
"""How often a run that is at work writes how far it is."""

_FAILED_WITHOUT_SUCCESS = 8
"""So many units that fail, one after another, before any succeeds, end a run: it is not the units."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is.

    Attributes:
        report: Of all units that are done, in this session or earlier.
        units_done, units: That are done, and all.
        units_failed: That could not be done in this session.
        share: Of the input that is done, by stored bytes; 0 to 1.
        seconds: Since the start of this session.
        text_bytes: Refined in this session.
        in_work: Documents that have come through the stages, of units that are not done yet.
    """

    report: UnitReport
    units_done: int
    units: int
    share: float
    seconds: float
    text_bytes: int
    in_work: int = 0
    units_failed: int = 0


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended; `record` is what `run.json` holds."""

    report: UnitReport
    seconds: float
    problems: tuple[str, ...]
    passed_over: tuple[str, ...]
    record: dict[str, Any]


def refine_corpus(
    recipe: Recipe,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    start_over: bool = False,
    despite_changes: bool = False,
) -> RunResult:
    """Stream the input through the stages into the output folder; go on where an earlier run with this recipe stopped.

    Args:
        recipe: What to do.
        on_progress: Told now and then, perhaps by another thread.
        start_over: Remove what an earlier run wrote into the output folder.
        despite_changes: Go on although the recipe or the input has changed: what is done stays, except for files that
            have changed or are gone.

    Raises:
        UsageError: The recipe cannot be run: wrong paths, no text field, an output folder with something else in it,
            another run at work there, or a recipe or input that has changed.
        RunError: The run broke off, or some units could not be done. What is done is whole, and the same call goes on.
    """
    recipe = recipe.model_copy(update={"output": without_slashes(recipe.output)})
    files = beside_output(find_files(recipe.input), recipe.output)
    check_place(recipe)
    if recipe.engine == "ray":
        from prox.runs.ray_engine import check_installed

        check_installed()
    if local.has_worker_processes(recipe):
        start_server()  # it loads what workers need while this process looks at the input
    made = claim(recipe.output)
    try:
        with locked(recipe.output) as lock:
            try:
                return _Run(recipe, files, lock, on_progress).go(start_over, despite_changes)
            except OSError as error:
                raise RunError(f"the run broke off: {error}. {_GOES_ON}") from error
            finally:
                with contextlib.suppress(OSError):
                    sweep(recipe.output)
    finally:
        with contextlib.suppress(OSError):  # a wrong call leaves nothing; a folder with something in it stays
            for folder in made:
                folder.rmdir()


class _Run:
    """The bookkeeping of a run in its main process."""

    def __init__(
        self, recipe: Recipe, files: FoundFiles, lock: Lock, on_progress: Callable[[Progress], None] | None
    ) -> None:
        self._recipe = recipe
        self._files = files
        self._lock = lock
        self._on_progress = on_progress
        self._started = self._recorded = time.monotonic()
        self._counting = threading.Lock()
        self.report = UnitReport()
        self.problems: list[str] = []
        self._failures: dict[str, str] = {}
        self._documents = self._text_bytes = self._done = 0
        self._bytes_done = 0.0
        self._extents: dict[tuple[int, int], tuple[int | None, int | None]] = {}
        self._record: dict[str, Any] = {}
        self._seconds_before = 0.0
        self._plan = Plan((), 0)
        self._stages = list[Stage]()

    def go(self, start_over: bool, despite_changes: bool) -> RunResult:
        output = self._recipe.output
        earlier = None if start_over else read_record(output)
        changes = [] if earlier is None else differing_fields(earlier["identity"], identity(self._recipe), "recipe")
        if changes and not despite_changes:
            raise refusal(output, changes)
        self._stages = load_stages(self._recipe)
        if start_over:  # now that nothing else is wrong with the call
            remove_run(output)
        fingerprints = {str(stage.refiner.level): stage.refiner.fingerprint for stage in self._stages}
        if earlier is not None:
            changes += differing_fields(earlier["refiners"], fingerprints, "refiner")
            changes += differing_fields(
                {"version": earlier["versions"].get("prox-refine")}, {"version": version_of("prox-refine")}, "prox"
            )
            if changes and not despite_changes:
                raise refusal(output, changes)
        changes += self._make_plan(earlier is not None, despite_changes, bool(changes))
        self._record = {
            "status": "running",
            "recipe": shown_recipe(self._recipe),
            "identity": identity(self._recipe),
            "changes": ((earlier or {}).get("changes") or []) + changes,
            "presets": sorted({planned.preset.name for planned in self._plan.files}),
            "text_fields": sorted({planned.preset.text_field for planned in self._plan.files}),
            "refiners": fingerprints,
            "prompts": {
                f"{each.refiner.level}": shown for each in self._stages if (shown := shown_prompt(each.refiner))
            },
            "versions": versions(),
            "unit_bytes": self._plan.unit_bytes,
            "started": (earlier or {}).get("started") or now(),
            "sessions": (earlier or {}).get("sessions", 0) + 1,
        }
        self._seconds_before = (earlier or {}).get("seconds", 0.0)
        done = self._read_done()
        try:
            self._write("running")
        except OSError as error:
            raise not_writable(output, error) from error
        self._work(done)
        return self._finish()

    def _make_plan(self, begun: bool, despite_changes: bool, other_recipe: bool) -> list[str]:
        """Read the plan of a run that was begun and compare it with the input, or make one; what has changed."""
        recipe, output = self._recipe, self._recipe.output
        try:
            plan = read_plan(output) if begun else None  # without a run.json, nobody knows for which recipe it was
        except ValueError as error:
            raise UsageError(f"{error}. Start over with --start-over") from error
        if plan is None:
            presets, self.problems = choose_presets(self._files, recipe.corpus, recipe.text_field, recipe.html_to_text)
            one_corpus = recipe.format == "parquet" and len(set(presets.values())) == 1
            schema = part_schema(list(self._files), next(iter(presets.values()))) if one_corpus else None
            sizes = recipe.unit_bytes, recipe.unit_documents
            self._plan = plan_units(self._files, presets, recipe.has_language_model, *sizes, schema)
            try:
                write_plan(output, self._plan)
            except OSError as error:
                raise not_writable(output, error) from error
            return []
        changed = differences(plan, self._files)
        lines = [f"input: {name} file {shown_path(path)}" for name, paths in changed.items() for path in paths]
        if lines and not despite_changes:
            raise refusal(output, lines)
        if other_recipe:  # which may find the texts elsewhere
            plan = self._with_presets(plan)
        self._plan = self._replanned(plan, changed) if lines else plan
        if lines or other_recipe:
            write_plan(output, self._plan)
        return lines

    def _with_presets(self, plan: Plan) -> Plan:
        """The plan with the presets that the recipe of today asks for."""
        recipe = self._recipe
        presets, self.problems = choose_presets(self._files, recipe.corpus, recipe.text_field, recipe.html_to_text)
        files = [replace(each, preset=presets.get(each.file.path, each.preset)) for each in plan.files]
        return replace(plan, files=tuple(files))

    def _replanned(self, plan: Plan, changed: dict[str, list[str]]) -> Plan:
        """The plan for an input that has changed: what did not change keeps its numbers, and so its parts."""
        recipe = self._recipe
        lost = {*changed["gone"], *changed["changed"]}
        stale = {planned.number for planned in plan.files if planned.file.path in lost}
        forget(recipe.output, [entry for entry in read_ledger(recipe.output) if entry.file_number in stale])
        wanted = {*changed["new"], *changed["changed"]}
        files = [file for file in self._files if file.path in wanted]
        kept = [planned for planned in plan.files if planned.number not in stale]
        number = max([planned.number for planned in plan.files], default=-1) + 1
        new: tuple[FilePlan, ...] = ()
        if files:
            presets, self.problems = choose_presets(files, recipe.corpus, recipe.text_field, recipe.html_to_text)
            unit_bytes = recipe.unit_bytes or plan.unit_bytes
            new = plan_units(
                files, presets, recipe.has_language_model, unit_bytes, recipe.unit_documents, first_number=number
            ).files
        return replace(plan, files=(*kept, *new))

    def _read_done(self) -> set[tuple[int, int]]:
        """The units that are done: entered, and with all their parts in place."""
        output = self._recipe.output
        sizes = part_sizes(output)
        done, damaged = set(), []
        entered: set[str] = set()
        for entry in read_ledger(output):
            planned = self._plan.numbers.get(entry.file_number)
            whole = all(sizes.get(name) == size for name, size in entry.parts.items())
            if not whole or planned is None or entry.number >= len(planned.cuts):
                damaged.append(entry)
                continue
            done.add((entry.file_number, entry.number))
            entered.update(entry.parts)
            self._add(planned, entry)
        if damaged:
            forget(output, damaged)
            self.problems.append(f"{len(damaged)} units whose parts were missing or damaged are done again")
        remove_unentered(output, sizes.keys() - entered)
        return done

    def _work(self, done: set[tuple[int, int]]) -> None:
        recipe = self._recipe
        units = (unit for unit in self._plan.units() if (unit.file_number, unit.number) not in done)
        try:
            self.advance(0)
            if len(done) < self._plan.count:
                aside = make_aside(recipe.output)
                try:
                    job = Job(recipe, self._plan.schema, aside, self._memory(), recipe.time_limit)
                    self.problems += self._engine()(job, units, self, self._stages, self.advance)
                finally:
                    shutil.rmtree(aside, ignore_errors=True)
        except KeyboardInterrupt:
            self._write_if_possible("interrupted")
            raise
        except OSError as error:
            self._write_if_possible("failed", str(error))
            raise RunError(f"the run broke off: {error}. {_GOES_ON}") from error
        except BaseException as error:
            self._write_if_possible("failed", str(error) or type(error).__name__)
            if isinstance(error, RunError):
                raise RunError(f"{error}. {_GOES_ON}") from error
            raise

    def _engine(self) -> Callable[..., list[str]]:
        if self._recipe.engine == "ray":
            from prox.runs.ray_engine import work

            return work
        return local.work

    def _memory(self) -> int | None:
        if self._recipe.memory is not None or self._recipe.engine != "local":
            return self._recipe.memory
        return default_memory(self._recipe.workers or 1)

    def done(self, unit: Unit, report: UnitReport) -> None:
        """A unit is done and entered."""
        if self._lock.lost.is_set():
            raise RunError(f"another run has taken over {self._recipe.output}")
        self._add(self._plan.numbers[unit.file_number], Entry(unit.file_number, unit.number, report, {}))
        self._text_bytes += report.text_bytes
        self.advance(-sum(cost.documents for cost in report.costs[:1]))
        if time.monotonic() - self._recorded > _RECORD_SECONDS:
            self._recorded = time.monotonic()
            self._write_if_possible("running")

    def failed(self, unit: Unit, reason: str) -> None:
        """A unit cannot be done now."""
        self._failures[f"{unit.file.shown}, unit {unit.number}"] = reason
        if len(self._failures) >= _FAILED_WITHOUT_SUCCESS and not self._done:
            raise RunError(f"the first {len(self._failures)} units could not be done: {reason}")
        self.advance(0)

    def _add(self, planned: FilePlan, entry: Entry) -> None:
        with self._counting:
            self.report += entry.report
            self._done += 1
            self._bytes_done += (planned.file.size or 0) * planned.share(entry.number)
            if len(planned.cuts) > 1:
                self._extents[entry.file_number, entry.number] = entry.report.extent.begin, entry.report.extent.end

    def advance(self, documents: int) -> None:
        """Called by every thread that refines."""
        with self._counting:
            self._documents += documents
            if self._on_progress:
                seconds = time.monotonic() - self._started
                self._on_progress(
                    Progress(
                        self.report,
                        self._done,
                        self._plan.count,
                        self._plan.share(self._done, self._bytes_done),
                        seconds,
                        self._text_bytes,
                        max(0, self._documents),
                        len(self._failures),
                    )
                )

    def _finish(self) -> RunResult:
        if self._failures:
            self._write_if_possible("incomplete")
            (where, reason), *_ = self._failures.items()
            raise RunError(
                f"{len(self._failures)} of {self._plan.count:,} units could not be done, the others are. {where}: "
                f"{reason}. Mend that and run the same command again"
            )
        if gaps := list(self._gaps()):
            self._write("failed", gaps[0])
            raise RunError(f"the units do not add up to their files, so records are missing or double: {gaps[0]}")
        self._write("complete")
        return RunResult(
            self.report,
            self._record["seconds"],
            tuple([*self.problems, *self.report.problems][:MOST_PROBLEMS]),
            self._files.passed_over,
            self._record,
        )

    def _gaps(self) -> Iterator[str]:
        """Places where the units of one file do not meet: each must begin where the one before it ended."""
        for planned in self._plan.files:
            reached: int | None = None
            for number in range(len(planned.cuts) if len(planned.cuts) > 1 else 0):
                begin, end = self._extents[planned.number, number]
                if begin == end:
                    continue
                if None not in (reached, begin) and reached != begin:
                    yield f"{planned.file.shown}: unit {number} begins at {begin}, the one before ends at {reached}"
                reached = end

    def _write(self, status: str, error: str | None = None) -> None:
        self._record |= self._counts(status)
        self._record.pop("error", None)
        if error is not None:
            self._record["error"] = shown_path(error)
        data = orjson.dumps(self._record, option=orjson.OPT_INDENT_2) + b"\n"
        write_atomically(f"{self._recipe.output}/{RUN_FILE}", data)

    def _write_if_possible(self, status: str, error: str | None = None) -> None:
        """A full disk must not hide why the run ended; the ledger knows what is done."""
        with contextlib.suppress(OSError):
            self._write(status, error)

    def _counts(self, status: str) -> dict[str, Any]:
        report = self.report
        session = time.monotonic() - self._started
        share = self._plan.share(self._done, self._bytes_done)
        share_at_start = self._record.setdefault("share_at_start", share)
        costs = [*report.costs, *[StageCost()] * len(self._stages)]  # none yet where nothing is done
        return {
            "status": status,
            "seconds": round(self._seconds_before + session, 3),
            "session": {
                "seconds": round(session, 3),
                "text_bytes": self._text_bytes,
                "share": round(share - share_at_start, 6),
            },
            "units": {"done": self._done, "failed": len(self._failures), "all": self._plan.count},
            "share": round(share, 6),
            "failed_units": dict(list(self._failures.items())[:100]),
            **report.counts(),
            "reasons": dict(report.reasons.most_common(100)),
            "operations": report.operations,
            "rejected_operations": report.rejected,
            "failed_drafts": report.failures,
            "costs": [shown_cost(stage, cost) for stage, cost in zip(self._stages, costs, strict=False)],
            "file_problems": [*self.problems, *report.problems][:MOST_PROBLEMS],
            "passed_over": list(map(shown_path, self._files.passed_over[:1000])),
        }


_GOES_ON = "What is done is whole; mend that, and the same command again goes on"
