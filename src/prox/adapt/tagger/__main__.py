"""Train the embedded tagger: `python -m prox.adapt.tagger --help`."""

import argparse
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson
import torch

from prox.adapt.tagger.documents import (
    LineLogits,
    cross_validate_documents,
    document_inputs,
    every_line,
    fit_documents,
)
from prox.adapt.tagger.export import line_arrays, write_weights
from prox.adapt.tagger.gold import GoldPage, read_gold, read_pages
from prox.adapt.tagger.network import LineNetwork, Shape, make_batch
from prox.adapt.tagger.parts import choose_threshold, labelled_parts, train_parts, training_parts
from prox.adapt.tagger.train import Plan, measure, train
from prox.refiners.tagger.features import FloatArray, LineFeatures

log = logging.getLogger("prox.adapt.tagger")

NOISE_THRESHOLD = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m prox.adapt.tagger",
        description="Train the embedded tagger on gold files and write one weights file. The sites that "
        "benchmarks/tagger_quality.py scores are held back by name, in every file.",
        epilog="example: python -m prox.adapt.tagger gold/public/*.jsonl.gz gold/extracted/*.jsonl.gz "
        "--documents gold/documents/*.jsonl.gz --output weights.npz",
    )
    parser.add_argument("gold", nargs="+", type=Path, help="line gold (JSONL, .gz allowed)")
    parser.add_argument("--documents", nargs="+", type=Path, required=True, help="document gold: text, keep")
    parser.add_argument("--output", type=Path, required=True, help="the weights file to write (.npz)")
    parser.add_argument("--epochs", type=int, default=Plan().epochs, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default: %(default)s)")
    parser.add_argument("--network", type=Path, help="keep the trained line network here, or reuse the one there")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)

    pages = list(read_pages(options.gold))
    training, development = ([page for page in pages if page.part == name] for name in ("training", "development"))
    log.info("%d pages to train, %d to steer, %d in all", len(training), len(development), len(pages))
    network = _network(options, training, development)
    log.info("development: %s", measure(network, development))

    @torch.no_grad()
    def logits_of(features: LineFeatures) -> FloatArray:
        return network(make_batch([features])).numpy()

    arrays = line_arrays(network, NOISE_THRESHOLD)
    arrays |= _parts(training, development, logits_of, options.seed)
    arrays |= _documents(options.documents, logits_of)
    write_weights(options.output, arrays)
    log.info("%s: %.2f MB", options.output, options.output.stat().st_size / 1e6)


def _network(options: argparse.Namespace, training: Sequence[GoldPage], development: Sequence[GoldPage]) -> LineNetwork:
    if options.network and options.network.exists():
        network = LineNetwork(Shape())
        network.load_state_dict(torch.load(options.network, weights_only=True))
    else:
        network = train(training, development, Shape(), Plan(epochs=options.epochs, seed=options.seed))
        if options.network:
            torch.save(network.state_dict(), options.network)
    return network.eval()


def _parts(
    training: Sequence[GoldPage], development: Sequence[GoldPage], logits_of: LineLogits, seed: int
) -> dict[str, np.ndarray]:
    data = training_parts(training, logits_of, seed)
    arrays = train_parts(data)
    held = labelled_parts(development, logits_of)
    threshold = choose_threshold(held, arrays, sum(map(_content_characters, development)))
    log.info("parts: %d to train, %d of them noise; threshold %.2f", len(data.parts), data.noise.sum(), threshold)
    return arrays | {"parts.threshold": np.array(threshold)}


def _content_characters(page: GoldPage) -> int:
    return sum(len(line) for line, label in zip(page.text.split("\n"), page.labels, strict=True) if label == 0)


def _documents(paths: Sequence[Path], logits_of: LineLogits) -> dict[str, np.ndarray]:
    records = [record for path in paths for record in read_gold(path)]
    keep = np.array([int(record["keep"]) for record in records])
    texts = [record["text"] for record in records]
    whole = document_inputs(texts, logits_of, every_line)
    scores = cross_validate_documents(whole, document_inputs(texts, logits_of), keep)
    log.info("documents, cross-validated: %s", orjson.dumps(dataclasses.asdict(scores)).decode())
    return fit_documents(whole, keep) | {"documents.threshold": np.array(scores.threshold)}


if __name__ == "__main__":
    main()
