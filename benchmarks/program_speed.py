"""How close parsing and executing a program come to the physical limit.

The limit is what any implementation has to do to a text: find its words (every word limit needs them) and its lines,
replace each source string, and join the lines. The documents are of about 4 KB and 30 lines, all different; their
programs remove lines twice and replace one string with awkward characters.

    python benchmarks/program_speed.py

prints one line of JSON: microseconds per document for both, and their ratio. Every round visits all documents; the
rounds of both sides take turns, so that noise hits both, and the ratio is the median over the rounds' best thirds.
"""

import gc
import json
import random
import statistics
import time
from collections.abc import Callable

from prox.program import PROX_CHUNK, Scope, execute

DOCUMENTS = 200
ROUNDS = 90

Job = tuple[str, str, tuple[str, str]]


def make_jobs(seed: int = 7) -> list[Job]:
    """Texts with the programs a model would write for them, and what these replace."""
    choose = random.Random(seed)
    words = ["".join(choose.choices("etaoinshrdlucmfwypvbgk", k=choose.randint(2, 11))) for _ in range(3000)]
    jobs = []
    for number in range(DOCUMENTS):
        lines = [" ".join(choose.choices(words, k=choose.randint(12, 26))) + "." for _ in range(30)]
        source = f' (see "p. {number}", [edit]; a=b, x\\y) '
        for line in choose.sample(range(6, 24), 3):
            middle = len(lines[line]) // 2
            lines[line] = lines[line][:middle] + source + lines[line][middle:]
        if number % 4 == 0:
            lines[12] += " “typographic – quotes” €"
        first, last = choose.randint(0, 2), choose.randint(26, 28)
        escaped = source.replace("\\", "\\\\").replace('"', '\\"')
        program = (
            f"remove_lines(line_start=0, line_end={first})\n"
            f'normalize(source_str="{escaped}", target_str=" ")\n'
            f"remove_lines(line_start={last}, line_end=29)"
        )
        jobs.append(("\n".join(lines), program, (source, " ")))
    return jobs


def refine(job: Job) -> None:
    text, program, _ = job
    outcome = execute(text, PROX_CHUNK.parse(program, Scope(0, 29)))
    assert len(outcome.applied) == 3


def physical_limit(job: Job) -> None:
    text, _, (source, target) = job
    text.split()
    lines = text.split("\n")
    text.replace(source, target)
    "\n".join(lines)


def measure(run: Callable[[Job], None], jobs: list[Job]) -> float:
    start = time.perf_counter()
    for job in jobs:
        run(job)
    return (time.perf_counter() - start) / len(jobs) * 1e6


def main() -> None:
    jobs = make_jobs()
    gc.disable()
    rounds = [(measure(refine, jobs), measure(physical_limit, jobs)) for _ in range(ROUNDS)]
    ours = statistics.median(sorted(our for our, _ in rounds)[: ROUNDS // 3])
    limit = statistics.median(sorted(limit for _, limit in rounds)[: ROUNDS // 3])
    size = statistics.mean(len(text) for text, _, _ in jobs)
    print(
        json.dumps(
            {
                "parse_and_execute_us": round(ours, 2),
                "physical_limit_us": round(limit, 2),
                "ratio": round(ours / limit, 2),
                "mean_characters": round(size),
            }
        )
    )


if __name__ == "__main__":
    main()
