"""How fast `prox refine` is from end to end, beside the rule filters of datatrove on the same kind of pages.

prox: the installed command in a process of its own, with default settings, from JSONL to written output; the time is
the whole command's, start-up, reading and writing included. It judges and edits every page. `mb_per_cpu_second`
divides by the processor time of all its processes and threads, which other work on the machine disturbs less;
`start_up` is what a run over one short page takes of both.

datatrove: GopherRepetitionFilter, GopherQualityFilter, C4QualityFilter and FineWebQualityFilter with default settings,
each on every page, in this process on one core, in memory: no start-up, no reading and no writing. They leave a page
as soon as one rule fails. Words are split by what datatrove uses for English, the rules of spaCy, which need no
download; it does so for pages in all languages. `--language en` takes only pages in English, on both sides.

    pip install -e '.[bench]'
    python benchmarks/refine_speed.py

prints one line of JSON: megabytes (10**6 bytes) of raw UTF-8 text a second, and how many times as fast prox with one
worker is as datatrove on one core. One worker may have threads on several cores; by processor time they all count.
Without datatrove its figures are null.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gold import Parser, enough, raw_pages, size

PROX = Path(sys.executable).with_name("prox")


def main() -> None:
    parser = Parser(__doc__, "public")
    parser.add_argument("--megabytes", type=float, default=60, help="raw text for prox (default: %(default)s)")
    parser.add_argument("--sample", type=float, default=2, help="megabytes for datatrove (default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="runs of prox (default: 1 2)")
    parser.add_argument("--language", help="pages in this language only, as the gold names it")
    options = parser.parse()
    _adopt_orphans()
    pages = raw_pages(options.gold, options.language)
    corpus = enough(pages, options.megabytes)
    runs = [{"workers": workers, **measure_prox(corpus, workers)} for workers in options.workers]
    installed = all(map(importlib.util.find_spec, ("datatrove", "spacy")))
    datatrove = measure_datatrove(enough(pages, options.sample)) if installed else None
    single = next((run for run in runs if run["workers"] == 1), None)
    times_as_fast = None
    if single and datatrove:
        times_as_fast = {
            "by_wall_time": round(single["mb_per_second"] / datatrove["mb_per_second"], 1),
            "by_processor_time": round(single["mb_per_cpu_second"] / datatrove["mb_per_second"], 1),
        }
    result = {
        "megabytes": round(size(corpus), 1),
        "documents": len(corpus),
        "prox": runs,
        "datatrove": datatrove,
        "one_worker_to_datatrove": times_as_fast,
    }
    print(json.dumps(result))


def measure_prox(texts: list[str], workers: int) -> dict[str, float]:
    seconds, used = _run_prox(texts, workers)
    start, used_to_start = _run_prox(["One page."], workers)
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used, 2),
        "start_up": round(start, 2),
        "start_up_cpu": round(used_to_start, 2),
        "mb_per_second": round(size(texts) / seconds, 2),
        "mb_per_cpu_second": round(size(texts) / used, 2),
        "mb_per_cpu_second_without_start_up": round(size(texts) / (used - used_to_start), 2),
    }


def _run_prox(texts: list[str], workers: int) -> tuple[float, float]:
    """Seconds by the clock and of all processors."""
    with tempfile.TemporaryDirectory() as folder:
        pages, output = Path(folder, "pages.jsonl"), Path(folder, "refined")
        with pages.open("w", encoding="utf-8") as lines:
            for number, text in enumerate(texts):
                lines.write(json.dumps({"id": f"page-{number}", "text": text}, ensure_ascii=False) + "\n")
        command = [str(PROX), "refine", str(pages), str(output), "--workers", str(workers), "--json"]
        used, start = _processor_seconds(), time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        seconds, used = time.perf_counter() - start, _processor_seconds() - used
    decisions = json.loads(done.stdout)["decisions"]
    assert sum(decisions.values()) == len(texts) and not decisions["quarantined"], decisions
    return seconds, used


def _adopt_orphans() -> None:
    """Workers are children of a server that ends behind the command: without this nobody sees what they took."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


def _processor_seconds() -> float:
    """Of the child processes, and of theirs, all of which have ended then."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_datatrove(texts: list[str]) -> dict[str, float]:
    from datatrove.data import Document
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    filters = [GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(), FineWebQualityFilter()]
    for each in filters:
        each.filter(Document(text=max(texts, key=len), id="warm-up"))  # loads the tokenizer
    dropped = dict.fromkeys((type(each).__name__ for each in filters), 0)
    start = time.perf_counter()
    for text in texts:
        for each in filters:
            # A document of its own for each filter: that of C4 edits what it is given.
            dropped[type(each).__name__] += each.filter(Document(text=text, id="page")) is not True
    seconds = time.perf_counter() - start
    return {
        "megabytes": round(size(texts), 1),
        "seconds": round(seconds, 2),
        "mb_per_second": round(size(texts) / seconds, 3),
        "dropped": dropped,
    }


if __name__ == "__main__":
    main()
