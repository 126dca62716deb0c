"""The rules beside those of datatrove: the same decision, the same reason, the same text."""

import gzip
import json
import random
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_texts import DROPPED, MARKED, pages

from prox.document import Document
from prox.refiners.rules.english import sentence_count, words
from prox.runs.recipe import load_stages, make_recipe
from prox.runs.stages import refine_documents

pytest.importorskip("datatrove", reason="needs datatrove: pip install 'prox-refine[tests]'")
pytest.importorskip("spacy", reason="datatrove needs spaCy to split words: pip install 'prox-refine[tests]'")

from datatrove.data import Document as DatatroveDocument
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.word_tokenizers import load_word_tokenizer

GOLD = Path(__file__).parents[4] / "shared" / "gold" / "public"
PAGES_OF_GOLD = 100
"""Of the gold pages, drawn at random; `benchmarks/rules_speed.py --megabytes 0` compares all of them."""

FILTERS = {
    "gopher": (GopherRepetitionFilter, GopherQualityFilter),
    "gopher-quality": (GopherQualityFilter,),
    "gopher-repetition": (GopherRepetitionFilter,),
    "c4": (C4QualityFilter,),
    "fineweb": (FineWebQualityFilter,),
}
SPECS = [*FILTERS, "gopher+c4+fineweb", "c4+gopher+fineweb", "fineweb+c4"]


@lru_cache
def filters_of(names):
    return [each() for name in names.split("+") for each in FILTERS[name]]


def of_datatrove(text, names):
    """Why the document is dropped, or its text behind all filters."""
    document = DatatroveDocument(text=text, id="page")
    for each in filters_of(names):
        result = each.filter(document)
        if result is not True:
            return {"reason": result[1]}
    return {"text": document.text}


@lru_cache
def stages_of(names):
    return load_stages(make_recipe(input=(), output="", stages=(f"rules:{names}",)))


def of_prox(text, names):
    (refined,) = refine_documents([Document("page", text)], stages_of(names))
    assert not any(stage.rejected or stage.failures for stage in refined.stages)
    if refined.decision != "dropped":
        return {"text": refined.text}
    reason, _, behind = refined.reason.partition(": ")
    assert behind == f"dropped by rules:{names}"
    return {"reason": reason}


def with_one_kind_of_break(result):
    r"""datatrove makes `\n` of every line break of a page that C4's rules have read; a program only deletes."""
    return {"text": "\n".join(result["text"].splitlines())} if "text" in result else result


def assert_agreement(text, names):
    ours, theirs = of_prox(text, names), of_datatrove(text, names)
    if ours != theirs:
        other_breaks = text.splitlines() != text.removesuffix("\n").split("\n")
        assert other_breaks and "c4" in names, (ours, theirs)
        assert with_one_kind_of_break(ours) == with_one_kind_of_break(theirs)


QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("names", SPECS)
@given(text=pages())
@settings(QUIET, max_examples=60)
def test_every_decision_is_that_of_datatrove(names, text):
    assert_agreement(text, names)


@given(text=MARKED)
@settings(QUIET, max_examples=400)
def test_words_are_those_of_datatrove(text):
    assert words(text) == load_word_tokenizer("en").word_tokenize(text)
    if text.strip():
        assert sentence_count(text) == len(load_word_tokenizer("en").span_tokenize(text))


@given(text=st.text(max_size=60))
@settings(QUIET, max_examples=100)
def test_words_of_any_characters_are_those_of_datatrove(text):
    assert words(text) == load_word_tokenizer("en").word_tokenize(text)


@pytest.mark.parametrize("names", SPECS)
@pytest.mark.parametrize("text", ["", " ", "\n", "\n\n\n", "\x00", " \u2028\r\n", "word", ".", "[1]", "{", "…"])
def test_hardly_any_text_is_judged_the_same_way(names, text):
    assert_agreement(text, names)


@pytest.mark.parametrize("names", sorted(FILTERS.keys() & DROPPED.keys()))
def test_each_reason_is_that_of_datatrove(names):
    for reason, text in DROPPED[names].items():
        assert of_datatrove(text, names) == {"reason": reason}
        assert_agreement(text, names)


@pytest.mark.skipif(not GOLD.exists(), reason="needs the gold pages in ../shared")
def test_real_pages_are_judged_as_datatrove_judges_them():
    lines = [
        line for path in sorted(GOLD.glob("*.jsonl.gz")) for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    texts = [json.loads(line)["raw_text"] for line in random.Random(0).sample(lines, PAGES_OF_GOLD)]
    for text in texts:
        for names in ("gopher-repetition", "gopher-quality", "c4", "fineweb", "gopher+c4+fineweb"):
            assert_agreement(text, names)
