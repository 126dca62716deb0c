"""The tables are what the script makes of the versions that they name."""

import importlib.util
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TABLES = json.loads((ROOT / "src" / "prox" / "refiners" / "rules" / "tables.json").read_bytes())


def installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@pytest.mark.skipif(
    any(installed(package) != TABLES[package]["version"] for package in ("spacy", "datatrove")),
    reason="needs the versions of spaCy and datatrove that the tables are from",
)
def test_the_tables_are_what_their_script_writes():
    spec = importlib.util.spec_from_file_location("tables_script", ROOT / "scripts" / "write_rule_tables.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert {"spacy": script.of_spacy(), "datatrove": script.of_datatrove()} == TABLES


def test_the_tables_say_under_which_licences_they_are():
    assert "MIT" in TABLES["spacy"]["licence"] and "ExplosionAI" in TABLES["spacy"]["licence"]
    assert "Apache" in TABLES["datatrove"]["licence"]


def test_no_letter_or_digit_is_an_affix_or_infix_by_itself():
    """On this `English` takes its short cuts."""
    from prox.refiners.rules.english import English

    tokenizer = English()
    affixes = (tokenizer._prefix, tokenizer._suffix, tokenizer._infix, tokenizer._infix_start)
    letters = (character for character in map(chr, range(0x110000)) if character.isalnum())
    assert [letter for letter in letters if any(affix.match(letter) for affix in affixes)] == []
