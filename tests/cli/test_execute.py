"""`prox execute`: the same text again without a model."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

EXAMPLES = Path(__file__).parents[2] / "examples" / "pages.jsonl"


@pytest.fixture
def refined(prox, tmp_path):
    def call(*options):
        assert prox("refine", EXAMPLES, tmp_path / "out", "--workers", 0, *options)[0] == 0
        return tmp_path / "out"

    return call


def parts(output):
    return {path.name: path.read_bytes() for path in sorted((output / "text").iterdir())}


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_the_text_of_the_tagger_comes_again_byte_for_byte(prox, refined, tmp_path, format):
    out = refined("--format", format)
    code, stdout, _ = prox(
        "execute", EXAMPLES, out / "programs", tmp_path / "new", "--format", format, "--workers", 0, "--json"
    )
    assert code == 0
    assert parts(tmp_path / "new") == parts(out)
    assert json.loads(stdout)["decisions"] == json.loads((out / "run.json").read_text())["decisions"]


def test_the_tagger_is_not_asked(prox, refined, tmp_path, monkeypatch):
    out = refined()
    monkeypatch.setattr("prox.refiners.tagger.TaggerRefiner.refine", None)
    assert prox("execute", EXAMPLES, out / "programs", tmp_path / "new", "--workers", 0)[0] == 0


def test_a_changed_document_is_counted_with_its_reason(prox, refined, tmp_path):
    out = refined()
    lines = EXAMPLES.read_text().splitlines()
    changed = json.loads(lines[0])
    changed["text"] = changed["text"].replace("e", "a")
    (tmp_path / "in.jsonl").write_text("\n".join([json.dumps(changed), *lines[1:]]) + "\n")
    code, stdout, _ = prox("execute", tmp_path / "in.jsonl", out / "programs", tmp_path / "new", "--workers", 0)
    assert code == 0
    assert "1 × text differs from the one the program was written for" in stdout
    (part,) = (tmp_path / "new/quarantine").iterdir()
    held = json.loads(zstandard.ZstdDecompressor().stream_reader(part.open("rb")).read())
    assert (held["id"], json.loads(held["raw"])) == (changed["id"], changed)


def test_another_corpus_is_exit_1_and_says_where_it_is(prox, refined, tmp_path):
    out = refined()
    (tmp_path / "in.jsonl").write_text('{"id": "x", "text": "another corpus"}\n')
    code, _, err = prox("execute", tmp_path / "in.jsonl", out / "programs", tmp_path / "new", "--workers", 0)
    assert code == 1
    assert err.startswith("prox execute: not one record could be refined") and "new/quarantine" in err


def test_the_output_folder_instead_of_its_programs_is_answered_with_advice(prox, refined, tmp_path):
    out = refined()
    code, _, err = prox("execute", EXAMPLES, out, tmp_path / "new")
    assert code == 2
    assert f"Did you mean {out}/programs?" in err and err.count("\n") == 1


def test_a_folder_that_is_not_there_is_exit_2(prox, tmp_path):
    code, _, err = prox("execute", EXAMPLES, tmp_path / "nowhere", tmp_path / "new")
    assert (code, err.count("\n")) == (2, 1)
    assert "holds no stored programs" in err and not (tmp_path / "new").exists()


def test_the_folder_of_the_first_run_is_not_written_over(prox, refined):
    out = refined()
    before = parts(out)
    code, _, err = prox("execute", EXAMPLES, out / "programs", out)
    assert code == 2 and "where the run would write" in err and "Name another folder" in err
    assert parts(out) == before


def test_the_same_command_again_has_nothing_left_to_do(prox, refined, tmp_path):
    out = refined()
    for sessions in (1, 2):
        code, stdout, _ = prox("execute", EXAMPLES, out / "programs", tmp_path / "new", "--workers", 0, "--json")
        assert code == 0 and json.loads(stdout)["sessions"] == sessions
    assert parts(tmp_path / "new") == parts(out)


def test_dropped_documents_stay_dropped(prox, refined, tmp_path):
    out = refined("--keep-threshold", "0.5")
    prox("execute", EXAMPLES, out / "programs", tmp_path / "new", "--workers", 0)
    first, second = (
        {row["id"] for row in pq.read_table(folder / "programs").to_pylist() if row["decision"] == "dropped"}
        for folder in (out, tmp_path / "new")
    )
    assert first and first == second


def test_a_dropped_document_comes_back_by_another_program_in_a_table_of_any_name(prox, refined, tmp_path):
    out = refined("--keep-threshold", "0.5")
    rows = pq.read_table(out / "programs").to_pylist()
    back = {row["id"] for row in rows if row["decision"] == "dropped"}
    names = ("id", "text_sha256", "decision")
    changed = [{name: row[name] for name in names} | {"program": row["program"]} for row in rows]
    for row in changed:
        row["program"] = "keep_all()" if row["id"] in back else row["program"]
    (tmp_path / "mine").mkdir()
    pq.write_table(pa.Table.from_pylist(changed), tmp_path / "mine" / "all of them.parquet")
    code, _, _ = prox("execute", EXAMPLES, tmp_path / "mine", tmp_path / "new", "--workers", 0)
    texts = {row["id"]: row["text"] for row in pq.read_table(tmp_path / "new" / "text").to_pylist()}
    assert code == 0 and back and all(texts[id] for id in back)
