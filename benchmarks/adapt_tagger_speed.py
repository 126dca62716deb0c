"""What training a tagger from scratch on many labelled pages takes: processor time of an epoch, and of all the rest.

The public gold and its extracted forms are written again and again, each time with ids and sites of their own, until
there are enough pages. `prox adapt tagger --from scratch` then trains on them for one epoch and for two, on one thread;
the difference is what an epoch takes (with the networks that give second opinions), what is left is reading, judging
parts of lines, and scoring.

    pip install -e '.[train]'
    python benchmarks/adapt_tagger_speed.py                    20,000 pages: half an hour; one line of JSON
    python benchmarks/adapt_tagger_speed.py --pages 2000       less
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from itertools import count, islice
from pathlib import Path
from typing import Any

from gold import Parser
from prox.adapt.tagger.gold import read_gold
from prox.adapt.whole_files import JsonLinesFile


def write_labels(path: Path, gold: Path, pages: int) -> None:
    files = [*sorted(gold.glob("public/*.jsonl.gz")), *sorted(gold.glob("extracted/*.jsonl.gz"))]
    records = [(file.stem, record) for file in files for record in read_gold(file)]
    random.Random(0).shuffle(records)
    copies = (renamed(number, *each) for number in count() for each in records)
    with JsonLinesFile(str(path)) as written:
        for record in islice(copies, pages):
            written.write(record)
        written.finish()


def renamed(number: int, stem: str, record: dict[str, Any]) -> dict[str, Any]:
    return record | {"id": f"{stem}-{record['id']}-{number}", "site_key": f"{record['site_key']}-{number}"}


def processor_seconds(labels: Path, output: Path, epochs: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["adapt", "tagger", str(output), "--gold", str(labels), "--from", "scratch", "--epochs", str(epochs)]
    subprocess.run(
        [sys.executable, "-m", "prox", *command],
        check=True,
        stdout=sys.stderr,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = Parser(__doc__, "public", "extracted")
    parser.add_argument("--pages", type=int, default=20_000)
    options = parser.parse()
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.jsonl"
        write_labels(labels, options.gold, options.pages)
        one, two = (processor_seconds(labels, Path(folder) / f"{epochs}", epochs) for epochs in (1, 2))
        megabytes = labels.stat().st_size / 1e6
    result = {
        "pages": options.pages,
        "megabytes_of_labels": round(megabytes),
        "processor_seconds_of_an_epoch": round(two - one),
        "processor_seconds_of_the_rest": round(one - (two - one)),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
