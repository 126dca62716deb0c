"""Train the embedded tagger: `python -m prox.adapt.tagger --help`."""

import argparse
import logging
from pathlib import Path

import numpy as np
import orjson
import torch

from prox.adapt.tagger.export import line_arrays, write_weights
from prox.adapt.tagger.gold import GoldPage, read_gold, read_pages
from prox.adapt.tagger.judges import (
    cross_validate_documents,
    document_inputs,
    fit_documents,
    labelled_parts,
    part_matrix,
    train_parts,
)
from prox.adapt.tagger.network import LineNetwork, Shape, make_batch
from prox.adapt.tagger.train import Plan, measure, train
from prox.refiners.tagger.features import FloatArray, LineFeatures

log = logging.getLogger("prox.adapt.tagger")

DOCUMENT_STRENGTH = 5.0
NOISE_THRESHOLD = 0.5
PART_PRECISION = 0.8
"""A part is removed from the probability on at which so many of those removed on the development sites are noise."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m prox.adapt.tagger",
        description="Train the embedded tagger on gold files and write one weights file.",
        epilog="example: python -m prox.adapt.tagger gold/public/*.jsonl.gz --documents gold/documents.jsonl.gz --output weights.npz",
    )
    parser.add_argument("gold", nargs="+", type=Path, help="line gold (JSONL, .gz allowed)")
    parser.add_argument("--documents", nargs="+", type=Path, required=True, help="document gold: text, keep")
    parser.add_argument("--output", type=Path, required=True, help="the weights file to write (.npz)")
    parser.add_argument("--epochs", type=int, default=Plan().epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch")
    parser.add_argument(
        "--network", type=Path, help="keep the trained line network here, or reuse the one that is there"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)

    pages = list(read_pages(options.gold))
    parts = {name: [page for page in pages if page.part == name] for name in ("training", "development", "held-back")}
    log.info("%s", {name: len(found) for name, found in parts.items()})
    if options.network and options.network.exists():
        saved = torch.load(options.network, weights_only=True)
        network = LineNetwork(Shape())
        network.load_state_dict(saved)
    else:
        network = train(
            parts["training"], parts["development"], Shape(), Plan(epochs=options.epochs, seed=options.seed)
        )
        if options.network:
            torch.save(network.state_dict(), options.network)
    network.eval()
    log.info("development %s", measure(network, parts["development"]))

    @torch.no_grad()
    def logits_of(features: LineFeatures) -> FloatArray:
        return network(make_batch([features]))[0].numpy()

    arrays = line_arrays(network, NOISE_THRESHOLD)
    arrays |= _parts(parts["training"], parts["development"], logits_of)
    arrays |= _documents(options.documents, logits_of)
    write_weights(options.output, arrays)
    log.info("%s: %.2f MB", options.output, options.output.stat().st_size / 1e6)


def _parts(training: list[GoldPage], development: list[GoldPage], logits_of) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    data = labelled_parts(training, logits_of)
    arrays = train_parts(data)
    held = labelled_parts(development, logits_of)
    weights = np.concatenate([arrays["parts.words"].astype(np.float32), arrays["parts.context"]])
    probabilities = 1 / (1 + np.exp(-(part_matrix(held) @ weights + arrays["parts.bias"])))
    order = np.argsort(-probabilities)
    right = np.cumsum(held.noise[order])
    precision = right / (1 + np.arange(len(order)))
    good = np.flatnonzero(precision >= PART_PRECISION)
    threshold = max(0.5, float(probabilities[order[good[-1]]])) if len(good) else 0.9
    found = probabilities >= threshold
    for k in (10, 20, 40, 80, 160):
        print(
            k,
            precision[k - 1],
            probabilities[order[k - 1]],
            [held.parts[i].source for i in order[k - 10 : k]],
            held.noise[order[k - 10 : k]],
        )
    log.info(
        "parts: %d training, %d noise; development at %.2f: %d removed, %d of %d noise found",
        len(data.parts), data.noise.sum(), threshold, found.sum(), (found & (held.noise == 1)).sum(), held.noise.sum(),
    )  # fmt: skip
    return arrays | {"parts.threshold": np.array(threshold)}


def _documents(paths: list[Path], logits_of) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    records = [record for path in paths for record in read_gold(path)]
    keep = np.array([int(record["keep"]) for record in records])
    statistics, words = document_inputs([record["text"] for record in records], logits_of)
    scores = cross_validate_documents(statistics, words, keep, DOCUMENT_STRENGTH)
    log.info("documents, cross-validated: %s", orjson.dumps(scores).decode())
    fitted = fit_documents(statistics, words, keep, DOCUMENT_STRENGTH)
    return fitted | {"documents.threshold": np.array(scores.threshold)}


if __name__ == "__main__":
    main()
