r"""How fast pairs become programs, and whether these are as small as the edits were; difflib on the same pairs.

    python benchmarks/distill_speed.py gold/*.jsonl.gz [--edits 10000] [--pages 400]

Edits: on pages of the files (JSON Lines with `raw_text`) as they are, and with a blank line behind every line in turn,
random operations are drawn, runs of lines and strings inside lines, at four densities. Every program is executed, and
its operations are counted against those of the edit. Gold: the same with the programs that the labels of all pages
give. difflib compares lines, and characters where a line was replaced by one; it writes no program.

Prints one line of JSON; rates are megabytes of raw UTF-8 a second of CPU time.
"""

import argparse
import difflib
import gzip
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

from gold import BESIDE
from prox.program import Distilled, Policy, Program, RemoveLines, ReplaceOnce, Terms, distill, execute
from prox.program.from_labels import program_from_labels

Pair = tuple[str, str, int]  # raw, refined, operations of the edit
TERMS = Terms(least_deleted=0)


def read(paths: Sequence[Path]) -> list[dict]:
    """The records of JSON Lines files, plain or gzip."""
    records = []
    for path in paths:
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
        records += map(json.loads, lines)
    return records


def simulated(page: str, density: float, choose: random.Random) -> Pair:
    """A page with random deletions: of runs of lines, and of strings that their line has once."""
    lines = page.split("\n")
    operations: list[RemoveLines | ReplaceOnce] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if choose.random() < density:
            last = min(len(lines) - 1, number + choose.choice([0, 0, 1, 3, 12]))
            operations.append(RemoveLines(number, last))
            number = last + 1  # a line stays, so that runs do not touch
        elif len(line) > 1 and choose.random() < density:
            start = choose.randrange(len(line) - 1)
            source = line[start : start + choose.randint(1, 30)]
            if line.count(source) == 1:
                operations.append(ReplaceOnce(number, source))
        number += 1
    refined = execute(page, Program(tuple(operations)), Policy.unlimited()).text
    assert refined is not None
    return page, refined, len(operations)


def labelled(record: dict) -> Pair:
    """A gold page as its labels want it."""
    raw = record["raw_text"]
    partials: dict[int, list[tuple[int, int]]] = {}
    for each in record.get("partials") or []:
        if each.get("conf") == "high" and each.get("start") is not None:
            partials.setdefault(each["line"], []).append((each["start"], each["end"]))
    neutral = frozenset(record.get("neutral_lines") or ())
    program = program_from_labels(raw.split("\n"), record["line_labels"], neutral, partials)
    refined = execute(raw, program, Policy.unlimited()).text
    assert refined is not None
    return raw, refined, len(program.operations)


def measure(pairs: Sequence[Pair]) -> dict[str, float]:
    """Distil all, and count what is not exact, not proven to be the smallest, or larger than the edit."""
    seconds = slowest = 0.0
    exact = unproven = larger = operations = 0
    for raw, refined, most in pairs:
        begin = time.process_time()
        distilled = distill(raw, refined, TERMS)
        took = time.process_time() - begin
        seconds, slowest = seconds + took, max(slowest, took)
        if isinstance(distilled, Distilled):
            exact += execute(raw, distilled.program, Policy.unlimited()).text == refined
            unproven += not distilled.proven
            larger += len(distilled.program.operations) > most
            operations += len(distilled.program.operations)
    size = sum(len(raw.encode()) for raw, _, _ in pairs)
    return {
        "pairs": len(pairs),
        "exact": exact,
        "unproven": unproven,
        "more_operations_than_the_edit": larger,
        "operations": operations,
        "operations_of_the_edits": sum(most for _, _, most in pairs),
        "megabytes": round(size / 1e6, 1),
        "megabytes_per_second": round(size / 1e6 / seconds, 1),
        "slowest_milliseconds": round(slowest * 1e3, 1),
    }


def by_difflib(raw: str, refined: str) -> None:
    """Lines, then characters where one line became another."""
    lines, target = raw.split("\n"), refined.split("\n")
    for kind, first, last, start, stop in difflib.SequenceMatcher(None, lines, target, autojunk=False).get_opcodes():
        if kind == "replace" and last - first == stop - start == 1:
            difflib.SequenceMatcher(None, lines[first], target[start], autojunk=False).get_opcodes()


def rate(pairs: Sequence[Pair]) -> float:
    begin = time.process_time()
    for raw, refined, _ in pairs:
        by_difflib(raw, refined)
    return round(sum(len(raw.encode()) for raw, _, _ in pairs) / 1e6 / (time.process_time() - begin), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and size of distilled programs.")
    parser.add_argument("gold", nargs="*", type=Path, default=sorted((BESIDE / "public").glob("*.jsonl.gz")))
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--pages", type=int, default=400, help="pairs that difflib is timed on, of each kind")
    options = parser.parse_args()
    choose = random.Random(11)
    records = read(options.gold)
    edits = []
    for number in range(options.edits):
        page = choose.choice(records)["raw_text"]
        page = page.replace("\n", "\n\n") if number % 2 else page
        edits.append(simulated(page, choose.choice([0.005, 0.02, 0.08, 0.2]), choose))
    result = {}
    for name, pairs in (("edits", edits), ("gold", list(map(labelled, records)))):
        some = choose.sample(pairs, min(options.pages, len(pairs)))
        result[name] = measure(pairs) | {
            "on_a_sample": {"pairs": len(some), "distill": measure(some)["megabytes_per_second"], "difflib": rate(some)}
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
