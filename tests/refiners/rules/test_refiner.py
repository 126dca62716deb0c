"""Rules as a refiner: levels, specs, policy, runs, and text of any kind."""

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_texts import DROPPED, KEPT, STORY, pages

import prox
from prox.chunking import Chunk
from prox.document import Document
from prox.errors import UsageError
from prox.program import DropDocument, KeepDocument, Policy, Scope, execute
from prox.refiners import Level, load_refiner
from prox.refiners.rules import SETS, RulesRefiner, refiner
from prox.refiners.specs import levels_of_spec
from prox.runs.recipe import load_stages, make_recipe
from prox.runs.refine import refine_corpus
from prox.runs.stages import refine_documents

ALL = "gopher+c4+fineweb+refinedweb"


def drafts_of(names, level, *texts):
    return RulesRefiner(names, level).refine([Chunk("page", text, 0) for text in texts])


@pytest.mark.parametrize(
    ("names", "levels"),
    [
        ("gopher", (Level.DOCUMENT,)),
        ("gopher-quality", (Level.DOCUMENT,)),
        ("gopher-repetition+fineweb", (Level.DOCUMENT,)),
        ("c4", (Level.DOCUMENT, Level.CHUNK)),
        ("refinedweb", (Level.DOCUMENT, Level.CHUNK)),
        ("gopher+c4+fineweb", (Level.DOCUMENT, Level.CHUNK)),
    ],
)
def test_rules_work_at_the_levels_at_which_they_have_something_to_do(names, levels):
    spec = f"rules:{names}"
    assert levels_of_spec(spec) == levels
    assert [stage.refiner.level for stage in load_stages(make_recipe(input=(), output="", stages=(spec,)))] == [*levels]


@pytest.mark.parametrize(
    "spec", ["rules", "rules:", "rules:foo", "rules:c4+", "rules:+c4", "rules:C4", "rules:c4,gopher"]
)
def test_a_wrong_name_is_a_usage_error_that_lists_the_names(spec):
    for level in Level:
        with pytest.raises(UsageError) as failure:
            load_refiner(spec, level)
        assert all(name in str(failure.value) for name in SETS)
    with pytest.raises(UsageError, match="there are gopher"):
        levels_of_spec(spec)


def test_rules_that_edit_no_lines_say_so_at_the_chunk_level():
    with pytest.raises(UsageError, match=r"rules:gopher\+fineweb works at document level"):
        load_refiner("rules:gopher+fineweb", Level.CHUNK)


@pytest.mark.parametrize("level", list(Level))
def test_rules_take_no_threshold(level):
    with pytest.raises(UsageError, match="limits of their own"):
        load_refiner("rules:c4", level, 0.5)


def test_rules_cannot_be_the_first_of_a_cascade():
    with pytest.raises(UsageError, match="rules have no scores"):
        load_stages(make_recipe(input=(), output="", stages=("rules:c4", "tagger"), uncertain="0.2..0.8"))


def test_the_fingerprint_tells_rules_order_level_and_version_apart(monkeypatch):
    def fingerprints():
        names = ["c4", "refinedweb", "c4+refinedweb", "refinedweb+c4"]
        return {RulesRefiner(each, level).fingerprint for each in names for level in Level}

    before = fingerprints()
    assert len(before) == 8
    monkeypatch.setattr(refiner, "VERSION", refiner.VERSION + 1)
    assert not fingerprints() & before
    assert len(fingerprints()) == 8


def test_the_fingerprint_follows_the_tables(monkeypatch):
    before = RulesRefiner("c4", Level.CHUNK).fingerprint
    changed = refiner.load_tables()
    monkeypatch.setattr(refiner, "load_tables", lambda: type("Changed", (), {"fingerprint": "other"}))
    assert RulesRefiner("c4", Level.CHUNK).fingerprint == before.replace(changed.fingerprint, "other") != before


def test_a_draft_says_why_it_drops():
    dropped, kept = drafts_of("c4", Level.DOCUMENT, "Home | News", KEPT)
    assert dropped.program.operations == (DropDocument(),) and dropped.reason == "too_few_sentences"
    assert kept.program.operations == (KeepDocument(),) and kept.reason == ""


@given(st.lists(pages(), max_size=4))
@settings(deadline=None, max_examples=30)
def test_a_draft_does_not_depend_on_the_batch_nor_on_the_other_level(texts):
    alone = [drafts_of(ALL, Level.CHUNK, text)[0] for text in texts]
    judged = [drafts_of(ALL, Level.DOCUMENT, text)[0] for text in texts]
    assert drafts_of(ALL, Level.DOCUMENT, *texts) == judged
    assert drafts_of(ALL, Level.CHUNK, *texts) == alone  # behind the document level of the same batch


@given(pages())
@settings(deadline=None, max_examples=60)
def test_no_operation_is_ever_rejected_and_nothing_is_invented(text):
    for names in ("c4", "refinedweb", "c4+refinedweb", "refinedweb+c4"):
        (draft,) = drafts_of(names, Level.CHUNK, text)
        outcome = execute(text, draft.program, Policy(errors_allowed=0, least_share=None, least_words=None))
        assert outcome.rejected == () and outcome.text is not None
        letters = iter(text)
        assert all(letter in letters for letter in outcome.text)


@given(pages())
@settings(deadline=None, max_examples=30)
def test_a_stored_program_gives_the_same_text(text):
    (refined,) = prox.refine([text], refiner=f"rules:{ALL}")
    assert execute(text, refined.program, Policy.unlimited()).text == refined.text


def test_what_the_rules_leave_is_enough_however_little_it_is():
    text = "\n".join(["Home", "News", "Contact us"] * 100 + ["I do. I am. I was. You are. You were."])
    (refined,) = prox.refine([text], refiner="rules:c4")
    assert refined.text == "I do. I am. I was. You are. You were."


def test_a_page_without_a_line_left_is_dropped_at_the_chunk_level_alone():
    (refined,) = prox.refine(["Home\nNews"], refiner="rules:c4", level="chunk")
    assert refined.decision == "dropped"


HOSTILE = {
    "nothing": "",
    "white space": " \t\n \r\n\u2028 \n",
    "NUL": "\x00",
    "lone surrogate": "\ud800 and the rest of it.",
    "separators": "one of them.\u2028two of them.\x85\x1c\x0bthree of them.\r",
    "a huge line": "word. " * 100_000,
    "a huge word": "x" * 500_000,
    "a huge row of marks": "." * 500_000,
    "many citations": "".join(f"[{number}]" for number in range(60_000)) + " are all there is.",
    "nested citations": "[" * 50_000 + "1" + "]" * 50_000 + " are all there is.",
    "many breaks in one line": "One more sentence is here.\r" * 20_000,
    "many empty lines": "\n" * 300_000,
    "many short lines": "a\n" * 150_000,
    "many indented lines": "   This line has an end.\n" * 20_000,
    "spaces in a line": "read more" + " " * 500_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_makes_rules_fail_or_take_long(kind):
    text = HOSTILE[kind]
    begun = time.process_time()
    for level in Level:
        (draft,) = drafts_of(ALL, level, text)
        assert draft.errors == ()
        assert execute(text, draft.program, RulesRefiner.policy).rejected == ()
    assert time.process_time() - begun < 15


def test_a_run_counts_the_reasons_of_its_rules(tmp_path):
    texts = [KEPT, *DROPPED["gopher-repetition"].values(), *DROPPED["c4"].values()]
    (tmp_path / "in.jsonl").write_text(
        "".join(json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(texts) if text)
    )
    recipe = make_recipe(
        input=(str(tmp_path / "in.jsonl"),),
        output=str(tmp_path / "out"),
        stages=("rules:gopher+c4+fineweb",),
        workers=1,
    )
    record = refine_corpus(recipe).record
    assert record["refiners"] == {
        level: load_refiner("rules:gopher+c4+fineweb", Level(level)).fingerprint for level in ("document", "chunk")
    }
    assert {"dup_para_frac", "top_2_gram", "lorem_ipsum"} <= record["reasons"].keys()


@pytest.mark.parametrize("names", ["c4", "refinedweb", "c4+refinedweb"])
def test_lines_of_a_part_of_a_document_are_numbered_over_the_whole(names):
    """Story: as the second of a cascade, rules removed other lines than they meant, or were ignored."""
    text = "\n".join(["Home", "3 likes", STORY[0], f"{STORY[1]} Read more...", "SHARE ON FACEBOOK"])
    refiner = RulesRefiner(names, Level.CHUNK)
    whole, part = refiner.refine([Chunk("page", text, 0), Chunk("page", text, 70)])
    limits = Policy(least_share=None, least_words=None)
    alone = execute(text, whole.program, limits)
    below = execute("\n" * 70 + text, replace(part.program, scope=Scope(70, 74)), limits)
    assert alone.edited and not below.rejected and below.text == "\n" * 70 + (alone.text or "")


def test_a_cascade_of_the_tagger_and_rules_loses_no_program():
    pages = [f"Home\nLog in\n{KEPT}\n3 likes\nRead more\nPrivacy policy\n{STORY[0]}\nMENU\n"] * 3
    stages = load_stages(make_recipe(input=(), output="", stages=("tagger", "rules:c4"), uncertain="0.01..0.99"))
    for refined in refine_documents([Document(str(n), text) for n, text in enumerate(pages)], stages):
        (lines,) = [stage for stage in refined.stages if stage.level == "chunk"]
        assert lines.words_sent and not lines.rejected and not lines.unusable
