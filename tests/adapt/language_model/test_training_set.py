import pytest

pytest.importorskip("transformers", reason="needs the extra transformers")

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pages import page
from test_examples import writer_for

from prox.adapt.language_model.training_set import split_pages, training_set
from prox.errors import UsageError


@given(seed=st.integers(0, 99), share=st.floats(0.2, 0.8))
def test_all_pages_of_a_site_are_on_one_side(seed, share):
    pages = [page(n, site=f"site-{n % 30}") for n in range(120)]
    split = split_pages(pages, share, 1000, seed)
    sides = [{each.site for each in side} for side in (split.training, split.validation)]
    assert split.by_site and not sides[0] & sides[1]
    assert len(split.training) + len(split.validation) == 120


def test_the_side_of_a_site_does_not_depend_on_the_other_sites():
    few, many = ([page(n) for n in range(count)] for count in (40, 80))
    validation = [{each.site for each in split_pages(pages, 0.3, 1000, 0).validation} for pages in (few, many)]
    assert validation[0] == validation[1] & {each.site for each in few}


def test_a_corpus_of_few_sites_is_split_by_document_and_says_so():
    split = split_pages([page(n, site="one.example") for n in range(60)], 0.3, 1000, 0)
    assert not split.by_site and split.training and split.validation


def test_validation_documents_are_drawn_from_all_and_not_the_first_by_name():
    pages = [page(n, site=f"site-{n}.example", id=f"{'abcd'[n // 100]}-{n}") for n in range(400)]
    drawn = split_pages(pages, 0.5, 40, 0).validation
    assert len(drawn) == 40 and {each.id[0] for each in drawn} == set("abcd")


def test_a_split_that_leaves_nothing_is_refused():
    with pytest.raises(UsageError, match="leave nothing for validation"):
        split_pages([page(0)], 0.01, 1000, 0)
    with pytest.raises(UsageError, match="above 0 and below 1"):
        split_pages([page(0)], 1.0, 1000, 0)


@pytest.mark.parametrize(("share", "untouched", "touched"), [(0.5, 20, 20), (0.2, 10, 40), (0.6, 20, 13), (0.0, 0, 40)])
def test_the_share_of_untouched_examples_is_the_one_that_was_asked_for(tokens, share, untouched, touched):
    pages = [page(n) for n in range(40)] + [page(n, labels=np.array([0, 0, 0])) for n in range(40, 60)]
    made = training_set(pages, writer_for(tokens, window=400), untouched=share)
    assert [sum(each.touched is flag for each in made.examples) for flag in (False, True)] == [untouched, touched]
    assert sum(made.passed.values()) + len(made.examples) == 60


def test_the_share_of_untouched_examples_holds_where_fewer_examples_are_wanted(tokens):
    """Those of the kind that was not left out stood at the end, where the rest was cut off."""
    pages = [page(n) for n in range(40)] + [page(n, labels=np.array([0, 0, 0])) for n in range(40, 240)]
    writer = writer_for(tokens, window=400)
    shares = [
        sum(not each.touched for each in training_set(pages, writer, untouched=0.5, most=40, seed=seed).examples) / 40
        for seed in range(20)
    ]
    assert 0.45 < sum(shares) / 20 < 0.55


def test_the_same_prompt_is_trained_on_once_and_the_order_follows_from_the_seed(tokens):
    writer = writer_for(tokens, window=400)
    pages = [page(n) for n in range(10)]
    made = training_set([*pages, page(3, id="again", site="other.example")], writer, seed=1)
    assert len(made.examples) == 10 and made.passed["the same prompt again"] == 1
    assert [each.document_id for each in made.examples] != [
        each.document_id for each in training_set(pages, writer, seed=2).examples
    ]
    assert len(training_set(pages, writer, most=4).examples) == 4
