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

The work folder keeps all corpora, runs and models; `experiments/results/` gets miniature.json and the plot.
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


def refine(work: Path, names: Iterable[str]) -> dict[str, str]:
    """Every corpus that is asked for: its name and where it lies."""
    corpora = {"raw": str(work / "pages-[01].jsonl")}
    for name in names:
        if name == "gold":
            corpora[name] = str(work / "gold.jsonl")
            continue
        for number in (0, 1):
            refiner = f"tagger:{work / f'tagger-{1 - number}'}" if name == "tagger" else f"rules:{name}"
            output = work / "refined" / f"{name}-{number}"
            prox("refine", work / f"pages-{number}.jsonl", output, "--refiner", refiner)
        corpora[name] = str(work / "refined" / f"{name}-[01]" / "text")
    return corpora


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, default=GOLD, help="(default: %(default)s)")
    parser.add_argument("--work", type=Path, default=Path("build/miniature"), help="(default: %(default)s)")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="(default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=3_000_000)
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
    prox("compare", *[f"{name}={path}" for name, path in corpora.items()], trial, *held, *budget)
    options.results.mkdir(parents=True, exist_ok=True)
    shutil.copy(trial / "compare.json", options.results / "miniature.json")
    shutil.copy(trial / "compare.svg", options.results / "miniature.svg")


if __name__ == "__main__":
    main()
