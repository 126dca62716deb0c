import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prox.errors import RunError
from prox.program import Counts
from prox.refiners.draft import Level
from prox.runs import bootstrap as module
from prox.runs.bootstrap import Difference, bootstrap
from prox.runs.score_pages import DocumentFigures, LineFigures, PageFigures
from prox.runs.score_tally import NAMES, figure, tally

few = st.integers(0, 3)
counts = st.builds(Counts, few, few, few)
probabilities = st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0])


@st.composite
def pages(draw):
    lined = draw(st.booleans())
    if lined:
        content = draw(counts)
        noise_words = content.fp + draw(few)
        judged = LineFigures(draw(counts), content, noise_words, 0, 0, 0, False)
    else:
        judged = DocumentFigures(draw(st.booleans()), draw(st.booleans()), draw(probabilities))
    programs, words = draw(few), draw(few)
    return PageFigures(
        level=Level.CHUNK if lined else Level.DOCUMENT,
        source=None,
        site=draw(st.sampled_from([None, "a", "b"])),
        programs=programs,
        failures=min(programs, draw(few)),
        kinds=(),
        calls=draw(few),
        tokens_in=0,
        tokens_out=0,
        flops=None,
        words_before=words,
        words_after=min(words, draw(few)),
        judged=judged,
    )


def page(tp=1, fp=0, fn=0, site=None):
    judged = LineFigures(Counts(tp, fp, fn), Counts(10, 2, 3), 5, 0, 0, 0, False)
    return PageFigures(Level.CHUNK, None, site, 1, 0, (), 2, 0, 0, None, 20, 10, judged)


@given(st.lists(pages(), min_size=1, max_size=12))
def test_each_page_once_gives_the_figures_of_the_tally(own):
    clusters, _ = module._clusters(own)
    table = module._Table(own, clusters, int(clusters.max()) + 1)
    scores = tally(own)
    for name, (value,) in table.figures(np.ones((1, int(clusters.max()) + 1))).items():
        expected = figure(scores, name)
        if name.startswith("programs.") and not scores.programs.count:
            continue  # no programs: the tally says 0
        assert value == pytest.approx(np.nan if expected is None else expected, nan_ok=True), name


@given(st.lists(pages(), min_size=1, max_size=8), st.data())
def test_a_weight_is_as_good_as_a_copy(own, data):
    own = [replace(each, site=None) for each in own]
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(own), max_size=len(own)))
    copies = [each for each, weight in zip(own, weights, strict=True) for _ in range(weight)]
    weighted = module._Table(own, *_numbered(own)).figures(np.array([weights], float))
    if copies:
        copied = module._Table(copies, *_numbered(copies)).figures(np.ones((1, len(copies))))
        for name in NAMES:
            assert weighted[name][0] == pytest.approx(copied[name][0], nan_ok=True), name


def _numbered(own):
    return np.arange(len(own)), len(own)


def test_the_same_pages_give_the_same_intervals():
    own = [page(tp=number % 5, fn=number % 3) for number in range(50)]
    assert bootstrap([own]) == bootstrap([own])


@settings(max_examples=20)
@given(st.lists(pages(), min_size=2, max_size=12))
def test_the_size_of_a_block_changes_nothing(own):
    with pytest.MonkeyPatch.context() as patch:
        whole = bootstrap([own], resamples=20)
        patch.setattr(module, "CELLS", 1)
        assert bootstrap([own], resamples=20) == whole


def test_an_interval_is_as_wide_as_the_pages_differ():
    alike = bootstrap([[page(tp=3, fn=1)] * 40]).intervals[0]["lines.f1"]
    assert alike.low == alike.high == pytest.approx(6 / 7)
    ratio = bootstrap([[replace(page(), failures=number % 2) for number in range(400)]])
    interval = ratio.intervals[0]["programs.failure_ratio"]
    # Half of 400 fail: the standard error is 0.025.
    assert (interval.low, interval.high) == pytest.approx((0.45, 0.55), abs=0.01)


def test_pages_of_one_site_stand_and_fall_together():
    rows = [(number // 40, number % 40) for number in range(400)]
    alone = [page(tp=site % 2, fn=1) for site, _ in rows]
    by_site = [page(tp=site % 2, fn=1, site=f"site {site}") for site, _ in rows]

    def width(own):
        interval = bootstrap([own]).intervals[0]["lines.macro_f1"]
        return interval.high - interval.low

    assert width(by_site) > 4 * width(alone)


def test_what_is_hard_for_both_cancels_out_in_a_difference():
    hard = [page(tp=number % 7, fn=3) for number in range(200)]
    better = [page(tp=number % 7 + 1, fn=2) for number in range(200)]
    result = bootstrap([hard, better, hard])
    difference = result.differences[1]["lines.f1"]
    assert difference.low < difference.value < difference.high
    assert difference.value == pytest.approx(figure(tally(better), "lines.f1") - figure(tally(hard), "lines.f1"))
    unpaired = math.hypot(*[each["lines.f1"].high - each["lines.f1"].low for each in result.intervals[:2]])
    assert difference.high - difference.low < 0.6 * unpaired
    assert result.differences[0] == {}
    assert set(map(tuple, map(vars_of, result.differences[2].values()))) == {(0.0, 0.0, 0.0)}


def vars_of(difference):
    return difference.value, difference.low, difference.high


def test_one_site_alone_has_differences_but_no_interval():
    result = bootstrap([[page(site="a"), page(site="a")], [page(site="a"), page(tp=0, fp=1, site="a")]])
    assert (result.resamples, result.clusters, result.sites) == (0, 1, 1)
    assert result.intervals == ({}, {})
    assert result.differences[1]["lines.macro_f1"] == Difference(-0.5, None, None)


def test_documents_of_one_kind_have_neither_auc_nor_an_interval_of_it():
    own = [replace(page(), level=Level.DOCUMENT, judged=DocumentFigures(True, True, 0.5))] * 3
    result = bootstrap([own, own])
    assert "documents.auc" not in result.intervals[0].keys() | result.differences[1].keys()


def test_refiners_that_saw_other_pages_are_not_compared():
    with pytest.raises(RunError, match="not scored on the same pages"):
        bootstrap([[page(), page()], [page()]])


def test_three_refiners_on_three_thousand_pages_take_little_time():
    own = [page(tp=number % 9, fn=number % 4, site=f"{number // 2}") for number in range(3000)]
    begun = time.process_time()
    bootstrap([own] * 3)
    assert time.process_time() - begun < 2
