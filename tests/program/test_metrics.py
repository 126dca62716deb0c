import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prox.program import (
    Counts,
    Outcome,
    ParseError,
    Program,
    RemoveLines,
    auc,
    content_counts,
    document_score,
    execute,
    failure_ratio,
    line_counts,
    macro_f1,
    mean_calls,
)

line_sets = st.sets(st.integers(0, 20))


def test_counts_give_precision_recall_and_f1():
    counts = Counts(tp=6, fp=2, fn=4)
    assert (counts.precision, counts.recall) == (0.75, 0.6)
    assert counts.f1 == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))


@pytest.mark.parametrize(
    ("counts", "scores"),
    [(Counts(), (1.0, 1.0, 1.0)), (Counts(fp=1), (0.0, 0.0, 0.0)), (Counts(fn=1), (0.0, 0.0, 0.0))],
)
def test_finding_nothing_is_right_where_nothing_is(counts, scores):
    assert (counts.precision, counts.recall, counts.f1) == scores


@given(line_sets, line_sets, line_sets)
def test_every_line_that_counts_is_counted_once(predicted, labelled, neutral):
    counts = line_counts(predicted, labelled, neutral)
    assert counts.tp + counts.fp + counts.fn == len((predicted | labelled) - neutral)
    assert line_counts(labelled, predicted, neutral) == Counts(counts.tp, counts.fn, counts.fp)


def test_sums_are_micro_and_means_are_macro():
    pages = [Counts(9, 1, 0), Counts(0, 0, 0), Counts(0, 1, 0)]
    assert sum(pages, Counts()) == Counts(9, 2, 0)
    assert macro_f1(pages) == pytest.approx((18 / 19 + 1 + 0) / 3)
    assert math.isnan(macro_f1([]))


def test_content_is_counted_in_words_and_neutral_lines_are_not():
    words, kept, noise = [4, 10, 6, 5], [0, 8, 6, 5], [1, 0, 1, 0]
    assert content_counts(words, kept, noise) == Counts(tp=13, fp=6, fn=2)
    assert content_counts(words, kept, noise, neutral={2, 3}) == Counts(tp=8, fp=0, fn=2)
    with pytest.raises(ValueError):
        content_counts([1], [1, 2], [0])


def test_keeping_and_dropping_are_scored_from_both_sides():
    score = document_score([True, True, False, False, False], [1, 0, 0, 0, 1])
    assert score.keep == Counts(1, 1, 1)
    assert score.drop == Counts(2, 1, 1)
    assert score.accuracy == 0.6
    assert math.isnan(document_score([], []).accuracy)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 1.0, -3.0, math.inf]), st.booleans()), max_size=30))
def test_auc_is_the_share_of_pairs_in_the_right_order(pairs):
    positives = [score for score, label in pairs if label]
    negatives = [score for score, label in pairs if not label]
    area = auc([score for score, _ in pairs], [label for _, label in pairs])
    if not positives or not negatives:
        assert math.isnan(area)
        return
    right = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    assert area == pytest.approx(right / len(positives) / len(negatives))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2))
def test_auc_does_not_depend_on_order_or_scale(pairs):
    scores, labels = [s for s, _ in pairs], [y for _, y in pairs]
    assume(any(labels) and not all(labels))
    assert auc([2.0 * s - 7 for s in scores[::-1]], labels[::-1]) == auc(scores, labels)


def test_auc_of_scores_that_are_no_numbers_is_no_number():
    assert math.isnan(auc([math.nan, 1.0], [0, 1]))


def test_a_failure_is_a_program_with_any_error():
    sound = execute("a\nb", Program((RemoveLines(0, 0),)))
    rejected = execute("a\nb", Program((RemoveLines(0, 9),)))
    unread = execute("a\nb", Program(errors=(ParseError(0, 0, "text that is not a call", "no"),)))
    assert failure_ratio([sound, sound, rejected, unread]) == 0.5
    assert failure_ratio([Outcome("a")]) == failure_ratio([]) == 0.0


def test_calls_are_counted_per_program():
    assert mean_calls([Program(), Program((RemoveLines(0, 0),) * 5)]) == 2.5
    assert mean_calls([]) == 0.0
