"""How much faster two workers are than one, on this machine's local engine and on a Ray cluster of two nodes on it.

The installed command, from JSONL to written output, reading and writing included. Start-up is taken from a
run over one page with the same engine, and left out of `times_as_fast`. The Ray cluster is
started before (`ray start`): a head without slots and two nodes with one each; `--workers` limits the actors.

    pip install -e '.[ray]'
    python benchmarks/engine_scaling.py

prints one line of JSON: seconds of work (without start-up), and how many times as fast two workers are.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from corpora import pages, write_lines

PROX = Path(sys.executable).with_name("prox")
RAY = Path(sys.executable).with_name("ray")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--repeat", type=int, default=3, help="the best of so many runs counts (default: %(default)s)")
    parser.add_argument("--engine", nargs="+", default=["local", "ray"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus, one = folder / "pages.jsonl", folder / "one.jsonl"
        write_lines(corpus, pages(options.megabytes))
        write_lines(one, pages(0.001))
        result = {"megabytes": options.megabytes, "cores": os.cpu_count()}
        for engine in options.engine:
            environment = dict(os.environ)
            if engine == "ray":
                environment |= {"RAY_AUTH_MODE": "token"}  # since 2.60 a head wants one, and makes it
                environment["RAY_ADDRESS"] = start_cluster(environment)
            try:
                result[engine] = measure(engine, corpus, one, folder, options.repeat, environment)
            finally:
                if engine == "ray":
                    subprocess.run(
                        [str(RAY), "stop", "--force"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
                    )
    print(json.dumps(result))


def measure(
    engine: str, corpus: Path, one: Path, folder: Path, repeat: int, environment: dict[str, str]
) -> dict[str, float]:
    figures: dict[str, float] = {}
    for workers in (1, 2):
        start = min(run(engine, workers, one, folder, environment) for _ in range(repeat))
        whole = min(run(engine, workers, corpus, folder, environment) for _ in range(repeat))
        figures[f"start_seconds_{workers}"] = round(start, 2)
        figures[f"work_seconds_{workers}"] = round(whole - start, 2)
        figures[f"whole_seconds_{workers}"] = round(whole, 2)
    figures["times_as_fast"] = round(figures["work_seconds_1"] / figures["work_seconds_2"], 3)
    figures["times_as_fast_with_start"] = round(figures["whole_seconds_1"] / figures["whole_seconds_2"], 3)
    return figures


def run(engine: str, workers: int, corpus: Path, folder: Path, environment: dict[str, str]) -> float:
    output = folder / f"out-{time.monotonic_ns()}"
    command = [str(PROX), "refine", str(corpus), str(output), "--engine", engine, "--workers", str(workers), "--json"]
    begun = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - begun
    subprocess.run(["rm", "-rf", str(output)], check=True)
    return seconds


def start_cluster(environment: dict[str, str]) -> str:
    """A head without slots and two nodes of one slot each; the address."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True, "env": environment}
    head = ["start", "--head", "--port", "6399", "--num-cpus", "0", "--include-dashboard", "false"]
    subprocess.run([str(RAY), *head], **quiet)
    for _ in range(2):
        subprocess.run([str(RAY), "start", "--address", "127.0.0.1:6399", "--num-cpus", "1"], **quiet)
    return "127.0.0.1:6399"


if __name__ == "__main__":
    main()
