"""What a corpus of 100 TB costs with each refiner: reckoned from rates measured here or given, not measured at scale.

The rate of the tagger and of reading and writing is measured now, on one core of this machine, with the installed
command. Those of language models are reckoned: FLOPs by 2·N·(D_in + D_out) (ProX, appendix), at the share of a GPU's
peak that ProX itself reached: 60 billion tokens, two passes of a 0.3B model, in 192 hours of one A100-80G. Prices are
given on the command line; nothing here knows what they are today.

    python benchmarks/scale.py --table

prints one line of JSON (`--table`: the table of docs/scale.md).
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from corpora import pages, write_lines

PROX = Path(sys.executable).with_name("prox")

TOKENS_A_BYTE = 1 / 4.4
"""Of English web text, with a vocabulary of 32,000."""

PROX_GPU_HOURS, PROX_TOKENS = 192, 60e9
"""ProX, section on cost: hours of A100-80G for raw tokens of general web text, both passes."""

A100_FLOPS = 312e12
REFINER_PARAMETERS = 0.31e9
KEPT_BY_DOCUMENT_STAGE = 0.45
UNIT_BYTES = 256 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terabytes", type=float, default=100, help="raw UTF-8 text (default: %(default)s)")
    parser.add_argument("--days", type=float, default=7, help="in which it shall be done (default: %(default)s)")
    parser.add_argument("--core-hour", type=float, default=0.04, help="price of a core for an hour")
    parser.add_argument("--gpu-hour", type=float, default=2.0, help="price of an A100-80G for an hour")
    parser.add_argument("--megabytes", type=float, default=60, help="text to measure the rate with")
    parser.add_argument("--table", action="store_true", help="a table for people")
    options = parser.parse_args()
    size = options.terabytes * 1e12
    rate, written = tagger_rate(options.megabytes)
    rows = [core_row("tagger", size, rate, written, options)]
    a_gpu = PROX_TOKENS / TOKENS_A_BYTE / (PROX_GPU_HOURS * 3600)  # bytes a second
    flops = 2 * REFINER_PARAMETERS * PROX_TOKENS * (1 + KEPT_BY_DOCUMENT_STAGE)
    used = flops / (PROX_GPU_HOURS * 3600 * A100_FLOPS)
    rows.append(gpu_row("ProX, two 0.3B models", size, a_gpu, written, options))
    passes = 1 + KEPT_BY_DOCUMENT_STAGE
    rows.append(gpu_row("UltraX, one 0.6B model", size, a_gpu * passes * REFINER_PARAMETERS / 0.6e9, written, options))
    sent = 0.35
    cascade = gpu_row("cascade: tagger, then 0.3B for 35 % of the words", size, a_gpu * passes / sent, written, options)
    cascade["core_hours"] = rows[0]["core_hours"]
    cascade["price"] += rows[0]["price"]
    rows.append(cascade)
    result = {
        "terabytes": options.terabytes,
        "days": options.days,
        "units": math.ceil(size / UNIT_BYTES),
        "tagger_mb_per_core_second": round(rate / 1e6, 2),
        "written_share_of_text": round(written, 3),
        "prox_mb_per_gpu_second": round(a_gpu / 1e6, 3),
        "prox_share_of_peak": round(used, 3),
        "refiners": rows,
    }
    print(table(result) if options.table else json.dumps(result))


def tagger_rate(megabytes: float) -> tuple[float, float]:
    """Bytes of text a second on one core, start-up left out, and written bytes per byte of text."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_lines(folder / "pages.jsonl", pages(megabytes))
        write_lines(folder / "one.jsonl", pages(0.001))
        start, _, _ = run(folder / "one.jsonl", folder / "one")
        seconds, text, written = run(folder / "pages.jsonl", folder / "out")
        return text / (seconds - start), written / text


def run(corpus: Path, output: Path) -> tuple[float, int, int]:
    begun = time.perf_counter()
    command = [str(PROX), "refine", str(corpus), str(output), "--workers", "1", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - begun
    written = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    return seconds, json.loads(done.stdout)["text_bytes"], written


def core_row(name: str, size: float, rate: float, written: float, options: argparse.Namespace) -> dict:
    hours = size / rate / 3600
    return row(name, size, written, options) | {
        "core_hours": round(hours),
        "gpu_hours": 0,
        "workers": math.ceil(hours / 24 / options.days),
        "unit_seconds": round(UNIT_BYTES / rate),
        "price": round(hours * options.core_hour),
    }


def gpu_row(name: str, size: float, rate: float, written: float, options: argparse.Namespace) -> dict:
    hours = size / rate / 3600
    return row(name, size, written, options) | {
        "core_hours": 0,
        "gpu_hours": round(hours),
        "workers": math.ceil(hours / 24 / options.days),
        "unit_seconds": round((32 << 20) / rate),
        "price": round(hours * options.gpu_hour),
    }


def row(name: str, size: float, written: float, options: argparse.Namespace) -> dict:
    seconds = options.days * 86400
    return {
        "refiner": name,
        "read_mb_per_second": round(size / seconds / 1e6),
        "write_mb_per_second": round(size * written / seconds / 1e6),
    }


def table(result: dict) -> str:
    head = f"refiner | core hours | GPU hours | workers for {result['days']:g} days | a unit takes"
    lines = [
        f"| {head} | read, write (uncompressed, compressed) | price |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in result["refiners"]:
        kind = "GPUs" if each["gpu_hours"] else "cores"
        lines.append(
            f"| {each['refiner']} | {each['core_hours']:,} | {each['gpu_hours']:,} | {each['workers']:,} {kind} | "
            f"{each['unit_seconds']} s | {each['read_mb_per_second']:,}, {each['write_mb_per_second']:,} MB/s | "
            f"{each['price']:,} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
