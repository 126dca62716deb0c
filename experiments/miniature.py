"""Does refined text teach more? The experiment in miniature, on real web pages with human labels, on a CPU.

Corpora are made of the same English pages: as they are (raw), as people cleaned them (gold: the most that refining can
give), and as refiners clean them: rule sets, and a tagger like the embedded one. Each trains the same small models, on
the same number of tokens, with several seeds. What they have learned is measured in bits per byte, on the cleaned pages
of sites that nobody has seen, and on text from elsewhere: the reference of the Python language, which every Python has.

The tagger that ships has seen the labels of most of these pages, so it is not used. Two taggers are trained in its
place, each on the labelled pages of one half of the sites, to refine the pages of the other half.

    pip install -e '.[compare,train]'
    python experiments/miniature.py                  some hours on two cores; goes on where it was interrupted
    python experiments/miniature.py --tokens 100000 --seeds 2 --only gold          ten minutes, to see how it works

The work folder keeps all corpora, runs and models, and miniature.json and the plot are in its `results`; those in
`experiments/results/` are what `--results experiments/results` has written.
"""

import argparse
import gzip
import hashlib
import json
import pydoc_data.topics
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
GOLD = HERE.parents[1] / "shared" / "gold"
MOST_SUSPECT = 0.25
RULES = ("gopher", "c4", "fineweb", "refinedweb", "gopher+c4+fineweb")

Record = dict[str, Any]


def share_of(site: str, purpose: str, parts: int) -> int:
    """The part of the sites that a site belongs to, by its name alone."""
    return int.from_bytes(hashlib.sha256(f"{purpose} {site}".encode()).digest()[:4], "big") % parts


def held_out(record: Record) -> bool:
    return share_of(record["site_key"], "miniature", 24) == 0


def half(record: Record) -> int:
    return share_of(record["site_key"], "half", 2)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Text to train on, and the output folders of the runs that made it."""

    path: str
    runs: tuple[Path, ...] = ()


def records(gold: Path, part: str) -> Iterator[Record]:
    for path in sorted((gold / part).glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def english(gold: Path) -> Iterator[Record]:
    """Pages whose labels are probably complete."""
    for record in records(gold, "public"):
        if record["language"] == "en" and record.get("suspect", 0) <= MOST_SUSPECT:
            yield record


def write(path: Path, texts: Iterable[Record]) -> None:
    """JSON Lines that appear whole."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = path.with_suffix(".part")
        with begun.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(text) + "\n" for text in texts)
        begun.rename(path)


def prox(*words: str | Path) -> None:
    command = [sys.executable, "-m", "prox", *map(str, words)]
    print(" ".join(command[2:]), file=sys.stderr, flush=True)
    subprocess.run(command, check=True)


def make_texts(gold: Path, work: Path) -> None:
    pages = list(english(gold))
    trained = [page for page in pages if not held_out(page)]
    for number in (0, 1):
        own = [page for page in trained if half(page) == number]
        write(work / f"pages-{number}.jsonl", ({"id": page["id"], "text": page["raw_text"]} for page in own))
    write(work / "gold.jsonl", ({"id": page["id"], "text": page["gold_text"]} for page in trained))
    write(
        work / "held-out-pages.jsonl",
        ({"id": page["id"], "text": page["gold_text"]} for page in pages if held_out(page)),
    )
    topics = sorted(pydoc_data.topics.topics.items())
    write(work / "python-reference.jsonl", ({"id": name, "text": text} for name, text in topics))


def train_taggers(gold: Path, work: Path) -> None:
    """One on each half of the sites that train, in all languages; nothing of the held-out sites."""
    for number in (0, 1):
        labels = work / f"labels-{number}"
        for part in ("public", "extracted"):
            own = (page for page in records(gold, part) if not held_out(page) and half(page) == number)
            write(labels / f"{part}.jsonl", own)
        write(labels / "documents.jsonl", records(gold, "documents"))
        tagger = work / f"tagger-{number}"
        if not (tagger / "weights.npz").exists():
            prox("adapt", "tagger", tagger, "--gold", labels, "--from", "scratch", "--epochs", "6")


def refine(work: Path, names: Iterable[str]) -> dict[str, Corpus]:
    """Every corpus that is asked for, in the order of the table."""
    corpora = {"raw": Corpus(str(work / "pages-[01].jsonl"))}
    for name in names:
        output = work / "refined" / name
        if name == "gold":
            corpora[name] = Corpus(str(work / "gold.jsonl"))
        elif name == "tagger":
            for number in (0, 1):
                tagger = work / f"tagger-{1 - number}"
                prox("refine", work / f"pages-{number}.jsonl", output / str(number), "--refiner", f"tagger:{tagger}")
            corpora[name] = Corpus(str(output / "[01]" / "text"), (output / "0", output / "1"))
        else:
            prox("refine", work / "pages-[01].jsonl", output, "--refiner", f"rules:{name}")
            corpora[name] = Corpus(str(output), (output,))
    return corpora


def made(corpus: Corpus) -> Record:
    """What refining left, and the seconds it took one core, by the records of its runs; nothing without any."""
    records = [json.loads((run / "run.json").read_bytes()) for run in corpus.runs]
    if not records:
        return {}
    return {
        "documents": sum(record["records"] for record in records),
        "dropped": sum(record["decisions"]["dropped"] for record in records),
        "words_before": sum(record["words_before"] for record in records),
        "words_after": sum(record["words_after"] for record in records),
        "refining_seconds": round(sum(stage["seconds"] for record in records for stage in record["costs"]), 1),
    }


def words(path: Path) -> Record:
    """Documents and words of a file."""
    with path.open(encoding="utf-8") as lines:
        counts = [len(json.loads(line)["text"].split()) for line in lines]
    return {"documents": len(counts), "words_after": sum(counts)}


def table(report: Record) -> str:
    """For the write-up: what is left of the corpus, and what the models learned, beside raw, in Markdown."""
    rows = report["rows"]
    heads = ["corpus", "documents kept", "words kept", "core-seconds of refining"]
    heads += [f"{row['name'].removesuffix('.jsonl')}: {what}" for row in rows for what in ("mean ± spread", "to raw")]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    raw = report["made"]["raw"]
    for name in report["groups"]:
        own = report["made"][name]
        documents = own["documents"] - own.get("dropped", 0)
        seconds = own.get("refining_seconds")
        cells = [
            name,
            f"{documents / raw['documents']:.0%}",
            f"{own['words_after'] / raw['words_after']:.0%}",
            "–" if seconds is None else f"{seconds:.0f}",
        ]
        for row in rows:
            mean = next(each for each in row["groups"] if each["group"] == name)
            cells.append(f"{mean['mean']:.4f} ± {mean['deviation'] or 0:.4f}")
            pair = next((each for each in row["group_differences"] if each["group"] == name), None)
            between = f" [{pair['low']:+.4f}, {pair['high']:+.4f}]" if pair and pair["low"] is not None else ""
            cells.append("–" if pair is None else f"{pair['mean']:+.4f}{between}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, default=GOLD, help="(default: %(default)s)")
    parser.add_argument("--work", type=Path, default=Path("build/miniature"), help="(default: %(default)s)")
    parser.add_argument(
        "--results", type=Path, help="where figures and picture go (default: results in the work folder)"
    )
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default=",".join([*RULES, "tagger", "gold"]), help="corpora beside raw")
    options = parser.parse_args()
    if not any((options.gold / "public").glob("*.jsonl.gz")):
        parser.error(f"{options.gold} holds no public/*.jsonl.gz. Say where the gold is with --gold FOLDER")
    names = options.only.split(",")
    make_texts(options.gold, options.work)
    if "tagger" in names:
        train_taggers(options.gold, options.work)
    corpora = refine(options.work, names)
    trial = options.work / "trial"
    held = [
        word for name in ("held-out-pages", "python-reference") for word in ("--text", options.work / f"{name}.jsonl")
    ]
    budget = ["--tokens", str(options.tokens), "--seeds", str(options.seeds), "--workers", str(options.workers)]
    prox("compare", *[f"{name}={corpus.path}" for name, corpus in corpora.items()], trial, *held, *budget)
    report = json.loads((trial / "compare.json").read_bytes())
    report["made"] = {name: made(corpus) for name, corpus in corpora.items()}
    parts = [words(options.work / f"pages-{number}.jsonl") for number in (0, 1)]
    report["made"]["raw"] = {name: sum(part[name] for part in parts) for name in parts[0]}
    if "gold" in names:
        report["made"]["gold"] = words(options.work / "gold.jsonl")
    results = options.results or options.work / "results"
    results.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1).replace(json.dumps(str(options.work))[1:-1], "work")
    (results / "miniature.json").write_text(f"{text}\n", encoding="utf-8")
    shutil.copy(trial / "compare.svg", results / "miniature.svg")
    print(table(report))


if __name__ == "__main__":
    main()
