import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "refiners/language_model"))

pytest.importorskip("httpx", reason="the engine needs httpx: pip install 'prox-refine[openai]'")

from faulty_server import FaultyServer

PAGE = "Home | News\nThe river rose in the night and took the old bridge with it, and nobody was hurt.\n© {}"
SCORES = {"educational_reason": "r", "educational": 2, "format_reason": "s", "format": 4}


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in ("PROX_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "in.jsonl"
    rows = [{"id": str(n), "text": PAGE.format(n), "url": f"http://s{n % 4}.example/"} for n in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "not json\n")
    return path


@pytest.fixture
def server():
    with FaultyServer(answer=answer) as running:
        yield running


def answer(turn):
    if "[000]" in turn:
        return "remove_lines(line_start=0, line_end=0)" if "© 1" in turn else "keep_chunk()"
    return turn.replace("Home | News\n", "") if turn.startswith("<page>") and "COPY" in turn else json.dumps(SCORES)


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def spec(server):
    return f"openai:small@{server.url}"


def test_documents_are_labelled_and_a_person_is_told_what_it_cost(prox, corpus, server, tmp_path):
    output = tmp_path / "out"
    prices = ("--price-in", 2, "--price-out", 4)
    code, out, err = prox("annotate", "documents", corpus, output, "--model", spec(server), "-n", 8, *prices)
    assert code == 0, err
    assert {row["keep"] for row in rows(output / "labels.jsonl")} == {1}
    assert "8 to keep (100.0% of the labelled)" in out
    assert "1 records passed over: invalid JSON" in out and "0 answers were known" in out
    (cost,) = [line for line in out.splitlines() if "in all" in line]
    spent = json.loads((output / "annotation.json").read_text())["in_all"]
    assert f"{spent['tokens_in']:,}" in cost and f"{spent['cost']:,.4f}" in cost
    assert spent["cost"] == pytest.approx((2 * spent["tokens_in"] + 4 * spent["tokens_out"]) / 1e6)


def test_json_alone_is_on_standard_output(prox, corpus, server, tmp_path):
    options = ("--json", "-n", 8, "--stratify", "domain", "--least-format", 5)
    code, out, _ = prox("annotate", "documents", corpus, tmp_path / "out", "--model", spec(server), *options)
    record = json.loads(out)
    assert code == 0 and record == json.loads((tmp_path / "out/annotation.json").read_text())
    assert record["labelled"] == 8 and record["kept"] == 0
    assert record["corpus"]["strata"] == {f"s{n}.example": 2 for n in range(4)}


def test_chunks_get_programs(prox, corpus, server, tmp_path):
    code, out, err = prox("annotate", "chunks", corpus, tmp_path / "out", "--model", spec(server), "-n", 12)
    assert code == 0, err
    programs = {row["id"]: row["program"] for row in rows(tmp_path / "out/labels.jsonl")}
    removing = "remove_lines(line_start=0, line_end=0)"
    assert programs == {str(n): removing if n in (1, 10, 11) else "keep_doc()" for n in range(12)}
    assert server.requests["/chat/completions"] == 36
    assert "in 12 chunks" in out


def test_chunks_get_programs_from_copies(prox, tmp_path, server):
    corpus = tmp_path / "in.jsonl"
    corpus.write_text(json.dumps({"id": "1", "text": PAGE.format("COPY")}) + "\n")
    code, _, err = prox("annotate", "chunks", corpus, tmp_path / "out", "--model", spec(server), "--rewrite")
    assert code == 0, err
    (row,) = rows(tmp_path / "out/labels.jsonl")
    assert row["program"] == "remove_lines(line_start=0, line_end=0)"


@pytest.fixture
def spoilt():
    """A server that removes the text of page 1, and writes on and on about page 2."""

    def answer(turn):
        if "© 1" in turn:
            return "remove_lines(line_start=1, line_end=1)"
        return "remove_lines(line_start=0, line_end=0)\n" * 400 if "© 2" in turn else "keep_chunk()"

    with FaultyServer(answer=answer) as running:
        yield running


def test_limits_that_cost_labels_are_told_with_what_moves_them(prox, tmp_path, spoilt):
    """Of forum pages, limits made for articles took half of the labels, and nothing said how to move them."""
    corpus = tmp_path / "in.jsonl"
    corpus.write_text("".join(json.dumps({"id": str(n), "text": PAGE.format(n)}) + "\n" for n in range(3)))
    code, out, err = prox("annotate", "chunks", corpus, tmp_path / "out", "--model", spec(spoilt), "--re-asks", 0)
    assert code == 0, err
    assert "failed: removes too much" in out and "lose 80% of its words (--most-removed)" in out
    assert "failed: cut off answer to navigation" in out and "raise max_new_tokens" in out and "--window" in out
    failed = {row["id"]: row for row in rows(tmp_path / "out/failed.jsonl")}
    assert failed["1"]["reason"].endswith("of a chunk, that from line 0 on")
    assert failed["1"]["answer"] == "remove_lines(line_start=1, line_end=1)"


def test_advice_on_limits_is_for_those_who_need_it(prox, corpus, server, tmp_path):
    code, out, err = prox("annotate", "chunks", corpus, tmp_path / "out", "--model", spec(server))
    assert code == 0, err
    assert "12" in out and "--most-removed" not in out and "max_new_tokens" not in out


def test_a_spent_budget_is_no_failure_and_says_how_to_go_on(prox, corpus, server, tmp_path):
    call = ("annotate", "documents", corpus, tmp_path / "out", "--model", spec(server), "-n", 12)
    code, out, err = prox(*call, "--max-requests", 5)
    assert code == 0 and "the budget is spent: --max-requests 5; 7 documents are left" in err and "not tried" in out
    assert prox(*call, "--max-requests", 12)[0] == 0
    assert server.requests["/chat/completions"] == 12 == len(rows(tmp_path / "out/labels.jsonl"))


def test_the_criteria_of_a_person_are_asked_for(prox, corpus, server, tmp_path):
    code, out, _ = prox("annotate", "prompts", tmp_path / "mine")
    assert code == 0 and "documents.yaml" in out
    path = tmp_path / "mine/documents.yaml"
    path.write_text(path.read_text().replace("You judge web pages", "You judge proofs"))
    call = ("annotate", "documents", corpus, tmp_path / "out", "--model", spec(server), "-n", 1)
    assert prox(*call, "--criteria", tmp_path / "mine")[0] == 0
    assert server.bodies[-1]["messages"][0]["content"].startswith("You judge proofs")


def test_documents_on_which_refiners_disagree_are_chosen(prox, corpus, server, tmp_path):
    call = ("annotate", "chunks", corpus, tmp_path / "out", "--model", spec(server), "-n", 2, "--pool", 12)
    code, _, err = prox(*call, "--disagree", "tagger", spec(server), "--json")
    assert code == 0, err
    marks = [row["disagreement"] for row in rows(tmp_path / "out/labels.jsonl")]
    assert len(marks) == 2 and marks == sorted(marks, reverse=True) and marks[0] > 0
    record = json.loads((tmp_path / "out/annotation.json").read_text())
    assert record["settings"]["source"]["disagree"] == ["tagger", spec(server)]


def test_secrets_of_an_address_are_shown_nowhere(prox, corpus, server, tmp_path):
    model = spec(server).replace("http://", "http://me:topsecret@") + "?key=hidden123"
    output = tmp_path / "out"
    code, out, err = prox("annotate", "documents", corpus, output, "--model", model, "-n", 2)
    assert code == 0, err
    written = b"".join(path.read_bytes() for path in output.rglob("*") if path.is_file()).decode()
    assert not any(secret in text for secret in ("topsecret", "hidden123") for text in (out, err, written))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--model", "tagger"), "is not openai:MODEL@URL"),
        (("--model", "openai:small"), "openai:MODEL@"),
        (("--stratify", "site"), "length, domain, language"),
        (("--max-cost", 3), "--price-in"),
        (("--pool", 5), "--pool is for --disagree"),
        (("--disagree", "tagger", "nobody"), 'no refiner "nobody"'),
        (("--criteria", "missing"), "prox annotate prompts"),
        (("--engine-option", "concurrency=0"), "above 0"),
        (("--engine-option", "colour=red"), "has no option colour"),
        (("--corpus", "nope"), "no corpus preset"),
    ],
)
def test_wrong_use_is_told_with_exit_code_2(prox, corpus, server, tmp_path, options, told):
    model = () if "--model" in options else ("--model", spec(server))
    code, _, err = prox("annotate", "documents", corpus, tmp_path / "out", "-n", 2, *model, *options)
    assert code == 2 and told in err and "Traceback" not in err
    assert not server.requests["/chat/completions"]


def test_missing_places_and_servers_are_told(prox, corpus, tmp_path):
    code, _, err = prox("annotate", "chunks", corpus, "--model", "openai:m@http://127.0.0.1:9/v1")
    assert code == 2 and "prox annotate chunks INPUT... OUTPUT" in err
    assert prox("annotate", "documents", corpus, "--model", "openai:m@http://127.0.0.1:9/v1")[0] == 2
    code, _, err = prox("annotate", "documents", corpus, tmp_path / "out", "--model", "openai:m@http://127.0.0.1:9/v1")
    assert code == 1 and "connection refused" in err
