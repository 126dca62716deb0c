"""`prox cost` as a person and a machine read it."""

import json
import sys
from pathlib import Path

import orjson
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "refiners/language_model"))

from prox.refiners.language_model.loading import close_engines

PAGE = "Home | About | Log in\n" + "The river rose again in the night and the town slept on. " * 8
PAPER = ("--raw-tokens", "60B", "--kept", "0.33333333", "--refiner-parameters", "0.31B")


@pytest.fixture
def pages(tmp_path):
    path = tmp_path / "pages.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"id": str(i), "text": PAGE}) + b"\n" for i in range(20)))
    return path


@pytest.fixture
def server():
    pytest.importorskip("httpx", reason="the engine openai needs httpx: pip install 'prox-refine[openai]'")
    from faulty_server import FaultyServer

    with FaultyServer(answer=lambda prompt: "remove_lines(line_start=0, line_end=0)") as running:
        yield running
    close_engines()


def words(text):
    return " ".join(text.split())


def test_a_person_reads_the_figures_of_the_paper(prox):
    code, out, err = prox("cost", *PAPER, "--model", "TLM-S", "--tokens", "26B", "--saving", "20%")
    assert (code, err) == (0, "")
    for row in ("document: all text │ 310M │ 60B │ 3.72e+19", "chunk: what it keeps │ 310M │ 20B │ 1.24e+19"):
        assert row in words(out)
    assert "training tlm-s │ 710M │ 26B │ 1.11e+20" in words(out)
    assert "both │ – │ – │ 1.6e+20" in words(out)
    assert "Refining costs 44.8% of this training." in out
    assert "a further 11.6B tokens" in out
    assert "100% │ 11.6B tokens │ 318M parameters" in words(out)
    assert "from 58.2B tokens on for a model of 710M parameters" in out
    assert "from 1.59B parameters on for 26B tokens" in out
    assert "saves 2.21e+19 FLOPs of training and costs 4.96e+19: it does not pay." in out
    assert "prompts" in out and "square of the context" in out


def test_refining_pays_exactly_from_its_break_even_on(prox):
    figures = json.loads(prox("cost", *PAPER, "--model", "tlm-s", "--saving", "0.2", "--json")[1])
    tokens = figures["break_even"]["tokens"]
    for of_training, pays in ((tokens, True), (tokens - 1, False)):
        arguments = ("cost", *PAPER, "--model", "tlm-s", "--tokens", of_training, "--saving", "0.2")
        assert json.loads(prox(*arguments, "--json")[1])["break_even"]["pays"] is pays
        assert ("it pays" in prox(*arguments)[1]) is pays


def test_a_machine_gets_exact_flops(prox):
    code, out, err = prox("cost", *PAPER, "--parameters", "1.7B", "--tokens", "26e9", "--json")
    assert (code, err) == (0, "")
    figures = json.loads(out)
    refining, training = figures["refining"]["flops"], figures["training"]["flops"]
    assert refining == 2 * 310_000_000 * (60 * 10**9 + 19_999_999_800)
    assert training == 6 * 1_700_000_000 * 26 * 10**9
    assert figures["both"]["flops"] == refining + training
    assert figures["refining_share_of_training"] == pytest.approx(refining / training)
    assert figures["further_training_tokens"] == figures["where_refining_is_a_share_of_training"][-1]["tokens"]
    assert round(figures["further_training_tokens"] / 1e9) == 5
    assert figures["break_even"] is None


def test_hours_and_money_follow_the_speed_that_is_reached(prox):
    speed = ("--gpu", "A100", "--utilisation", "0.23", "--price-per-hour", "2")
    code, out, _ = prox("cost", *PAPER, *speed, "--json")
    refining = json.loads(out)["refining"]
    assert code == 0
    assert refining["hours"] == pytest.approx(192, abs=0.1)  # ProX: 192 hours of an A100
    assert refining["price"] == pytest.approx(2 * refining["hours"])
    _, same, _ = prox("cost", *PAPER, "--flops-per-second", "71.76T", "--price-per-hour", "2", "--json")
    assert same == out
    assert "GPU hours" in prox("cost", *PAPER, *speed)[1]


def test_the_model_to_be_trained_may_be_left_out_in_part(prox):
    for options, shown, not_shown in (
        ((), "3.72e+19", "refining beside training"),
        (("--tokens", "26B"), "of training on 26B tokens", "further"),
        (("--parameters", "0.7B", "--saving", "0.1"), "a further 11.8B tokens", "parameters on for"),
    ):
        code, out, _ = prox("cost", *PAPER, *options)
        assert code == 0
        assert shown in words(out) and not_shown not in out


def test_text_that_would_be_read_many_times_is_told(prox):
    options = ("--raw-tokens", "60M", "--refiner-parameters", "0.31B", "--model", "tlm-s", "--tokens", "26B")
    _, out, _ = prox("cost", *options, "--saving", "0.2")
    assert "at most 60M tokens, so 26B tokens of training read it at least 433 times" in out
    assert "1.61e+19 FLOPs" in out  # 2 · 0.31B · 26B
    assert "it pays, if text that is read 433 times still saves as much" in out


def test_a_run_of_the_tagger_costs_seconds_and_no_flops_of_a_language_model(prox, pages, tmp_path):
    assert prox("refine", pages, tmp_path / "out", "--workers", "0")[0] == 0
    options = ("--model", "tlm-s", "--tokens", "26B", "--saving", "0.2")
    code, out, err = prox("cost", tmp_path / "out", *options)
    assert (code, err) == (0, "")
    assert "document: tagger" in out and "chunk: tagger" in out and "not counted" in out
    assert "nothing to set against training but the seconds" in out
    assert "would save 2.21e+19 FLOPs" in out and "it pays" not in out
    figures = json.loads(prox("cost", tmp_path / "out/run.json", *options, "--json")[1])
    assert figures["refining"]["flops"] is None and figures["refining"]["seconds"] > 0
    assert figures["break_even"]["pays"] is None and figures["refining_share_of_training"] is None


def test_a_run_of_a_language_model_costs_what_its_tokens_cost(prox, pages, tmp_path, server):
    spec = ("--refiner", f"openai:small@{server.url}", "--level", "chunk", "--workers", "2")
    assert prox("refine", pages, tmp_path / "out", *spec)[0] == 0
    code, out, err = prox("cost", tmp_path / "out")
    assert (code, out) == (2, "")
    assert "does not know the size of the model of 'openai:small@" in err and err.count("\n") == 1
    figures = json.loads(prox("cost", tmp_path / "out", "--refiner-parameters", "313M", "--json")[1])
    (stage,) = figures["refining"]["stages"]
    (written,) = json.loads((tmp_path / "out/run.json").read_text())["costs"]
    assert stage["tokens"] == written["tokens_in"] + written["tokens_out"] > 0
    assert stage["flops"] == figures["refining"]["flops"] == 2 * 313_000_000 * stage["tokens"]
    assert "FLOPs a second" in prox("cost", tmp_path / "out", "--refiner-parameters", "313M")[1]


def test_a_run_of_a_known_size_says_the_flops_of_its_run_json(prox, pages, tmp_path, server):
    spec = ("--refiner", f"openai:small@{server.url}", "--level", "chunk", "--engine-option", "parameters=313000000")
    assert prox("refine", pages, tmp_path / "out", *spec)[0] == 0
    (written,) = json.loads((tmp_path / "out/run.json").read_text())["costs"]
    assert json.loads(prox("cost", tmp_path / "out", "--json")[1])["refining"]["flops"] == written["flops"] > 0


def test_replayed_programs_cost_nothing_here(prox, pages, tmp_path):
    assert prox("refine", pages, tmp_path / "first", "--workers", "0")[0] == 0
    stored = f"stored:{tmp_path}/first/programs"
    assert prox("refine", pages, tmp_path / "second", "--workers", "0", "--refiner", stored)[0] == 0
    code, out, _ = prox("cost", tmp_path / "second")
    assert code == 0 and "the run that wrote them" in words(out)


def test_a_run_that_is_not_finished_tells_its_costs_so_far(prox, tmp_path):
    cost = {"stage": "vllm:m", "level": "chunk", "programs": 1, "tokens_in": 10**6, "tokens_out": 0, "seconds": 2.0}
    record = {"status": "interrupted", "share": 0.25, "words_after": 1000, "costs": [cost | {"parameters": 10**9}]}
    (tmp_path / "run.json").write_bytes(orjson.dumps(record))
    code, out, _ = prox("cost", tmp_path)
    assert code == 0
    assert 'not finished ("interrupted", 25.0% of the input): these are its costs so far' in out
    assert "all of it would cost 8e+15 FLOPs" in out
    assert json.loads(prox("cost", tmp_path, "--json")[1])["refining"]["share_done"] == 0.25


def test_names_from_a_record_cannot_steer_the_terminal(prox, tmp_path):
    cost = {"stage": "tagger\x1b[31m[bold]\n", "level": "chunk", "tokens_in": 0, "tokens_out": 0, "seconds": 0}
    record = {"status": "\x1b[2J", "share": 1, "words_after": 0, "costs": [cost]}
    (tmp_path / "run.json").write_bytes(orjson.dumps(record))
    code, out, _ = prox("cost", tmp_path)
    assert code == 0
    assert "\x1b" not in out and "[bold]" in out
    unknown = record | {"costs": [cost | {"tokens_in": 1}]}
    (tmp_path / "run.json").write_bytes(orjson.dumps(unknown))
    code, _, err = prox("cost", tmp_path)
    assert code == 2
    assert "\x1b" not in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name the OUTPUT of a prox refine, or give figures: --raw-tokens"),
        (["nowhere"], "nowhere holds no run"),
        (["", "--tokens", "1B"], "a path is empty"),
        (["out", "--raw-tokens", "60B"], "leave out --raw-tokens"),
        (["out", "--kept", "0.4"], "leave out --raw-tokens"),
        (["--raw-tokens", "60B"], "--refiner-parameters 0.31B"),
        (["--kept", "0.4", "--refiner-parameters", "1B"], "give figures"),
        ([*PAPER, "--tokens", "60X"], '--tokens: "60X" is no number'),
        ([*PAPER, "--tokens", "0"], "--tokens: "),
        ([*PAPER, "--parameters", "-7"], "--parameters: "),
        ([*PAPER, "--parameters", "1e400"], "--parameters: "),
        ([*PAPER, "--tokens", "nan"], "--tokens: "),
        ([*PAPER, "--tokens", "26B", "--saving", "1"], "--saving: "),
        ([*PAPER, "--saving", "0.2"], "--saving is of a training"),
        ([*PAPER, "--model", "tlm"], 'Did you mean "tlm-'),
        ([*PAPER, "--model", "tlm-s", "--parameters", "1B"], "leave out one"),
        ([*PAPER, "--gpu", "a100"], "--utilisation 0.4"),
        ([*PAPER, "--utilisation", "0.4"], "--gpu a100"),
        ([*PAPER, "--gpu", "v100", "--utilisation", "0.4"], "there are a100, h100"),
        ([*PAPER, "--gpu", "a100", "--utilisation", "1.2"], "--utilisation: "),
        ([*PAPER, "--gpu", "a100", "--flops-per-second", "1T"], "leave out --gpu"),
        ([*PAPER, "--price-per-hour", "2"], "give --flops-per-second"),
        ([*PAPER, "--flops-per-second", "0"], "--flops-per-second: "),
        ([*PAPER, "--flops-per-second", "1T", "--price-per-hour", "free"], "--price-per-hour: "),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_wrong_call_is_one_line_that_says_what_to_do(prox, arguments, message, form):
    code, out, err = prox("cost", *arguments, *form)
    assert (code, out) == (2, "")
    assert err.startswith("prox cost: ") and message in err and err.count("\n") == 1


def test_the_largest_and_the_smallest_numbers_are_shown(prox):
    most, least = "1e24", "1e-6"
    options = ("--raw-tokens", most, "--kept", "1", "--refiner-parameters", most, "--saving", least)
    more = ("--flops-per-second", least, "--price-per-hour", most)
    for form in ((), ("--json",)):
        assert prox("cost", *options, "--parameters", "1", "--tokens", "1", *more, *form)[0] == 0


def test_help_has_an_example(prox):
    code, out, _ = prox("cost", "--help")
    assert code == 0 and "Example: prox cost" in words(out)
