"""`prox report` as it is called, and the report at the end of a run."""

import json


def pages(path):
    path.write_text(
        "".join(
            json.dumps({"id": str(n), "text": f"Home\nA page about swifts, number {n}.\n" * 9}) + "\n" for n in range(9)
        )
    )
    return path


def test_a_run_ends_with_a_report_that_can_be_written_again_elsewhere(prox, tmp_path):
    code, out, _ = prox("refine", pages(tmp_path / "p.jsonl"), tmp_path / "out", "--refiner", "rules:c4")
    assert code == 0 and f"{tmp_path}/out/report.html" in out.replace("\n", "")
    assert (tmp_path / "out" / "report.html").read_bytes().startswith(b"<!DOCTYPE html>")
    code, out, _ = prox("report", tmp_path / "out", "--to", tmp_path / "mine.html")
    assert code == 0 and out == f"→ {tmp_path}/mine.html\n" and (tmp_path / "mine.html").exists()
    code, out, _ = prox("report", tmp_path / "out", tmp_path / "out")
    assert code == 0 and (tmp_path / "out" / "comparison.html").exists()


def test_a_report_that_cannot_be_written_does_not_fail_the_run(prox, tmp_path):
    prox("refine", pages(tmp_path / "p.jsonl"), tmp_path / "out", "--refiner", "rules:c4")
    (tmp_path / "out" / "report.html").unlink()
    (tmp_path / "out" / "report.html").mkdir()
    code, out, err = prox("refine", tmp_path / "p.jsonl", tmp_path / "out", "--refiner", "rules:c4")
    assert code == 0 and "no report was written" in err and "report.html" not in out


def test_what_is_no_run_is_wrong_use(prox, tmp_path):
    code, _, err = prox("report", tmp_path)
    assert code == 2 and "holds no run" in err


def test_starting_over_removes_the_old_report(prox, tmp_path):
    prox("refine", pages(tmp_path / "p.jsonl"), tmp_path / "out", "--refiner", "rules:c4")
    before = (tmp_path / "out" / "report.html").stat().st_ino
    code, _, _ = prox("refine", tmp_path / "p.jsonl", tmp_path / "out", "--refiner", "rules:fineweb", "--start-over")
    assert code == 0 and (tmp_path / "out" / "report.html").stat().st_ino != before


def test_a_run_says_which_corpus_and_field_it_read_and_where_there_was_nothing(prox, tmp_path):
    _, out, _ = prox("refine", pages(tmp_path / "p.jsonl"), tmp_path / "out", "--refiner", "rules:c4")
    assert "corpus plain, text in field text\n" in out and "no records" not in out
    (tmp_path / "empty.jsonl").touch()
    code, out, _ = prox("refine", tmp_path / "empty.jsonl", tmp_path / "none", "--refiner", "rules:c4")
    assert code == 0 and "warning: the input holds no records" in out and "look: " not in out


def test_what_should_worry_is_said_at_the_end_of_a_run(prox, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"id": str(n), "text": "Home\n"}) + "\n" for n in range(40)))
    code, out, _ = prox("refine", path, tmp_path / "out", "--refiner", "rules:c4")
    assert code == 0 and "look: 100% of the documents were dropped.\n" in out


def test_names_do_not_steer_the_terminal(prox, tmp_path):
    path = tmp_path / "a\x1b[31m\u202eb.jsonl"
    path.write_text('{"\x1b[2Jbody": "x"}\n'.replace("\x1b", "\\u001b"))
    for arguments in ((path,), (path.with_suffix(".jsonl.missing"),)):
        code, _, err = prox("refine", *arguments, tmp_path / "out", "--corpus", "plain")
        assert code == 2 and "\x1b" not in err and "\u202e" not in err and "\\x1b[" in err
