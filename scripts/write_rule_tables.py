"""Write src/prox/refiners/rules/tables.json from the spaCy and the datatrove that are installed.

    pip install datatrove spacy
    python scripts/write_rule_tables.py

What the rules need of other people's work is data: where spaCy splits English into words and sentences, and which
characters datatrove counts as punctuation. The file says which versions it is from and under which licences.
"""

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import spacy
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION
from spacy.lang.tokenizer_exceptions import URL_PATTERN
from spacy.pipeline import Sentencizer
from spacy.symbols import ORTH

TABLES = Path(__file__).parents[1] / "src" / "prox" / "refiners" / "rules" / "tables.json"


def main() -> None:
    tables = json.dumps({"spacy": of_spacy(), "datatrove": of_datatrove()}, ensure_ascii=True, indent=0)
    TABLES.write_text(tables + "\n", encoding="ascii")


def of_spacy() -> dict[str, Any]:
    english = spacy.blank("en")
    defaults = english.Defaults
    assert english.tokenizer.token_match is None
    return {
        "version": distribution("spacy").version,
        "licence": licence("spacy"),
        "prefixes": [piece for piece in defaults.prefixes if piece.strip()],
        "suffixes": [piece for piece in defaults.suffixes if piece.strip()],
        "infixes": [piece for piece in defaults.infixes if piece.strip()],
        "url": URL_PATTERN,
        "exceptions": {
            chunk: [part[ORTH] if ORTH in part else part["ORTH"] for part in parts]
            for chunk, parts in sorted(english.tokenizer.rules.items())
        },
        "sentence_ends": "".join(sorted(set(Sentencizer.default_punct_chars))),
    }


def of_datatrove() -> dict[str, Any]:
    return {
        "version": distribution("datatrove").version,
        "licence": "Apache License 2.0, https://github.com/huggingface/datatrove",
        "punctuation": "".join(sorted(PUNCTUATION_SET)),
        "terminal_punctuation": "".join(sorted(TERMINAL_PUNCTUATION)),
    }


def licence(package: str) -> str:
    files = [file for file in distribution(package).files or [] if file.name == "LICENSE" and ".dist-info" in str(file)]
    return files[0].read_text()


if __name__ == "__main__":
    main()
