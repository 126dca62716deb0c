"""The engine on transformers, with a tiny untrained Llama and with SmolLM2 from its GGUF file."""

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'prox-refine[transformers]'")
transformers = pytest.importorskip("transformers", reason="needs transformers: pip install 'prox-refine[transformers]'")

from prox.chunking import Chunk
from prox.errors import RunError, UsageError
from prox.program import PROX_CHUNK, Policy, Scope, execute
from prox.refiners import Level
from prox.refiners.language_model.engine import Request
from prox.refiners.language_model.loading import ModelOptions, ModelSpec, close_engines, load_language_model
from prox.refiners.language_model.model_files import load_tokens
from prox.refiners.language_model.transformers_engine import TransformersEngine

PROMPTS = [
    "The river rose",
    "Home About Contact",
    "a",
    "The meadows were under water as far as one could see. " * 20,
    "remove_lines(line_start=0, line_end=1)",
    "Log in | Sign up\nThe text goes on.",
]


@pytest.fixture(scope="module")
def engine(tiny_llama):
    return TransformersEngine(str(tiny_llama), None, *load_tokens(str(tiny_llama), None), {})


def requests(prompts=PROMPTS, **fields):
    return [Request(prompt, "<s>", **({"max_new_tokens": 12} | fields)) for prompt in prompts]


def test_a_prompt_gets_the_same_answer_alone_and_in_any_company(engine):
    together = engine.generate(requests())
    alone = [engine.generate([request])[0] for request in requests()]
    assert together == alone
    assert engine.generate(requests()[::-1]) == together[::-1]
    assert all(each.tokens_out and not each.error for each in together)


def test_small_batches_change_nothing(tiny_llama, engine):
    small = TransformersEngine(str(tiny_llama), None, *load_tokens(str(tiny_llama), None), {"batch_tokens": 1})
    assert small.generate(requests()) == engine.generate(requests())
    for one, other in zip(small.compare(requests(), ("a", "no")), engine.compare(requests(), ("a", "no")), strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_generation_is_greedy(engine):
    request = requests(["The river"], max_new_tokens=6)[0]
    ids = engine.tokens.encode(request.begin + request.prompt)
    expected = []
    with torch.inference_mode():
        for _ in range(6):
            token = int(engine._model(torch.tensor([ids + expected])).logits[0, -1].argmax())
            if token in engine._ends:
                break
            expected.append(token)
    assert engine.generate([request])[0].text == engine._tokenizer.decode(expected, skip_special_tokens=True)


def test_the_comparison_is_one_look_at_the_next_token(engine):
    (comparison,) = engine.compare(requests(["The river"]), ("keep_doc()", "drop_doc()"))
    ids, (keep, drop) = engine.tokens.diverging("<s>The river", ("keep_doc()", "drop_doc()"))
    with torch.inference_mode():
        probabilities = torch.softmax(engine._model(torch.tensor([ids])).logits[0, -1], -1)
    assert comparison.probabilities == pytest.approx((float(probabilities[keep]), float(probabilities[drop])), abs=1e-6)
    assert comparison.tokens_in == len(ids)


def test_a_stop_string_ends_the_text_and_is_not_part_of_it(engine):
    (free,) = engine.generate(requests(["The river rose"]))
    stop = free.text[2:4]
    (stopped,) = engine.generate(requests(["The river rose"], stop=(stop,)))
    assert stopped.text == free.text[: free.text.index(stop)]
    assert stopped.finish_reason == "stop"


def test_a_prompt_that_does_not_fit_fails_alone(engine):
    results = engine.generate(requests(["short", "word " * 5000]))
    assert [each.too_long for each in results] == [False, True]
    assert "prompt too long" in results[1].error
    assert [each.too_long for each in engine.compare(requests(["a", "word " * 5000]), ("x", "y"))] == [False, True]


def test_one_request_that_breaks_the_model_takes_no_other_with_it(engine, monkeypatch):
    poison = engine.tokens.encode("<s>a")
    generate = engine._model.generate

    def breaks(input_ids, attention_mask, **options):
        for row, mask in zip(input_ids.tolist(), attention_mask.tolist(), strict=True):
            if [token for token, seen in zip(row, mask, strict=True) if seen] == poison:
                raise RuntimeError("CUDA error: device-side assert")
        return generate(input_ids=input_ids, attention_mask=attention_mask, **options)

    good = engine.generate(requests())
    monkeypatch.setattr(engine._model, "generate", breaks)
    results = engine.generate(requests())
    assert "device-side assert" in results[2].error
    assert [each for place, each in enumerate(results) if place != 2] == [
        each for place, each in enumerate(good) if place != 2
    ]


PAGE = 'Home | "Shop" | About\nThe text \\ goes on — für alle. 没有\n\nShare (12)\n' + "more\n" * 9


def test_an_untrained_model_under_a_grammar_writes_sound_programs(engine):
    pytest.importorskip("llguidance", reason="needs llguidance: pip install 'prox-refine[transformers]'")
    pages = [PAGE, "one line", "a\nb", PAGE * 3]
    grammars = [PROX_CHUNK.grammar(page, 0) for page in pages]
    asked = [
        Request(page, "<s>", max_new_tokens=200, grammar=grammar) for page, grammar in zip(pages, grammars, strict=True)
    ]
    free = engine.generate([Request(page, "<s>", max_new_tokens=40) for page in pages])
    assert all(PROX_CHUNK.parse(each.text).errors for each in free)
    for page, written in zip(pages, engine.generate(asked), strict=True):
        text = written.text if written.finish_reason == "stop" else written.text.rpartition("\n")[0]
        program = PROX_CHUNK.parse(text, Scope(0, page.count("\n")))
        assert not program.errors, written
        assert not execute(page, program, Policy(least_share=None, least_words=None, deletions_only=False)).rejected


def test_a_grammar_that_cannot_be_compiled_fails_alone(engine):
    pytest.importorskip("llguidance", reason="needs llguidance: pip install 'prox-refine[transformers]'")
    good, bad = Request("a", "<s>", grammar='start: "x"'), Request("a", "<s>", grammar="start: (")
    results = engine.generate([good, bad, good])
    assert [bool(each.error) for each in results] == [False, True, False]
    assert results[0].text == "x"


def test_a_closed_engine_does_not_go_on(tiny_llama):
    closed = TransformersEngine(str(tiny_llama), None, *load_tokens(str(tiny_llama), None), {})
    closed.close()
    with pytest.raises(RunError, match="closed"):
        closed.generate(requests())


def test_loading_problems_are_told_in_one_line(tiny_llama, tmp_path):
    tokens = load_tokens(str(tiny_llama), None)
    with pytest.raises(UsageError, match="no option batch_size; it has batch_tokens"):
        TransformersEngine(str(tiny_llama), None, *tokens, {"batch_size": 3})
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UsageError, match="cannot load the model"):
        TransformersEngine(str(broken), None, *tokens, {})


def test_a_folder_without_tokenizer_and_one_without_template_are_told(tiny_llama, tmp_path):
    for file in tiny_llama.iterdir():
        if "token" not in file.name and "template" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(UsageError, match="has no tokenizer"):
        load_language_model(ModelSpec("transformers", str(tmp_path)), Level.CHUNK, ModelOptions())


@pytest.mark.parametrize(
    ("family", "level"),
    [("prox-document", Level.DOCUMENT), ("prox-chunk", Level.CHUNK), ("ultrax", Level.CHUNK)],
)
@pytest.mark.parametrize("constrain", [False, True])
def test_every_family_runs_on_a_real_model(tiny_llama, tmp_path, family, level, constrain):
    system = tmp_path / "system.txt"
    system.write_text("Clean the text.")
    options = ModelOptions(family=family, system_prompt=str(system), constrain=constrain)
    refiner = load_language_model(ModelSpec("transformers", str(tiny_llama)), level, options)
    drafts = refiner.refine([Chunk("a", "Home | About\nThe text.", 0), Chunk("b", "", 0)])
    assert drafts[0].tokens_in > 10
    assert drafts[0].errors or drafts[0].program.operations
    if constrain and level == Level.CHUNK:
        assert not drafts[0].errors
    close_engines()


@pytest.fixture(scope="module")
def smollm2(smollm2_file):
    pytest.importorskip("gguf", reason="needs gguf: pip install 'prox-refine[gguf]'")
    yield str(smollm2_file)
    close_engines()


def test_a_real_chat_model_judges_and_edits(smollm2):
    spec = ModelSpec("transformers", smollm2)
    article = "The river rose again in the night, and by the morning the meadows were under water. " * 3
    judge = load_language_model(spec, Level.DOCUMENT, ModelOptions())
    draft, spam = judge.refine([Chunk("a", article, 0), Chunk("b", "404\nPage not found\nBack to home", 0)])
    assert draft.errors == ()
    assert draft.score > spam.score
    assert 100e6 < judge.engine.parameters < 135e6
    editor = load_language_model(spec, Level.CHUNK, ModelOptions(constrain=True))
    assert editor.engine is judge.engine
    (draft,) = editor.refine([Chunk("a", "Home | About\n" + article, 0)])
    assert draft.errors == ()
    assert draft.program.operations
