"""Where an extra is not installed, what needs it says which one; nothing is begun."""

import subprocess
import sys

import pytest

WITHOUT = {
    "transformers": ("refine pages.jsonl out --refiner transformers:x", "transformers torch tokenizers"),
    "vllm": ("refine pages.jsonl out --refiner vllm:x", "vllm"),
    "openai": ("refine pages.jsonl out --refiner openai:x@http://127.0.0.1:9/v1", "httpx"),
    "ray": ("refine pages.jsonl out --engine ray", "ray"),
    "s3": ("refine s3://bucket/pages out", "s3fs aiobotocore"),
    "gcs": ("refine gs://bucket/pages out", "gcsfs"),
    "warc": ("refine page.warc out", "fastwarc resiliparse"),
    "train": ("adapt tagger out --gold pages.jsonl", "torch sklearn"),
    "adapt": ("adapt language-model out --base x --gold pages.jsonl", "torch transformers trl datasets"),
    "pretrain": ("pretrain pages.jsonl out", "torch transformers accelerate tokenizers"),
    "evaluate": ("evaluate model --text pages.jsonl", "torch transformers lm_eval"),
    "compare": ("compare a=pages.jsonl b=pages.jsonl out --text pages.jsonl", "torch transformers lm_eval matplotlib"),
}
CALL = """
import sys
sys.modules |= dict.fromkeys({missing!r}.split())
from prox import cli
sys.argv = ["prox", *{command!r}.split()]
cli.main()
"""


@pytest.mark.parametrize("extra", WITHOUT)
def test_what_needs_an_extra_says_which(tmp_path, extra):
    command, missing = WITHOUT[extra]
    (tmp_path / "pages.jsonl").write_text('{"id": "a", "text": "Swifts spend their life on the wing."}\n')
    (tmp_path / "page.warc").write_bytes(b"WARC/1.0\r\n")
    script = CALL.format(missing=missing, command=command)
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 2, ended.stderr[-1500:]
    assert f"prox-refine[{extra}]" in ended.stderr and "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_the_step_for_datatrove_says_which():
    script = "import sys; sys.modules['datatrove'] = None; import prox.integrations.datatrove"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "prox-refine[datatrove]" in ended.stderr.splitlines()[-1]
