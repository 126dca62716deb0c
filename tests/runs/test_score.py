import gzip
import json
from dataclasses import astuple, replace

import pytest

from prox.errors import RunError, UsageError
from prox.program import DropDocument, Program, RemoveLines, Replace
from prox.refiners.draft import Draft, Level
from prox.runs.score import BATCH, score_gold


class MenuRefiner:
    """Removes lines with "menu", and "[edit]" everywhere; drops documents with "spam"."""

    fingerprint = "menu-1"

    def __init__(self, level, window=1500):
        self.level = level
        self.window = window
        self.batches = []

    def refine(self, chunks):
        self.batches.append(len(chunks))
        return [self.draft(chunk) for chunk in chunks]

    def draft(self, chunk):
        if self.level is Level.DOCUMENT:
            spam = chunk.text.count("spam")
            return Draft(Program((DropDocument(),) if spam else ()), score=1 / (1 + spam))
        operations = [
            RemoveLines(number, number)
            for number, line in enumerate(chunk.text.split("\n"), chunk.first_line)
            if "menu" in line
        ]
        if "[edit]" in chunk.text:
            operations.append(Replace("[edit]"))
        return Draft(Program(tuple(operations)))


FIRST = {
    "id": "first",
    "source": "one",
    "raw_text": "menu one two\nreal text here now\nmenu inside content five words\nfooter noise\nmenu neutral",
    "line_labels": [1, 0, 0, 1, 0],
    "neutral_lines": [4],
}
SECOND = {"id": "second", "source": "two", "raw_text": "menu\nprose of page", "line_labels": [1, 0]}
DOCUMENTS = [
    {"id": "a", "text": "good prose", "keep": 1},
    {"id": "b", "text": "spam spam", "keep": 0},
    {"id": "c", "text": "spam", "keep": 1},
    {"id": "d", "text": "fine, but unwanted", "keep": 0},
]


@pytest.fixture
def gold(tmp_path):
    def write(records, name="gold.jsonl"):
        lines = [each if isinstance(each, str) else json.dumps(each) for each in records]
        data = "".join(line + "\n" for line in lines).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return str(path)

    return write


def values(score):
    return astuple(score)


def test_line_figures_are_those_computed_by_hand(gold):
    score = score_gold(gold([FIRST, SECOND], "gold.jsonl.gz"), MenuRefiner)
    # First page: line 0 found, line 2 wrongly removed, line 3 missed, line 4 neutral. Second page: all right.
    # Words on noise lines: 3 + 1 of 6 go. Of 12 on content lines, 5 go. All words: 17 + 4, of which 9 + 3 stay.
    by_lines, by_words = (2 / 3, 2 / 3, 2 / 3, (1 / 2 + 1) / 2, (1 / 2 + 1) / 2), (4 / 6, 5 / 12, 9 / 20)
    assert values(score.overall.lines) == pytest.approx(by_lines + by_words)
    # Words: 4 + 3 of content stay, 2 of the footer stay, 5 of content are lost.
    assert values(score.overall.content_tokens) == pytest.approx((7 / 9, 7 / 12, 14 / 21))
    assert score.overall.line_pages == 2 and score.overall.documents is None and score.overall.partials is None
    assert values(score.overall.programs) == (2, 0.0, {}, 2.0)
    assert score.fingerprints == {"chunk": "menu-1"}


def test_each_source_has_its_own_figures(gold):
    score = score_gold([gold([FIRST], "a.jsonl"), gold([SECOND], "b.jsonl")], MenuRefiner)
    assert list(score.sources) == ["one", "two"]
    assert values(score.sources["one"].lines)[:5] == pytest.approx((0.5, 0.5, 0.5, 0.5, 0.5))
    assert values(score.sources["one"].content_tokens) == pytest.approx((4 / 6, 4 / 9, 8 / 15))
    assert values(score.sources["two"].lines) == (1, 1, 1, 1, 1, 1, 0, 3 / 4)


def test_neutral_lines_count_nowhere(gold):
    with_neutral = score_gold(gold([FIRST]), MenuRefiner).overall
    # What is left of the text is all of it.
    with_neutral = replace(with_neutral, lines=replace(with_neutral.lines, words_kept=None))
    without = {**FIRST, "raw_text": FIRST["raw_text"].rpartition("\n")[0], "line_labels": [1, 0, 0, 1]}
    alone = score_gold(gold([{**without, "neutral_lines": []}]), MenuRefiner).overall
    assert with_neutral.lines == replace(alone.lines, words_kept=None)
    assert with_neutral.content_tokens == alone.content_tokens


def test_macro_f1_gives_a_clean_page_left_alone_full_marks(gold):
    clean = {"raw_text": "all of this is prose", "line_labels": [0]}
    missed = {"raw_text": "noise that nobody finds\nprose", "line_labels": [1, 0]}
    lines = score_gold(gold([clean, missed]), MenuRefiner).overall.lines
    assert (lines.f1, lines.macro_f1, lines.noisy_macro_f1) == (0.0, 0.5, 0.0)


def test_shares_of_nothing_are_not_given(gold):
    lines = score_gold(gold([{"raw_text": "prose", "line_labels": [0]}]), MenuRefiner).overall.lines
    assert (lines.noisy_macro_f1, lines.noise_words_found, lines.content_words_lost) == (None, None, 0.0)
    lines = score_gold(gold([{"raw_text": "", "line_labels": [1]}]), MenuRefiner).overall.lines
    assert (lines.noise_words_found, lines.content_words_lost, lines.words_kept) == (None, None, None)


def test_document_figures_are_those_computed_by_hand(gold):
    score = score_gold(gold(DOCUMENTS), MenuRefiner)
    # Kept a and d, of which a rightly; scores 1 and 1/2 of the wanted against 1/3 and 1: (1 + ½ + 1 + 0) / 4.
    assert values(score.overall.documents) == pytest.approx((0.5, 0.5, 0.5, 2.5 / 4, 5 / 8))
    assert score.overall.document_pages == 4 and score.overall.lines is None and score.sources == {}


def test_documents_of_one_kind_have_no_auc(gold):
    assert score_gold(gold(DOCUMENTS[:1]), MenuRefiner).overall.documents.auc is None


def test_both_kinds_of_gold_in_one_file_go_to_their_levels(gold):
    score = score_gold(gold([FIRST, *DOCUMENTS]), MenuRefiner)
    assert set(score.fingerprints) == {"chunk", "document"}
    assert (score.overall.line_pages, score.overall.document_pages) == (1, 4)


def test_a_page_of_noise_alone_is_not_dropped_but_judged_by_its_lines(gold):
    lines = score_gold(gold([{"raw_text": "menu\nmenu", "line_labels": [1, 0]}]), MenuRefiner).overall.lines
    assert (lines.precision, lines.recall) == (0.5, 1.0)


def test_line_numbers_are_right_over_many_chunks_and_batches(gold):
    pages = [SECOND | {"id": str(number)} for number in range(BATCH + 1)]
    refiner = MenuRefiner(Level.CHUNK, window=3)
    told = []
    score = score_gold(gold(pages), lambda level: refiner, on_pages=told.append)
    assert values(score.overall.lines)[:4] == (1, 1, 1, 1)
    assert score.overall.programs.count == 2 * (BATCH + 1)
    assert told == [BATCH, 1] and refiner.batches == [2 * BATCH, 2]


def test_lines_longer_than_the_window_stay(gold):
    lines = score_gold(gold([FIRST]), lambda level: MenuRefiner(level, window=4)).overall.lines
    assert (lines.precision, lines.recall) == (1.0, 0.5)  # line 2 has five words


def test_partial_noise_is_found_by_its_characters(gold):
    page = {
        "raw_text": "Rivers [edit] share\nLakes [edit]\nSeas [edit]\nPonds [edit]",
        "line_labels": [0, 0, 0, 0],
        "partials": [
            {"line": 0, "noise": "[edit] share", "start": 7, "end": 19, "conf": "high"},
            {"line": 2, "noise": "[edit]", "start": 5, "end": 11, "conf": "low"},
            {"line": 3, "noise": "[edit]", "start": 6, "end": 12},
        ],
        "neutral_lines": [3],
    }
    partials = score_gold(gold([page]), MenuRefiner).overall.partials
    # Line 0: 6 of 11 characters; line 1 loses 6 that nobody called noise; line 2 is not sure, line 3 is neutral.
    assert values(partials) == pytest.approx((6 / 11, 6))


def test_programs_with_faults_are_counted_one_by_one(gold):
    class Faulty(MenuRefiner):
        def draft(self, chunk):
            if "prose" in chunk.text:
                return Draft(Program((RemoveLines(0, 0),)))  # outside the chunk
            return Draft(Program(), errors=("cut off",)) if chunk.text == "silent" else super().draft(chunk)

    pages = [SECOND, {"raw_text": "silent", "line_labels": [0]}]
    programs = score_gold(gold(pages), lambda level: Faulty(level, window=3)).overall.programs
    assert (programs.count, programs.failure_ratio) == (3, 2 / 3)
    assert programs.calls_mean == pytest.approx(2 / 3)
    assert programs.failure_kinds == {"cut off": 1, "lines out of bounds": 1}


def test_a_kind_counts_once_a_program_however_often_it_occurs(gold):
    class Careless(MenuRefiner):
        def draft(self, chunk):
            return Draft(Program((RemoveLines(70, 71), RemoveLines(80, 81), Replace("not there"))))

    programs = score_gold(gold([FIRST, SECOND]), Careless).overall.programs
    assert programs.failure_kinds == {"lines out of bounds": 2, "source string not in the text": 2}
    assert programs.failure_ratio == 1.0


def test_operations_that_a_cascade_left_out_are_failures(gold):
    class Cascade(MenuRefiner):
        def draft(self, chunk):
            return Draft(Program(), rejected=('normalize(source_str="a: b"): source is not in its lines',))

    assert score_gold(gold([FIRST]), Cascade).overall.programs.failure_kinds == {"source string not in the text": 1}


def test_tokens_are_means_of_the_documents_of_a_level(gold):
    class Model(MenuRefiner):
        def draft(self, chunk):
            return replace(super().draft(chunk), tokens_in=100, tokens_out=10)

    costs = score_gold(gold([SECOND, *DOCUMENTS]), lambda level: Model(level, window=3)).overall.costs
    assert astuple(costs["chunk"]) == (200, 20, None)  # two chunks
    assert astuple(costs["document"]) == (100, 10, None)


def test_a_document_that_is_dropped_at_chunk_level_has_lost_all_its_lines(gold):
    class Dropping(MenuRefiner):
        def draft(self, chunk):
            return Draft(Program((DropDocument(),)))

    lines = score_gold(gold([SECOND]), Dropping).overall.lines
    assert (lines.precision, lines.recall, lines.words_kept) == (0.5, 1.0, 0.0)


def test_records_that_are_no_gold_are_counted_with_reason_and_place(gold):
    bad = [
        "not json",
        {"id": "x", "url": "http://example.org"},
        {"raw_text": 5, "line_labels": [1]},
        {"raw_text": "a\nb", "line_labels": [1]},
        {"raw_text": "a", "line_labels": [2]},
        {"raw_text": "a", "line_labels": "1"},
        {"raw_text": "a", "program": None},
        {"raw_text": "a", "program": "Sure, here it is"},
        {"raw_text": "a", "program": "remove_lines(4, 5)"},
        {"raw_text": "a", "line_labels": [1], "neutral_lines": [7]},
        {"raw_text": "a", "line_labels": [1], "partials": 5},
        {"raw_text": "a", "line_labels": [1], "partials": [{"line": 0, "noise": "a", "start": 0, "end": 9}]},
        {"text": "a", "keep": "yes"},
        {"text": None, "keep": 1},
        '{"text": "\\ud800", "keep": 1}',
    ]
    score = score_gold(gold([*bad, "[]", SECOND, "[]"]), MenuRefiner)
    reasons = {each.reason: (each.count, each.first) for each in score.unusable}
    assert score.overall.line_pages == 1
    assert sum(count for count, _ in reasons.values()) == len(bad) + 2
    assert score.unusable[0].count == 2 and reasons["not an object"] == (2, "gold.jsonl, record 15")
    assert reasons["invalid JSON"] == (1, "gold.jsonl, record 0")
    assert reasons["neither raw_text with line_labels or program nor text with keep"] == (1, "gold.jsonl, id x")
    assert reasons["line_labels has not one label for each line"][0] == 1
    assert reasons["keep is not 0 or 1"][0] == 1
    assert reasons["program cannot be read, no program"][0] == 1
    assert reasons["program does not fit its text, lines out of bounds"][0] == 1


@pytest.mark.parametrize("records", [[], ["not json"], [{"id": 1}]])
def test_a_file_without_gold_is_wrong_use_with_advice(gold, records):
    with pytest.raises(UsageError, match=r"no gold in gold\.jsonl.*line_labels.*keep"):
        score_gold(gold(records), MenuRefiner)


def test_a_filter_leaves_records_out(gold):
    path = gold([FIRST, SECOND])
    score = score_gold(path, MenuRefiner, keep_record=lambda record: record["source"] == "two")
    assert (score.left_out, score.overall.line_pages) == (1, 1)
    with pytest.raises(UsageError, match="none of the 2 gold records"):
        score_gold(path, MenuRefiner, keep_record=lambda record: False)


def test_a_refiner_without_any_usable_program_is_a_failed_run(gold):
    class Silent(MenuRefiner):
        def draft(self, chunk):
            return Draft(Program(), errors=("no program for this text",))

    with pytest.raises(RunError, match="no program for this text"):
        score_gold(gold([FIRST]), Silent)


def test_a_refiner_that_loses_a_draft_is_a_failed_run(gold):
    class Forgetful(MenuRefiner):
        def refine(self, chunks):
            return super().refine(chunks)[1:]

    with pytest.raises(RunError, match="1 drafts for 2 chunks"):
        score_gold(gold([FIRST, SECOND]), Forgetful)
