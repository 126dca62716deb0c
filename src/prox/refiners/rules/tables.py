"""The data that the rules need of other people's work, with its version.

`tables.json` is written by scripts/write_rule_tables.py. It holds where spaCy splits English text (the MIT License,
ExplosionAI GmbH) and which characters datatrove counts as punctuation (Apache License 2.0, Hugging Face).
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Tables:
    """What stands in `tables.json`.

    Attributes:
        fingerprint: Of the file.
        spacy: `prefixes`, `suffixes`, `infixes` and `url` are patterns of `re`, `exceptions` maps a string to its
            tokens, `sentence_ends` are characters.
        punctuation: Characters of which symbols are made, for datatrove.
        terminal_punctuation: Characters that end a sentence, for datatrove.
    """

    fingerprint: str
    spacy: dict[str, Any]
    punctuation: frozenset[str]
    terminal_punctuation: tuple[str, ...]


@lru_cache(maxsize=1)
def load_tables() -> Tables:
    """Read once a process."""
    data = (files("prox.refiners.rules") / "tables.json").read_bytes()
    tables = json.loads(data)
    datatrove = tables["datatrove"]
    return Tables(
        hashlib.sha256(data).hexdigest()[:16],
        tables["spacy"],
        frozenset(datatrove["punctuation"]),
        tuple(datatrove["terminal_punctuation"]),
    )
