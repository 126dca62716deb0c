"""How far a run is, told by its output folder alone."""

import orjson
import pytest

from prox.errors import UsageError
from prox.runs.lock import locked
from prox.runs.recipe import Recipe
from prox.runs.refine import refine_corpus
from prox.runs.status import as_json, run_status

PAGE = "Home | Login\n" + "The river rose again in the night and the town slept on. " * 8 + "\nShare on Facebook\n"


@pytest.fixture
def recipe(tmp_path):
    pages = tmp_path / "pages.jsonl"
    pages.write_bytes(b"".join(orjson.dumps({"id": str(i), "text": PAGE}) + b"\n" for i in range(300)))
    return Recipe(input=(str(pages),), output=str(tmp_path / "out"), unit_bytes=10_000, workers=0)


def interrupted(recipe, units):
    def stop(progress):
        if progress.units_done >= units:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refine_corpus(recipe, stop)


def test_a_complete_run_has_the_counts_of_its_record(recipe):
    record = refine_corpus(recipe).record
    status = as_json(run_status(recipe.output))
    assert (status["state"], status["share"], status["seconds_left"]) == ("complete", 1.0, None)
    assert status["units"] == {"done": record["units"]["all"], "failed": 0, "all": record["units"]["all"]}
    for name in ("records", "decisions", "words_before", "words_after", "text_bytes"):
        assert status[name] == record[name]


def test_an_interrupted_run_says_how_far_it_came(recipe):
    interrupted(recipe, 5)
    status = run_status(recipe.output)
    assert status.state == "interrupted"
    assert 5 <= status.units_done < status.units
    assert status.share == pytest.approx(status.units_done / status.units, abs=0.05)
    assert status.report.records == sum(as_json(status)["decisions"].values()) > 0


def test_a_run_that_holds_the_lock_is_running_and_one_that_lost_it_was_killed(recipe, tmp_path):
    interrupted(recipe, 5)
    path = tmp_path / "out" / "run.json"
    record = orjson.loads(path.read_bytes()) | {"status": "running"}
    path.write_bytes(orjson.dumps(record))
    assert run_status(recipe.output).state == "killed"
    with locked(recipe.output):
        assert run_status(recipe.output).state == "running"


def test_rate_and_time_left_are_those_of_the_session_that_is_at_work(recipe, tmp_path):
    interrupted(recipe, 5)
    path = tmp_path / "out" / "run.json"
    session = {"seconds": 10.0, "text_bytes": 5_000_000, "share": 0.1}
    record = orjson.loads(path.read_bytes()) | {"status": "running", "session": session}
    path.write_bytes(orjson.dumps(record))
    with locked(recipe.output):
        status = run_status(recipe.output)
    assert status.rate == 500_000
    assert status.left == pytest.approx(100 * (1 - status.share))


def test_units_that_could_not_be_done_are_told_with_the_reason(recipe, tmp_path):
    refine_corpus(recipe)
    path = tmp_path / "out" / "run.json"
    failed = {"pages.jsonl, unit 3": "pages.jsonl cannot be opened: no such file or directory"}
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"status": "incomplete", "failed_units": failed}))
    status = run_status(recipe.output)
    assert (status.state, status.failed_units) == ("incomplete", failed)


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"status": "complete"}'])
def test_a_folder_without_a_run_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"holds no run|is not from a run"):
        run_status(str(tmp_path))


def test_looking_changes_nothing(recipe, tmp_path):
    interrupted(recipe, 5)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    run_status(recipe.output)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
