"""Does the wheel install and work in a clean environment, with each extra alone?

Builds the wheel, makes a virtual environment for the package without extras and for each extra, and does there what the
extra is for, on the sample pages. Language models are tiny ones that the extra `pretrain` trains at the beginning.

    python scripts/try_extras.py             all of them; about 20 minutes
    python scripts/try_extras.py ray warc    these alone

vLLM brings gigabytes for GPUs: of its extra pip only finds out which packages it would install, and that they agree.

It prints a line for each, and ends with code 1 if one failed.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TORCH = ("torch==2.13.0", "--extra-index-url", "https://download.pytorch.org/whl/cpu")
WITH_TORCH = ("pretrain", "transformers", "evaluate", "compare", "adapt", "train")

RESOLVED = ("vllm",)
"""Extras that are not installed."""

PIP = ("environment/bin/pip", "install", "--quiet", "--disable-pip-version-check")

USES = {
    "": "prox refine pages.jsonl out-plain",
    "pretrain": "prox pretrain pages.jsonl model --tokens 8192 --tokenizer bpe:600 --context 1024 --batch 1",
    "transformers": "prox refine pages.jsonl out --refiner transformers:model/model --family prox-chunk --level chunk "
    "--most-unusable 1",
    "evaluate": "prox evaluate model/model --text pages.jsonl",
    "compare": "prox compare raw=pages.jsonl refined=out-plain compared --text forum/pairs.jsonl --tokens 8192 "
    "--seeds 2",
    "adapt": "prox adapt language-model adapted --base model/model --gold forum/judge.jsonl --most-examples 4 "
    "--epochs 1 --window 200",
    "train": "prox adapt tagger taught --gold forum/judge.jsonl --epochs 1",
    "ray": "prox refine pages.jsonl out --engine ray",
    "warc": "prox refine page.warc out --html-to-text trafilatura",
    "openai": "python -c 'from prox.refiners.language_model.openai_engine import OpenAIEngine'",
    "s3": "python -c 'from prox.corpora import open_file_system; open_file_system(\"s3://bucket/key\")'",
    "gcs": 'python -c \'import os; os.environ["STORAGE_EMULATOR_HOST"] = "http://127.0.0.1:9"; '
    'from prox.corpora import open_file_system; open_file_system("gs://bucket/key")\'',
    "datatrove": "python -c 'from prox.integrations.datatrove import ProxRefiner; ProxRefiner()'",
    "gguf": "python -c 'import gguf'",
}
EXTRAS = (*USES, *RESOLVED)
PAGE = (
    b"<html><body><article><p>Swifts spend their life on the wing, and come down to breed.</p></article></body></html>"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extras", nargs="*", metavar="EXTRA", help=", ".join(filter(None, EXTRAS)))
    wanted = parser.parse_args().extras
    if unknown := set(wanted).difference(EXTRAS):
        parser.error(f"no such extra: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(ROOT / "examples", work, dirs_exist_ok=True)
        (work / "page.warc").write_bytes(_archive())
        wheel = _built(work)
        needed = {"", "pretrain", *wanted} if wanted else set(EXTRAS)
        fine = [_try(extra, wheel, work) for extra in EXTRAS if extra in needed]
    sys.exit(not all(fine))


def _archive() -> bytes:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000001>\r\n"
        "WARC-Target-URI: http://birds.example/\r\nWARC-Date: 2020-01-01T00:00:00Z\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(answer)}\r\n\r\n"
    )
    return head.encode() + answer + b"\r\n\r\n"


def _built(work: Path) -> Path:
    _run(["sh", str(ROOT / "scripts/make_venv.sh"), "build"], work)
    _run(["build/bin/pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", str(ROOT)], work)
    return next((work / "dist").glob("*.whl"))


def _try(extra: str, wheel: Path, work: Path) -> bool:
    shutil.rmtree(work / "environment", ignore_errors=True)
    try:
        _run(["sh", str(ROOT / "scripts/make_venv.sh"), "environment"], work)
        told = _resolved(extra, wheel, work) if extra in RESOLVED else _used(extra, wheel, work)
    except subprocess.CalledProcessError as error:
        print(f"{extra or 'no extra'}: FAILED: {shlex.join(error.cmd)}\n{error.stdout[-3000:]}", flush=True)
        return False
    print(f"{extra or 'no extra'}: {told}", flush=True)
    shutil.rmtree(work / "out", ignore_errors=True)
    return True


def _used(extra: str, wheel: Path, work: Path) -> str:
    program, *arguments = shlex.split(USES[extra])
    if extra in WITH_TORCH:  # the build for the CPU; the one from PyPI brings gigabytes for GPUs
        _run([*PIP, "--no-deps", *TORCH], work)
    _run([*PIP, f"prox-refine[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)], work)
    _run([f"environment/bin/{program}", *arguments], work)
    _run(["environment/bin/pip", "check"], work)
    return f"fine, {len(list((work / 'environment').glob('lib/python*/site-packages/*.dist-info')))} packages"


def _resolved(extra: str, wheel: Path, work: Path) -> str:
    _run([*PIP, "--dry-run", "--report", "resolved.json", f"prox-refine[{extra}] @ {wheel.as_uri()}"], work)
    found = json.loads((work / "resolved.json").read_text())["install"]
    (version,) = [each["metadata"]["version"] for each in found if each["metadata"]["name"] == extra]
    return f"resolved to {extra} {version}, {len(found)} packages, none installed"


def _run(command: Sequence[str], work: Path) -> None:
    subprocess.run(
        command,
        cwd=work,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )


if __name__ == "__main__":
    main()
