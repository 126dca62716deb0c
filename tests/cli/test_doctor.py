"""`prox doctor` shows what a refiner does to known pages, and fails loudly where it does nothing."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "refiners/language_model"))

from prox.refiners.language_model.loading import close_engines
from prox.runs.doctor import PAGES


def edit(prompt):
    """What a model that knows its trade would write."""
    page = next(page for page in PAGES if page.text.split("\n")[0] in prompt)
    return "\n".join(f"remove_lines(line_start={n}, line_end={n})" for n in sorted(page.noise)[:3])


@pytest.fixture
def server():
    pytest.importorskip("httpx", reason="the engine openai needs httpx: pip install 'prox-refine[openai]'")
    from faulty_server import FaultyServer

    with FaultyServer(answer=edit) as running:
        yield running
    close_engines()


def test_the_built_in_pages_know_their_noise():
    assert len(PAGES) == 3
    for page in PAGES:
        assert page.noise
        assert "~" not in page.text
        assert page.worthless == (len(page.noise) == page.text.count("\n") + 1)


def test_the_embedded_tagger_is_sound(prox):
    code, out, _ = prox("doctor")
    assert code == 0
    assert out.count("sound: ") == 2
    assert "content words lost" in out


def test_prompt_output_program_and_effect_are_shown(prox, server):
    code, out, _ = prox("doctor", "--refiner", f"openai:small@{server.url}", "--level", "chunk", "--full")
    assert code == 0
    for shown in (
        "normalize(source_str",
        "[000]",
        "remove_lines(line_start=0, line_end=0)",
        "family: ",
    ):
        assert shown in out
    assert "noise lines removed 43%" in out


@pytest.mark.parametrize(
    ("answer", "problem", "cause"),
    [
        ("", "empty output", "ends its answer at once"),
        ("Sure, I can help.", "no program", "answers in other words"),
        ("keep_chunk()", "no effect: it removes nothing", "wrong"),
        ("remove_lines(70, 71)\nremove_lines(80, 81)", "ignored", "numbers lines in another way"),
    ],
)
def test_it_fails_loudly_with_the_likely_cause(prox, server, answer, problem, cause):
    server.answer = lambda prompt: answer
    code, out, err = prox("doctor", "--refiner", f"openai:small@{server.url}", "--level", "chunk", "--json")
    assert code == 1
    (diagnosis,) = json.loads(out)
    assert not diagnosis["sound"]
    assert any(problem in each for each in diagnosis["problems"])
    assert cause in diagnosis["problems"][-1]
    assert "must not be used like this" in err


@pytest.mark.parametrize(
    ("keep", "problem"), [(0.9, "it keeps every page"), (0.1, "it drops every page"), (1e-5, "answers something else")]
)
def test_document_refiners_must_tell_pages_apart(prox, server, keep, problem):
    drop = 0.99 - keep if keep > 0.01 else 1e-5
    server.distributions = lambda prompt: [{"keep": keep, "drop": drop, "no": 1 - keep - drop}]
    code, out, _ = prox("doctor", "--refiner", f"openai:small@{server.url}", "--level", "document", "--json")
    assert code == 1
    assert problem in " ".join(json.loads(out)[0]["problems"])


def test_a_missing_system_prompt_is_asked_for(prox):
    code, _, err = prox("doctor", "--refiner", "vllm:openbmb/UltraX-0.6B-Preview")
    assert code == 2
    assert "--system-prompt FILE" in err


def test_a_server_that_is_down_ends_with_1(prox, server):
    url = server.url
    server.stop()
    code, _, err = prox("doctor", "--refiner", f"openai:small@{url}")
    assert code == 1
    assert "refused" in err


def test_programs_that_are_cut_off_are_never_sound(prox, server):
    from faulty_server import Instruction

    def endless(request, path, count):
        if path != "/chat/completions":
            return None
        text = "remove_lines(line_start=0, line_end=0)\nremove_li"
        return Instruction(body={"choices": [{"message": {"content": text}, "finish_reason": "length"}]})

    server.behaviour = endless
    spec = f"openai:small@{server.url}"
    code, out, _ = prox("doctor", "--refiner", spec, "--level", "chunk", "--constrain", "--json")
    assert code == 1
    assert any("cut off at the limit" in problem for problem in json.loads(out)[0]["problems"])
