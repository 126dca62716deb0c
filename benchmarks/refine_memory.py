"""How much memory `prox refine` takes for a small and a large corpus: it must be the same.

The corpora repeat the sample pages (examples/pages.jsonl). Each run is a process of its own with two workers; the
figure is the resident memory of the largest of its processes at its peak, in megabytes.

    python benchmarks/refine_memory.py

prints one line of JSON.
"""

import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

PROX = Path(sys.executable).with_name("prox")
PAGES = Path(__file__).resolve().parents[1] / "examples" / "pages.jsonl"
MEGABYTES = (20, 200)

_MEASURE = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def peak(megabytes: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "pages.jsonl")
        with corpus.open("w", encoding="utf-8") as lines:
            size = 0
            for line in itertools.cycle(PAGES.read_text(encoding="utf-8").splitlines(keepends=True)):
                lines.write(line)
                size += len(line)
                if size >= megabytes * 1e6:
                    break
        command = [str(PROX), "refine", str(corpus), str(Path(folder, "refined")), "--workers", "2", "--json"]
        measured = subprocess.run([sys.executable, "-c", _MEASURE, *command], stdout=subprocess.PIPE, check=True)
    return int(measured.stdout) / 1024


def main() -> None:
    print(json.dumps({"peak_mb": {f"{megabytes} MB": round(peak(megabytes)) for megabytes in MEGABYTES}}))


if __name__ == "__main__":
    main()
