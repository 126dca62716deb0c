"""A corpus that is made on the spot, and a training on it that takes a second."""

import json
import random
from pathlib import Path

SUBJECTS = ("The river", "A glacier", "This village", "The old bridge", "Moss", "The library", "Their garden")
VERBS = ("crosses", "covers", "remembers", "borders on", "outlives", "looks like")
PLACES = ("the valley", "a stone wall", "seven fields", "the northern road", "an empty square", "last winter")


def write_corpus(path: Path, documents: int = 300, seed: int = 0) -> Path:
    chance = random.Random(seed)
    with path.open("w") as file:
        for number in range(documents):
            lines = [
                f"{chance.choice(SUBJECTS)} {chance.choice(VERBS)} {chance.choice(PLACES)}."
                for _ in range(chance.randint(1, 12))
            ]
            file.write(json.dumps({"id": str(number), "text": "\n".join(lines)}) + "\n")
    return path


def small(corpus, output, **more):
    """24 steps of tlm-nano on 2,304 tokens."""
    from prox.pretrain.settings import Settings

    fields = {"tokenizer": "bpe:300", "context": 24, "batch": 4, "device_batch": 2, "tokens": 24 * 4 * 24}
    fields |= {"checkpoint_every": 5}
    return Settings(**{"input": (corpus,), "output": str(output), **fields, **more})
