"""`prox status`, as a person and a machine read it."""

import json

import orjson

PAGE = "The river rose again in the night and the town slept on. " * 8


def test_a_person_sees_units_records_and_words(prox, tmp_path):
    pages = tmp_path / "pages.jsonl"
    pages.write_bytes(b"".join(orjson.dumps({"id": str(i), "text": PAGE}) + b"\n" for i in range(20)))
    assert prox("refine", pages, tmp_path / "out", "--workers", "0")[0] == 0
    code, out, err = prox("status", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "complete" in out and "100.0%" in out and "1 of 1" in out
    assert "20: kept 20" in " ".join(out.split())


def test_a_machine_gets_json(prox, tmp_path):
    pages = tmp_path / "pages.jsonl"
    pages.write_bytes(orjson.dumps({"id": "a", "text": PAGE}) + b"\n")
    prox("refine", pages, tmp_path / "out", "--workers", "0")
    for options in ((), ("--follow",)):
        code, out, _ = prox("status", tmp_path / "out", "--json", *options)
        assert code == 0
        assert json.loads(out)["state"] == "complete"


def test_a_folder_without_a_run_is_exit_2(prox, tmp_path):
    code, out, err = prox("status", tmp_path)
    assert (code, out) == (2, "")
    assert "holds no run" in err and "prox refine" in err
