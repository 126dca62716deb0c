"""Runs with a language model behind a server that fails in many ways: nothing is lost, nothing is silent."""

import json
import threading
import zlib

import pyarrow.parquet as pq
import pytest

pytest.importorskip("httpx", reason="the engine openai needs httpx: pip install 'prox-refine[openai]'")

from faulty_server import FaultyServer, Instruction

from prox.errors import RunError, UsageError
from prox.refiners import Level
from prox.refiners.language_model.loading import close_engines
from prox.runs.recipe import Recipe, refiner_for
from prox.runs.refine import refine_corpus
from prox.runs.score import score_gold

QUICK = {"attempts": 2, "timeout": 2, "backoff": 0.01, "deadline": 20}
PROSE = "The river rose again in the night, and by the morning the meadows were under water as far as one could see."


@pytest.fixture(autouse=True)
def _no_engine_stays():
    yield
    close_engines()


@pytest.fixture
def corpus(tmp_path):
    def write(count):
        path = tmp_path / "pages.jsonl"
        pages = [{"id": f"p{n}", "text": f"Home | About | page {n}\n{PROSE}"} for n in range(count)]
        path.write_text("".join(json.dumps(page) + "\n" for page in pages))
        return path

    return write


def refine(path, output, server, **fields):
    fields = {"level": Level.CHUNK, "workers": 3, "engine_options": QUICK, "most_unusable": 1} | fields
    stages = fields.pop("stages", (f"openai:small@{server.url}",))
    return refine_corpus(Recipe(input=(str(path),), output=str(output), stages=stages, **fields))


def rows(output, columns=("id", "decision", "reason", "stages")):
    return pq.read_table(output / "programs", columns=list(columns)).to_pylist()


def kind(request):
    """Four of five pages are answered well; the fifth fails in one way or another, always the same for a page."""
    number = zlib.crc32(json.dumps(request["messages"][-1]).encode())
    return (
        ["prose", "empty", "500", "truncate", "schema", "hang", "cut off"][number // 5 % 7]
        if number % 5 == 0
        else "good"
    )


def fail(request, path, count):
    if path != "/chat/completions":
        return None
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
    match kind(request):
        case "prose":
            choice["message"]["content"] = "Sure! The menu should go."
        case "empty":
            pass
        case "cut off":
            choice["message"]["content"] = "remove_lines(line_start=0, line_"
            choice["finish_reason"] = "length"
        case "500":
            return Instruction(status=500, body=b"internal error")
        case "truncate":
            return Instruction(fault="truncate")
        case "schema":
            return Instruction(body={"choices": "none"})
        case "hang":
            return Instruction(fault="hang")
        case _:
            return None
    return Instruction(body={"choices": [choice], "usage": {"prompt_tokens": 30, "completion_tokens": 2}})


def test_a_thousand_documents_and_a_server_that_fails_for_a_fifth_of_them(corpus, tmp_path):
    with FaultyServer(answer=lambda prompt: "remove_lines(line_start=0, line_end=0)", behaviour=fail) as server:
        patient = QUICK | {"timeout": 5}  # a good answer of a busy machine is no failure
        result = refine(corpus(1000), tmp_path / "out", server, engine_options=patient)
        bad = {json.dumps(body): kind(body) for _, body in _asked(server) if kind(body) != "good"}
    written = rows(tmp_path / "out")
    assert sorted(row["id"] for row in written) == sorted(f"p{n}" for n in range(1000))
    assert len(set(bad.values())) == 7  # every way of failing came up
    failed = [row for row in written if row["stages"][0]["failures"]]
    assert len(failed) == len(bad)
    assert 150 < len(failed) < 250
    assert {row["decision"] for row in failed} == {"kept"}
    assert {row["decision"] for row in written if row not in failed} == {"edited"}
    assert all(row["reason"] for row in failed)
    record = result.record
    assert record["decisions"] == {"kept": len(failed), "edited": 1000 - len(failed), "dropped": 0, "quarantined": 0}
    (cost,) = record["costs"]
    assert (cost["documents"], cost["programs"], cost["unusable"]) == (1000, 1000, len(failed))
    assert cost["tokens_in"] > 0
    assert cost["seconds"] > 0
    texts = pq.read_table(tmp_path / "out/text").to_pylist()
    assert sorted(row["id"] for row in texts) == sorted(f"p{n}" for n in range(1000))


def _asked(server):
    return [("/chat/completions", body) for body in server.bodies if body and "messages" in body]


def test_failures_can_go_to_quarantine(corpus, tmp_path):
    with FaultyServer(answer=lambda prompt: "keep_chunk()" if "page 1\n" in prompt else "Sure!") as server:
        result = refine(corpus(3), tmp_path / "out", server, on_failure="quarantine")
    assert result.record["decisions"] == {"kept": 1, "edited": 0, "dropped": 0, "quarantined": 2}
    held = [row for row in rows(tmp_path / "out") if row["decision"] == "quarantined"]
    assert {row["reason"] for row in held} == {"the output is no program: Sure!"}


def test_a_run_of_prose_stops_early_with_the_likely_cause(corpus, tmp_path):
    with FaultyServer(answer=lambda prompt: "Sure! I would remove the menu.") as server:
        with pytest.raises(RunError, match="cannot be used") as stop:
            refine(corpus(500), tmp_path / "out", server, most_unusable=0.3)
        assert len(_asked(server)) < 200
    assert "--family" in str(stop.value)
    assert json.loads((tmp_path / "out/run.json").read_text())["status"] == "failed"


def test_a_model_that_never_edits_earns_a_warning(corpus, tmp_path):
    with FaultyServer(answer=lambda prompt: "keep_chunk()") as server:
        result = refine(corpus(64), tmp_path / "out", server)
    assert any("changes or drops anything" in problem for problem in result.problems)


def test_documents_are_judged_by_probabilities(corpus, tmp_path):
    def distributions(prompt):
        keep = 0.9 if "page 1\n" in prompt else 0.2
        return [{"keep": keep, "drop": 0.98 - keep, "no": 0.02}]

    with FaultyServer(distributions=distributions) as server:
        refine(corpus(3), tmp_path / "out", server, level=Level.DOCUMENT)
    written = {row["id"]: row for row in rows(tmp_path / "out")}
    assert {id: row["decision"] for id, row in written.items()} == {"p0": "dropped", "p1": "kept", "p2": "dropped"}
    assert written["p1"]["stages"][0]["score"] == pytest.approx(0.9 / 0.98, abs=1e-4)


def test_the_key_is_in_no_file_and_the_prompt_is(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("PROX_API_KEY", "sk-very-secret-key")
    with FaultyServer(answer=lambda prompt: "keep_chunk()", behaviour=fail) as server:
        refine(corpus(20), tmp_path / "out", server)
        assert any("sk-very-secret-key" in headers.get("authorization", "") for headers in server.headers)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"sk-very-secret-key" in path.read_bytes()]
    shown = json.loads((tmp_path / "out/run.json").read_text())["prompts"]["chunk"]
    assert shown["family"] == "instruct"
    assert "normalize(source_str=" in json.dumps(shown["messages"])


def test_a_server_that_is_down_is_told_before_anything_is_written(corpus, tmp_path):
    with FaultyServer() as server:
        url = server.url
    with pytest.raises(RunError, match="refused"):
        refine_corpus(
            Recipe(
                input=(str(corpus(2)),),
                output=str(tmp_path / "out"),
                stages=(f"openai:small@{url}",),
                engine_options=QUICK,
            )
        )
    assert not (tmp_path / "out").exists()


def test_a_cascade_sends_what_the_tagger_is_not_sure_of(corpus, tmp_path):
    with FaultyServer(answer=lambda prompt: "keep_chunk()") as server:
        spec = f"openai:small@{server.url}"
        fields = {"stages": ("tagger", spec), "engine_options": QUICK | {"parameters": 1000}}
        result = refine(corpus(40), tmp_path / "some", server, uncertain="0.01..0.99", **fields)
        (cost,) = result.record["costs"]
        assert 0 < cost["share_sent"] <= 1
        assert cost["flops"] == 2000 * (cost["tokens_in"] + cost["tokens_out"])
        asked = len(_asked(server))
        assert asked == 40
        result = refine(corpus(40), tmp_path / "none", server, uncertain="0.5..0.5", **fields)
        (cost,) = result.record["costs"]
        assert (cost["share_sent"], cost["tokens_in"], len(_asked(server))) == (0, 0, asked)


def test_an_option_that_an_engine_does_not_have_is_named(corpus, tmp_path):
    with FaultyServer() as server, pytest.raises(UsageError, match=r"no option concurency; it has .*concurrency"):
        refine(corpus(1), tmp_path / "out", server, engine_options={"concurency": 3})


@pytest.mark.parametrize(
    "options",
    [
        {"parameters": "abc"},
        {"concurrency": 1.5},
        {"deadline": "soon"},
        {"context": -5},
        {"timeout": True},
        {"attempts": 0},
    ],
)
def test_an_option_with_a_wrong_value_is_told_before_anything_is_written(corpus, tmp_path, options):
    with FaultyServer() as server, pytest.raises(UsageError, match=r"must be .* number above 0"):
        refine(corpus(1), tmp_path / "out", server, engine_options=options)
    assert not (tmp_path / "out").exists()


def test_numbers_that_yaml_takes_for_text_are_numbers(corpus, tmp_path):
    with FaultyServer(answer=lambda prompt: "keep_chunk()") as server:
        result = refine(corpus(2), tmp_path / "out", server, engine_options=QUICK | {"parameters": "3.13e8"})
    (cost,) = result.record["costs"]
    assert cost["flops"] == 2 * 313_000_000 * (cost["tokens_in"] + cost["tokens_out"])


def test_secrets_in_an_address_are_in_no_file(corpus, tmp_path):
    with FaultyServer(answer=lambda prompt: "Sure!") as server:
        address = server.url.replace("http://", "http://me:TOPSECRETPW@") + "?key=TOPSECRETQ"
        result = refine(corpus(3), tmp_path / "out", server, stages=(f"openai:small@{address}",))
    assert result.record["failed_drafts"] == 3
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or b"TOPSECRET" not in path.read_bytes()


def test_a_stopped_run_writes_no_part_of_what_was_given_up(corpus, tmp_path):
    def answer(prompt):
        raise_after.release()
        return "keep_chunk()"

    raise_after = threading.Semaphore(0)
    seen = []

    def interrupt(progress):
        seen.append(progress)
        raise KeyboardInterrupt

    with FaultyServer(answer=answer) as server, pytest.raises(KeyboardInterrupt):
        recipe = Recipe(
            input=(str(corpus(400)),),
            output=str(tmp_path / "out"),
            stages=(f"openai:small@{server.url}",),
            level=Level.CHUNK,
            engine_options=QUICK,
            workers=2,
        )
        refine_corpus(recipe, interrupt)
    assert seen
    assert json.loads((tmp_path / "out/run.json").read_text())["status"] in ("interrupted", "failed")
    assert not list((tmp_path / "out/programs").glob("*"))
    assert not list((tmp_path / "out/text").glob("*"))


def test_lines_that_nobody_reads_are_told(tmp_path):
    path = tmp_path / "pages.jsonl"
    path.write_text(json.dumps({"id": "a", "text": "word " * 9000}) + "\n")
    with FaultyServer(answer=lambda prompt: "keep_chunk()") as server:
        result = refine(path, tmp_path / "out", server)
    (row,) = rows(tmp_path / "out")
    assert row["decision"] == "kept"
    assert "longer than the window" in row["reason"]
    assert row["stages"][0]["rejected"] == ["line 0: longer than the window, so it stays as it is"]
    assert result.record["costs"][0]["programs"] == 0


def test_gold_is_scored_under_the_limits_of_the_family(tmp_path):
    text = "Home | About\nThe rivver rose.\nFooter"
    gold = tmp_path / "gold.jsonl"
    gold.write_text(json.dumps({"id": "a", "raw_text": text, "line_labels": [1, 0, 1]}) + "\n")
    program = 'remove_lines(0, 0)\nremove_lines(2, 2)\nnormalize("rivver", "river!")\nnormalize("rose", "sank")'
    with FaultyServer(answer=lambda prompt: program) as server:
        recipe = Recipe(
            input=(), output="", stages=(f"openai:small@{server.url}",), family="prox-chunk", engine_options=QUICK
        )
        score = score_gold([str(gold)], lambda level: refiner_for(recipe, level)).overall
    assert score.lines.f1 == 1.0
    assert score.programs.failure_ratio == 0.0


def test_an_ignored_program_is_a_failure_too(corpus, tmp_path):
    wrong = "remove_lines(70, 71)\nremove_lines(80, 81)"
    with FaultyServer(answer=lambda prompt: wrong if "page 1\n" in prompt else "keep_chunk()") as server:
        result = refine(corpus(3), tmp_path / "out", server, on_failure="quarantine")
    assert result.record["decisions"]["quarantined"] == 1
    assert result.record["failed_drafts"] == 1
    (held,) = [row for row in rows(tmp_path / "out") if row["decision"] == "quarantined"]
    assert "ignored: erroneous operations 2" in held["stages"][0]["failures"][0]


def test_a_few_unusable_programs_of_a_small_corpus_earn_a_warning(corpus, tmp_path):
    with FaultyServer(answer=lambda prompt: "keep_chunk()" if "page 1\n" in prompt else "Sure!") as server:
        result = refine(corpus(2), tmp_path / "out", server, most_unusable=0.3)
    assert any("1 of 2 programs" in problem and "prox doctor" in problem for problem in result.problems)


def test_why_a_run_failed_stands_in_its_record(corpus, tmp_path):
    with FaultyServer(answer=lambda prompt: "Sure!") as server, pytest.raises(RunError):
        refine(corpus(40), tmp_path / "out", server, most_unusable=0.3)
    assert "cannot be used" in json.loads((tmp_path / "out/run.json").read_text())["error"]
