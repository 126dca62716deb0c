"""From gold to a language model that writes programs: adapt SmolLM2, score it on sites it never saw, before and after.

Prints one line of JSON. On one core without a GPU the default takes two hours; see `--help`.
"""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import torch

from prox.adapt.labels import LabelledPage, read_labels
from prox.adapt.language_model.adaptation import Material, adapt_language_model
from prox.adapt.language_model.fine_tuning import Settings
from prox.adapt.tagger.gold import part_of_site
from small_models import folder_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gold", nargs="+", help="line gold; the pages of held-back sites are not trained on")
    parser.add_argument("--output", type=Path, required=True, help="a new folder for the model")
    parser.add_argument("--base", default="smollm2", help="smollm2, tiny, or a folder (default: %(default)s)")
    parser.add_argument("--examples", type=int, default=4000)
    parser.add_argument("--every", type=int, default=500, help="examples between validations: the learning curve")
    parser.add_argument("--window", type=int, default=400)
    parser.add_argument("--device-batch", type=int, default=8)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--untouched", type=float)
    parser.add_argument("--freeze-layers", type=int, default=14)
    parser.add_argument("--low-rank", type=int)
    parser.add_argument("--validation", type=int, default=12, help="pages of a validation")
    parser.add_argument("--longest", type=int, default=12_000, help="characters of a page for validation")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    started = time.time()

    pages = [page for page in read_labels(options.gold) if isinstance(page, LabelledPage) and page.language == "en"]
    pages = [page for page in pages if part_of_site(page.site) != "held-back" and len(page.text) <= options.longest]

    def report(figures: object) -> None:
        print(f"{time.time() - started:.0f} s", figures, file=sys.stderr, flush=True)

    adapted = adapt_language_model(
        pages,
        folder_of(options.base),
        None,
        options.output,
        Material(
            dialect="refinex",
            window=options.window,
            untouched=options.untouched,
            most_examples=options.examples,
            validation_documents=options.validation,
        ),
        Settings(
            epochs=options.epochs,
            batch=8,
            device_batch=options.device_batch,
            learning_rate=options.learning_rate,
            last_learning_rate=options.learning_rate / 10,
            warm_up=0.05,
            freeze_embeddings=options.low_rank is None,
            freeze_layers=0 if options.low_rank else options.freeze_layers,
            low_rank=options.low_rank,
            evaluate_every=options.every,
        ),
        report,
    )
    print(json.dumps({"seconds": round(time.time() - started), **dataclasses.asdict(adapted)}))


if __name__ == "__main__":
    main()
