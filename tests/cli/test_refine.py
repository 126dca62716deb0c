"""`prox refine` as people call it, with the embedded tagger."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard

EXAMPLES = Path(__file__).parents[2] / "examples" / "pages.jsonl"
COMMAND = [sys.executable, "-c", "from prox.cli import main; main()"]


def programs(output):
    return [row for part in sorted((output / "programs").iterdir()) for row in pq.read_table(part).to_pylist()]


def run_record(output):
    return json.loads((output / "run.json").read_bytes())


def test_the_console_script_refines_the_examples(tmp_path):
    script = Path(sys.executable).with_name("prox")
    command = [str(script)] if script.exists() else COMMAND
    ended = subprocess.run([*command, "refine", str(EXAMPLES), str(tmp_path / "out")], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "40 records" in ended.stdout and str(tmp_path.name) in ended.stdout
    rows = programs(tmp_path / "out")
    ids = [json.loads(line)["id"] for line in EXAMPLES.read_text().splitlines()]
    assert [row["id"] for row in rows] == ids
    assert {"edited", "dropped"} <= {row["decision"] for row in rows}


def test_json_alone_is_on_standard_output(prox, tmp_path):
    code, out, err = prox("refine", EXAMPLES, tmp_path / "out", "--json", "--workers", 1)
    assert (code, err) == (0, "")
    assert json.loads(out) == run_record(tmp_path / "out")


def test_json_of_a_run_without_a_readable_record_is_still_json(prox, tmp_path):
    (tmp_path / "in.jsonl").write_text("{broken\n")
    code, out, err = prox("refine", tmp_path / "in.jsonl", tmp_path / "out", "--json", "--workers", 0)
    assert code == 1
    assert json.loads(out)["decisions"]["quarantined"] == 1
    assert err.startswith("prox refine: not one record could be refined")


def test_the_document_level_never_edits(prox, tmp_path):
    assert prox("refine", EXAMPLES, tmp_path / "out", "--level", "document", "--workers", 0)[0] == 0
    assert {row["decision"] for row in programs(tmp_path / "out")} <= {"kept", "dropped"}


def test_the_chunk_level_drops_by_the_policy_only(prox, tmp_path):
    assert prox("refine", EXAMPLES, tmp_path / "out", "--level", "chunk", "--workers", 0)[0] == 0
    rows = programs(tmp_path / "out")
    assert "edited" in {row["decision"] for row in rows}
    assert all(row["reason"].startswith("too few words left") for row in rows if row["decision"] == "dropped")


def test_a_keep_threshold_of_0_drops_nothing_and_1_drops_everything(prox, tmp_path):
    for threshold, decision in (("0", "kept"), ("1", "dropped")):
        out = tmp_path / threshold
        prox("refine", EXAMPLES, out, "--level", "document", "--keep-threshold", threshold, "--workers", 0)
        assert {row["decision"] for row in programs(out)} == {decision}


def test_a_noise_threshold_of_0_removes_every_visible_line(prox, tmp_path):
    everything, some = tmp_path / "0", tmp_path / "default"
    prox("refine", EXAMPLES, everything, "--level", "chunk", "--noise-threshold", "0", "--workers", 0)
    assert all(row["reason"].startswith("too few words left") for row in programs(everything))
    prox("refine", EXAMPLES, some, "--level", "chunk", "--workers", 0)
    assert {row["decision"] for row in programs(some)} > {"edited"}


def test_several_inputs_go_into_one_output(prox, tmp_path):
    lines = EXAMPLES.read_text().splitlines(keepends=True)
    (tmp_path / "a.jsonl").write_text("".join(lines[:3]))
    (tmp_path / "b.jsonl").write_text("".join(lines[3:5]))
    code, *_ = prox("refine", tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "out", "--workers", 0)
    assert code == 0
    assert [row["id"] for row in programs(tmp_path / "out")] == [json.loads(line)["id"] for line in lines[:5]]


def test_one_path_alone_is_answered_with_the_usage(prox):
    code, out, err = prox("refine", EXAMPLES)
    assert (code, out) == (2, "")
    assert "INPUT" in err and "OUTPUT" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pages.csv", b"id,text\n", "has an ending that prox does not read"),
        ("folder/notes.txt", b"x", "holds no file that prox reads"),
    ],
)
def test_an_input_that_prox_does_not_read_is_exit_2(prox, tmp_path, name, content, message):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    given = path.parent if "/" in name else path
    code, out, err = prox("refine", given, tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in err and "Traceback" not in err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("output", ["full", "file"])
def test_an_output_that_is_there_is_exit_2(prox, tmp_path, output):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    code, out, err = prox("refine", EXAMPLES, tmp_path / output)
    assert (code, out) == (2, "")
    assert err.startswith(f"prox refine: {tmp_path / output} is ") and "name a new folder" in err


def test_an_empty_file_is_an_empty_run(prox, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(b"")
    code, out, _ = prox("refine", tmp_path / "in.jsonl", tmp_path / "out")
    assert code == 0 and "0 records" in out


def test_a_corrupt_file_is_warned_about_and_the_rest_refined(prox, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/good.jsonl").write_bytes(EXAMPLES.read_bytes())
    (tmp_path / "in/bad.jsonl.gz").write_bytes(b"no gzip")
    code, out, _ = prox("refine", tmp_path / "in", tmp_path / "out", "--workers", 0)
    assert code == 0
    assert "warning: bad.jsonl.gz, record 0: broken file: " in " ".join(out.split())
    assert run_record(tmp_path / "out")["records"] == 41


def test_a_corrupt_file_alone_is_exit_1_with_everything_in_quarantine(prox, tmp_path):
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    code, _, err = prox("refine", tmp_path / "bad.jsonl.gz", tmp_path / "out", "--workers", 0)
    assert code == 1
    assert f"{tmp_path}/out/quarantine has them all" in err
    assert [row["decision"] for row in programs(tmp_path / "out")] == ["quarantined"]


def test_brackets_in_names_and_reasons_are_no_markup(prox, tmp_path):
    folder = tmp_path / "[bold]x[-red]"
    folder.mkdir()
    (folder / "[b].jsonl").write_bytes(EXAMPLES.read_bytes() + b"[/x]\n")
    code, out, _ = prox("refine", folder / "[b].jsonl", folder / "[out]", "--workers", 0)
    assert code == 0 and "[out]" in out


@pytest.fixture(scope="module")
def crawl(tmp_path_factory):
    """A corpus that keeps two workers busy for several seconds."""
    path = tmp_path_factory.mktemp("crawl") / "crawl.jsonl"
    records = [json.loads(line) for line in EXAMPLES.read_text().splitlines()]
    with path.open("w") as file:
        for i in range(400):
            for record in records:
                file.write(json.dumps(record | {"id": f"{i}-{record['id']}"}) + "\n")
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_a_run_soon_and_leaves_it_whole(crawl, tmp_path, workers):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*COMMAND, "refine", str(crawl), str(out), "--workers", str(workers), "--unit-bytes", "1MB"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    _until(lambda: (out / "programs").is_dir() and any(out.glob("programs/part-*")), process)
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    output, errors = process.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert process.returncode == 1
    assert "interrupted after" in errors and "Traceback" not in errors and output == ""
    _until(lambda: not _alive(process.pid))
    names = [path.name for path in out.rglob("*") if path.is_file()]
    assert [name for name in names if "tmp" in name] == []
    rows = programs(out)
    written = run_record(out)
    assert written["status"] == "interrupted"
    assert written["records"] <= len(rows) < 16_000  # a part can be there that was not counted any more
    for part in out.glob("text/*"):
        pq.read_table(part)
    for part in out.glob("quarantine/*"):
        zstandard.ZstdDecompressor().stream_reader(part.open("rb")).read()
    assert "run the same command again to go on" in " ".join(errors.split())


def test_a_run_that_was_killed_goes_on_with_the_same_command(crawl, tmp_path):
    """Byte for byte what one run in one go gives, and what was done is not done again."""
    lines = crawl.read_bytes().splitlines(keepends=True)[:800]
    (tmp_path / "in.jsonl").write_bytes(b"".join(lines))
    arguments = ["refine", str(tmp_path / "in.jsonl"), str(tmp_path / "out")]
    arguments += ["--workers", "2", "--unit-bytes", "100kB"]
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    _until(lambda: len(list((tmp_path / "out").glob("ledger/*/*.json"))) > 2, process)
    process.kill()
    process.wait()
    entries = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/ledger").rglob("*.json")}
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
    assert ended.returncode == 0 and "Traceback" not in ended.stderr
    assert "800 records" in ended.stdout and "(2 sessions)" in ended.stdout
    assert {path: path.stat().st_mtime_ns for path in entries} == entries
    arguments[2] = str(tmp_path / "whole")
    assert subprocess.run([*COMMAND, *arguments], capture_output=True).returncode == 0
    assert _parts(tmp_path / "out") == _parts(tmp_path / "whole")
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"text", "programs", "quarantine", "ledger", "plan.jsonl.zst", "run.json", "report.html"}


def _parts(out):
    return {
        str(path.relative_to(out)): path.read_bytes()
        for folder in ("text", "programs", "quarantine")
        for path in (out / folder).iterdir()
    }


def test_a_second_run_beside_one_that_is_at_work_is_exit_2(prox, crawl, tmp_path):
    out = tmp_path / "out"
    command = [*COMMAND, "refine", str(crawl), str(out), "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        _until((out / "run.json").exists, process)
        for more in ([], ["--start-over"], ["--despite-changes"]):
            code, stdout, err = prox("refine", crawl, out, "--workers", 1, *more)
            assert (code, stdout) == (2, "")
            assert f"a run is at work in {out} (process {process.pid} on " in err and err.count("\n") == 1
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    _until(lambda: not _alive(process.pid), seconds=15)


@pytest.fixture
def refined(prox, tmp_path):
    """The examples, refined."""
    assert prox("refine", EXAMPLES, tmp_path / "out", "--workers", 0)[0] == 0
    return tmp_path / "out"


def test_another_recipe_for_the_same_folder_is_exit_2_with_the_difference_and_advice(prox, refined):
    before = _parts(refined)
    code, out, err = prox("refine", EXAMPLES, refined, "--workers", 0, "--level", "chunk")
    assert (code, out) == (2, "")
    assert "recipe level: not given → chunk" in err
    assert "--despite-changes" in err and "--start-over" in err and "Traceback" not in err
    assert _parts(refined) == before


def test_start_over_begins_again(prox, refined):
    code, out, _ = prox("refine", EXAMPLES, refined, "--workers", 0, "--format", "jsonl", "--start-over", "--json")
    assert code == 0 and json.loads(out)["sessions"] == 1
    assert {path.name for path in (refined / "text").iterdir()} == {"part-000000-00000.jsonl.zst"}


def test_despite_changes_goes_on(prox, refined, tmp_path):
    more = tmp_path / "more.jsonl"
    more.write_text('{"id": "more", "text": "word"}\n')
    assert prox("refine", EXAMPLES, more, refined, "--workers", 0)[0] == 2
    code, out, _ = prox("refine", EXAMPLES, more, refined, "--workers", 0, "--despite-changes", "--json")
    record = json.loads(out)
    assert code == 0 and record["records"] == 41
    assert record["changes"] == [f"input: new file {more}"]


def test_a_file_that_cannot_be_read_is_exit_1_and_can_be_mended(prox, tmp_path, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"in/{name}.jsonl").write_bytes(EXAMPLES.read_bytes())
    open_file = LocalFileSystem.open

    def refuse(self, path, *args, **options):
        if path.endswith("/b.jsonl"):
            raise PermissionError(13, "Permission denied")
        return open_file(self, path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "open", refuse)
        code, out, err = prox("refine", tmp_path / "in", tmp_path / "out", "--workers", 0)
    assert (code, out) == (1, "")
    assert "b.jsonl cannot be opened: permission denied" in err and "run the same command again" in err
    assert err.count("\n") == 1
    code, out, _ = prox("refine", tmp_path / "in", tmp_path / "out", "--workers", 0)
    assert code == 0 and "80 records" in out and "(2 sessions)" in out


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_a_run_that_is_killed(crawl, tmp_path, signal_):
    """Schedulers end jobs with SIGTERM to the main process, or kill it; its workers stayed forever."""
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*COMMAND, "refine", str(crawl), str(out), "--workers", "2", "--unit-bytes", "1MB"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        _until(lambda: (out / "programs").is_dir() and any(out.glob("programs/part-*")), process)
        process.send_signal(signal_)
        assert process.wait(30) != 0
        _until(lambda: not _alive(process.pid), seconds=15)
    finally:
        if _alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def _alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _until(condition, process=None, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)
