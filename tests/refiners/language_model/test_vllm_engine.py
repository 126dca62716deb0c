import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from prox.errors import RunError, UsageError
from prox.refiners.language_model.engine import Request
from prox.refiners.language_model.model_files import load_tokens
from prox.refiners.language_model.vllm_engine import VLLMEngine

needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (pip install vllm)")

OPTIONS: dict[str, object] = {"dtype": "float32", "enforce_eager": True, "max_model_len": 1024, "max_num_seqs": 16}

PROMPTS = [
    "The quick brown fox",
    "Home | About | Contact",
    "Researchers found that water on Mars",
    "[000] The first line\n[001] The second line\n",
    "Die Straße war naß",
]


@pytest.fixture(scope="module", autouse=True)
def small_cache() -> Iterator[None]:
    """On the CPU, vLLM takes half of all memory for its cache if nobody says how much."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        yield


@pytest.fixture(scope="module")
def engine(tiny_llama: Path) -> Iterator[VLLMEngine]:
    tokens, _ = load_tokens(str(tiny_llama), None)
    engine = VLLMEngine(str(tiny_llama), None, tokens, OPTIONS)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def reference(tiny_llama: Path) -> Any:
    """The same model in transformers."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_llama).eval()


def greedy(reference: Any, tokenizer: Any, prompt: str, most: int) -> str:
    import torch

    ids = torch.tensor([tokenizer(prompt, add_special_tokens=False).input_ids])
    with torch.inference_mode():
        out = reference.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=most)
    text: str = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
    return text


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    tokens: Any = None
    with pytest.raises(UsageError, match="pip install vllm"):
        VLLMEngine(str(tmp_path), None, tokens, {})


@pytest.mark.vllm
@needs_vllm
class TestLoaded:
    def test_it_knows_its_model(self, engine: VLLMEngine, reference: Any) -> None:
        embeddings = reference.get_input_embeddings().weight.numel()
        assert engine.context == OPTIONS["max_model_len"]
        assert engine.parameters == sum(each.numel() for each in reference.parameters()) - embeddings
        assert engine.fingerprint.startswith("vllm:")
        assert engine.fingerprint.endswith(":float32")

    def test_completions_come_in_order_and_are_those_of_transformers(
        self, engine: VLLMEngine, reference: Any, tiny_llama: Path
    ) -> None:
        _, tokenizer = load_tokens(str(tiny_llama), None)
        requests = [Request(prompt, begin="<s>", max_new_tokens=8 + 4 * place) for place, prompt in enumerate(PROMPTS)]
        completions = engine.generate(requests)
        for request, completion in zip(requests, completions, strict=True):
            text = request.begin + request.prompt
            expected = greedy(reference, tokenizer, text, request.max_new_tokens)
            assert completion.text == expected.rstrip("\ufffd")  # vLLM holds back a character that is cut off
            assert completion.tokens_in == engine.tokens.count(text)
            assert 0 < completion.tokens_out <= request.max_new_tokens
        assert engine.generate(requests) == completions

    def test_a_stop_string_ends_the_completion_and_is_no_part_of_it(self, engine: VLLMEngine) -> None:
        (free,) = engine.generate([Request(PROMPTS[0], max_new_tokens=40)])
        stop = free.text[10:13]
        (stopped,) = engine.generate([Request(PROMPTS[0], max_new_tokens=40, stop=("never written", stop))])
        assert stopped.text == free.text[: free.text.index(stop)]
        assert stopped.finish_reason == "stop"

    def test_what_is_cut_off_says_so(self, engine: VLLMEngine) -> None:
        (completion,) = engine.generate([Request(PROMPTS[0], max_new_tokens=3)])
        assert (completion.finish_reason, completion.tokens_out) == ("length", 3)

    def test_a_prompt_that_does_not_fit_fails_alone(self, engine: VLLMEngine) -> None:
        long = engine.tokens.cut("word " * 2000, 1020)
        fitting, failed = engine.generate([Request(long, max_new_tokens=4), Request(long, max_new_tokens=5)])
        assert fitting.error == ""
        assert (failed.finish_reason, failed.too_long) == ("error", True)
        assert failed.error == "prompt too long: 1020 tokens, 1019 fit the model"

    def test_a_grammar_is_kept_to(self, engine: VLLMEngine) -> None:
        grammar = """
            start: "remove_string(" QUOTED ")"
            QUOTED: "\\"" SUBSTRING "\\""
            SUBSTRING: %regex { "substring_chunks": ["Log in", " | ", "Subscribe"] }
        """
        free, constrained = engine.generate([Request("Home"), Request("Home", grammar=grammar)])
        assert constrained.error == ""
        assert constrained.finish_reason == "stop"
        quoted = constrained.text.removeprefix('remove_string("').removesuffix('")')
        assert constrained.text == f'remove_string("{quoted}")'
        assert quoted in "Log in | Subscribe"
        assert not free.text.startswith("remove_string(")

    @pytest.mark.parametrize("request_", [Request("a", grammar="start: ((("), Request(""), Request("a", stop=("",))])
    def test_a_request_that_is_refused_fails_alone(self, engine: VLLMEngine, request_: Request) -> None:
        failed, done = engine.generate([request_, Request("a", max_new_tokens=2)])
        assert failed.finish_reason == "error"
        assert failed.error.startswith("the engine refuses the request: ")
        assert done.error == ""

    def test_probabilities_are_those_of_transformers(self, engine: VLLMEngine, reference: Any) -> None:
        import torch

        answers = (" keep", " remove", " the")
        requests = [Request(prompt, begin="<s>") for prompt in PROMPTS]
        for request, comparison in zip(requests, engine.compare(requests, answers), strict=True):
            diverging = engine.tokens.diverging(request.begin + request.prompt, answers)
            assert diverging is not None
            shared, tokens = diverging
            with torch.inference_mode():
                expected = torch.softmax(reference(torch.tensor([shared])).logits[0, -1].double(), -1)[list(tokens)]
            assert comparison.probabilities == pytest.approx(expected.tolist(), abs=1e-4)
            assert comparison.tokens_in == len(shared)

    def test_what_cannot_be_compared_fails_alone(self, engine: VLLMEngine) -> None:
        long, done = engine.compare([Request("word " * 2000), Request("word")], (" a", " b"))
        assert long.too_long
        assert long.error.startswith("prompt too long: ")
        assert len(done.probabilities) == 2
        (same,) = engine.compare([Request("word")], (" a", " a"))
        assert "do not diverge" in same.error

    def test_several_threads_get_their_own_answers(self, engine: VLLMEngine) -> None:
        alone = [engine.generate([Request(prompt, max_new_tokens=24)]) for prompt in PROMPTS]
        weighed = engine.compare([Request(PROMPTS[0])], (" a", " b"))
        found: dict[int, object] = {}

        def ask(place: int) -> None:
            if place < len(PROMPTS):
                found[place] = engine.generate([Request(PROMPTS[place], max_new_tokens=24)])
            else:
                found[place] = engine.compare([Request(PROMPTS[0])], (" a", " b"))[0].probabilities

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(PROMPTS) + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [found[place] for place in range(len(PROMPTS))] == alone
        assert found[len(PROMPTS)] == pytest.approx(weighed[0].probabilities, rel=1e-4)

    def test_nothing_asked_is_nothing_answered(self, engine: VLLMEngine) -> None:
        assert engine.generate([]) == []
        assert engine.compare([], ("a", "b")) == []

    def test_an_unknown_option_is_met_with_the_nearest(self, engine: VLLMEngine, tiny_llama: Path) -> None:
        with pytest.raises(UsageError, match=r"no option tensor_paralel_size; it has tensor_parallel_size"):
            VLLMEngine(str(tiny_llama), None, engine.tokens, {"tensor_paralel_size": 2})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("option", "value", "cause"),
        [
            ("tensor_parallel_size", "two", "tensor_parallel_size: Input should be a valid integer"),
            ("max_model_len", 1 << 20, "max_model_len"),
            ("speculative_config", "{no json", "looks like JSON"),
        ],
    )
    def test_a_wrong_option_is_explained_in_a_few_words(
        self, engine: VLLMEngine, tiny_llama: Path, option: str, value: object, cause: str
    ) -> None:
        with pytest.raises(UsageError, match=cause) as raised:
            VLLMEngine(str(tiny_llama), None, engine.tokens, {option: value})  # type: ignore[arg-type]
        assert len(str(raised.value)) < 1000

    def test_a_folder_without_a_model_is_said_to_be_one(self, engine: VLLMEngine, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"no config\.json"):
            VLLMEngine(str(tmp_path), None, engine.tokens, {})  # type: ignore[arg-type]


def load(folder: Path, **options: object) -> VLLMEngine:
    tokens, _ = load_tokens(str(folder), None)
    return VLLMEngine(str(folder), None, tokens, {**OPTIONS, **options})


@pytest.mark.vllm
@needs_vllm
def test_missing_weights_are_told_from_the_log_of_the_process_that_missed_them(
    tiny_llama: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((tiny_llama / name).read_bytes())
    with pytest.raises(UsageError, match="Cannot find any model weights"):
        load(tmp_path)
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.vllm
@needs_vllm
def test_a_model_that_does_not_fit_the_memory_is_said_not_to(tiny_llama: Path) -> None:
    longest = 1 << 21
    with pytest.raises(RunError, match="does not fit the memory") as raised:
        load(tiny_llama, max_model_len=longest, hf_overrides={"max_position_embeddings": longest})
    assert "max_model_len" in str(raised.value)


@pytest.mark.vllm
@needs_vllm
def test_guessing_ahead_changes_no_answer_and_an_engine_that_is_closed_gives_none(
    engine: VLLMEngine, tiny_llama: Path
) -> None:
    guessing = load(tiny_llama, ngram_speculation=3)
    requests = [Request(prompt * 3, max_new_tokens=24) for prompt in PROMPTS]
    assert [each.text for each in guessing.generate(requests)] == [each.text for each in engine.generate(requests)]
    (guessed,) = guessing.compare([Request(PROMPTS[0])], (" a", " b"))
    (known,) = engine.compare([Request(PROMPTS[0])], (" a", " b"))
    for one, other in zip(guessed.probabilities, known.probabilities, strict=True):
        assert one == 0.0 or one == pytest.approx(other, rel=1e-3)  # 0 for what is not among the most probable

    ends: list[str] = []

    def wait() -> None:
        try:
            ends.extend(each.error for each in guessing.generate([Request("a", max_new_tokens=1000)]))
        except RunError as error:  # a run that ends must not take what was given up for outcomes
            ends.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    guessing.close()
    guessing.close()
    waiting.join(30)
    assert not waiting.is_alive()
    assert ends in ([""], ["the engine is closed"])
    with pytest.raises(RunError, match="the engine is closed"):
        guessing.generate([Request("a")])
    with pytest.raises(RunError, match="the engine is closed"):
        guessing.compare([Request("a")], (" a", " b"))


@pytest.mark.vllm
@needs_vllm
def test_a_dead_engine_fails_what_waits_and_what_comes(tiny_llama: Path) -> None:
    import multiprocessing

    before = set(multiprocessing.active_children())
    engine = load(tiny_llama)
    killer = threading.Timer(0.5, lambda: [each.kill() for each in set(multiprocessing.active_children()) - before])
    killer.start()
    waiting = engine.generate([Request("a", max_new_tokens=1000)] * 64)
    killer.join()
    assert any(each.error.startswith("the engine died: ") for each in waiting)
    for _ in range(100):
        (later,) = engine.generate([Request("a", max_new_tokens=1000)])
        if later.error:
            break
    assert later.error.startswith("the engine died: ")
    engine.close()
