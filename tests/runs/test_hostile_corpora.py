"""Corpora that once broke a whole run: each test tells the story of a fault."""

import json
import os
import signal
import subprocess
import sys
import time

import fsspec
import pyarrow.parquet as pq
import pytest

from prox.errors import UsageError
from prox.runs.recipe import Recipe
from prox.runs.refine import refine_corpus

PROSE = "The river rose again last night, and nobody in the town below the dam had slept.\n" * 5


def nested(levels):
    return '{"a":' * levels + "1" + "}" * levels


def run(input, output, **fields):
    fields = {"level": "chunk", "workers": 0} | fields
    return refine_corpus(Recipe(input=(str(input),), output=str(output), **fields))


def rows(output, folder):
    parts = sorted((output / folder).iterdir())
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


@pytest.mark.parametrize(
    ("levels", "decision"), [(120, "kept"), (199, "kept"), (200, "quarantined"), (900, "quarantined")]
)
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_deep_metadata_is_written_so_that_it_can_be_read_or_quarantined(tmp_path, levels, decision, format):
    """120 levels gave a Parquet file that no reader opens; 500 levels ended the run with a RecursionError."""
    line = json.dumps({"id": "deep", "text": PROSE})[:-1] + f', "m": {nested(levels)}}}'
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": "a", "text": PROSE}) + f"\n{line}\n")
    result = run(tmp_path / "in.jsonl", tmp_path / "out", format=format)
    assert result.record["records"] == 2
    by_id = {row["id"]: row["decision"] for row in rows(tmp_path / "out", "programs")}
    assert by_id["a"] == "kept"
    assert by_id.get("deep", "quarantined") == decision
    if format == "parquet":
        assert rows(tmp_path / "out", "text")[0]["id"] == "a"


def test_a_field_name_that_is_not_unicode_is_one_quarantined_record(tmp_path):
    bad = json.dumps({"id": "b", "text": PROSE})[:-1] + ', "\\ud800k": 1}'
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": "a", "text": PROSE}) + f"\n{bad}\n")
    decisions = run(tmp_path / "in.jsonl", tmp_path / "out").record["decisions"]
    assert decisions == {"kept": 1, "edited": 0, "dropped": 0, "quarantined": 1}


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
def test_file_names_that_are_not_utf_8_are_read_and_written_with_escapes(tmp_path):
    """A Latin-1 name ended the run, in one case after all its work was done."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    record = json.dumps({"id": "a", "text": PROSE}).encode() + b"\n"
    for name, data in ((b"caf\xe9.jsonl", record), (b"bad\xe9.jsonl", b"no json\n"), (b"n\xe9.txt", b"")):
        (folder / os.fsdecode(name)).write_bytes(data)
    output = tmp_path / "out"
    record = run(folder, output).record
    assert record["records"] == 2 and record["passed_over"][0].endswith("n\\udce9.txt")
    assert json.loads((output / "run.json").read_bytes())["status"] == "complete"
    assert sorted(row["file"].rpartition("/")[2] for row in rows(output, "programs")) == [
        "bad\\udce9.jsonl",
        "caf\\udce9.jsonl",
    ]


def test_an_output_inside_the_input_is_refused(tmp_path):
    """The next command over the same folder read the output as input, and replay was impossible."""
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": PROSE}) + "\n")
    with pytest.raises(UsageError, match="lies in the input"):
        run(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_file_without_texts_does_not_stop_a_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(json.dumps({"id": "a", "text": PROSE}) + "\n")
    (tmp_path / "in" / "dataset_infos.json").write_text('{"splits": {"train": 1}}\n')
    result = run(tmp_path / "in", tmp_path / "out")
    assert result.record["decisions"]["kept"] == result.record["decisions"]["quarantined"] == 1
    assert 'dataset_infos.json has no field "text"' in result.problems[0]


def test_memory_as_output_is_written_by_this_process(tmp_path):
    """Workers have memories of their own: the run was complete and its output lost."""
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": PROSE}) + "\n")
    assert run(tmp_path / "in.jsonl", "memory://out-of-here", workers=2).record["status"] == "complete"
    assert fsspec.filesystem("memory").find("/out-of-here/programs")


@pytest.mark.parametrize("output", ["nothing://x/y", "abc://y"])
def test_an_output_that_no_storage_has_is_a_wrong_call(tmp_path, output):
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": PROSE}) + "\n")
    with pytest.raises(UsageError, match=output):
        run(tmp_path / "in.jsonl", output)


def test_ids_have_one_type_in_all_parts_when_the_first_records_have_several(tmp_path):
    ids = [None, *range(60)]
    lines = [json.dumps({"id": id, "text": PROSE}) for id in ids]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    run(tmp_path / "in.jsonl", tmp_path / "out", unit_bytes=5000)
    assert len(list((tmp_path / "out/text").iterdir())) > 3
    table = pq.read_table(tmp_path / "out" / "text")
    assert str(table.schema.field("id").type) == "string" and table.num_rows == 61


def test_brackets_in_folder_names_are_no_pattern(tmp_path):
    folder = tmp_path / "x[1]"
    folder.mkdir()
    (folder / "a.jsonl").write_text(json.dumps({"id": "a", "text": PROSE}) + "\n")
    run(folder, tmp_path / "o[1]")
    again = Recipe(
        input=(str(folder),),
        output=str(tmp_path / "again"),
        stages=(f"stored:{tmp_path}/o[1]/programs",),
        replay=True,
        workers=0,
    )
    assert refine_corpus(again).record["decisions"]["kept"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_asked_to_end_says_so(tmp_path, number):
    """Pre-emption left a run.json that said "running" for good."""
    with (tmp_path / "in.jsonl").open("w") as file:
        for _ in range(300_000):  # enough to be at work still when a busy machine sees the first part
            file.write(json.dumps({"text": PROSE}) + "\n")
    command = [sys.executable, "-c", "from prox.cli import main; main()", "refine"]
    command += [str(tmp_path / "in.jsonl"), str(tmp_path / "out"), "--workers", "1", "--unit-bytes", "2MB"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # under nohup it is ignored, and stays so
    )
    while not list((tmp_path / "out").glob("programs/*.parquet")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in err and "interrupted" in err
    assert json.loads((tmp_path / "out" / "run.json").read_bytes())["status"] == "interrupted"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_is_not_utf_8_gets_question_marks(tmp_path, encoding):
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": PROSE}) + "\n")
    command = [sys.executable, "-c", "from prox.cli import main; main()", "refine"]
    command += [str(tmp_path / "in.jsonl"), str(tmp_path / "out"), "--workers", "1"]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    ended = subprocess.run(command, capture_output=True, env=environment)
    assert ended.returncode == 0 and b"Traceback" not in ended.stderr
