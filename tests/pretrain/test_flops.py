"""The arithmetic of cost, held against ProX's own figures."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.pretrain.flops import PARAMETERS, PEAKS, break_even, refining_flops, training_flops

counts = st.integers(1, 10**18)
shares = st.fractions(Fraction(1, 10**6), 1)


@pytest.mark.parametrize("parameters", [310_000_000, PARAMETERS["tlm-xs"]])
def test_the_cost_that_prox_publishes_comes_out(parameters):
    """About 60B raw tokens, two passes of a 0.3B model: about 5e19 FLOPs, 12B more tokens at 0.7B or 5B at 1.7B.

    The paper does not say what its document stage kept here. All three figures come out, rounded as it rounds them, if
    20B of the 60B tokens were kept.
    """
    flops = sum(refining_flops(parameters, 60 * 10**9, 20 * 10**9))
    assert f"{flops:.0e}" == "5e+19"
    for small, large in ((700_000_000, 1_700_000_000), (PARAMETERS["tlm-s"], PARAMETERS["tlm-m"])):
        assert round(break_even(flops, small) / 1e9) == 12
        assert round(break_even(flops, large) / 1e9) == 5


@pytest.mark.parametrize(("after", "fits"), [(18, False), (19, True), (24, True), (25, False)])
def test_only_about_a_third_of_the_tokens_after_the_document_stage_explains_these_figures(after, fits):
    flops = sum(refining_flops(PARAMETERS["tlm-xs"], 60 * 10**9, after * 10**9))
    more = [round(break_even(flops, PARAMETERS[name]) / 1e9) for name in ("tlm-s", "tlm-m")]
    assert (more == [12, 5] and f"{flops:.0e}" == "5e+19") == fits


def test_the_gpu_hours_that_prox_publishes_are_a_quarter_of_the_peak_of_an_a100():
    flops = sum(refining_flops(PARAMETERS["tlm-xs"], 60 * 10**9, 20 * 10**9))
    assert flops / PEAKS["a100"] / (192 * 3600) == pytest.approx(0.23, abs=0.005)


@pytest.mark.parametrize(
    ("name", "vocabulary", "hidden", "keys", "intermediate", "layers"),
    [
        ("tlm-xs", 32_000, 1_280, 80, 2_048, 24),
        ("tlm-s", 32_000, 1_536, 128, 4_864, 24),
        ("tlm-m", 32_000, 2_048, 2_048, 8_192, 24),
    ],
)
def test_sizes_of_llama_models_are_those_of_their_shapes(name, vocabulary, hidden, keys, intermediate, layers):
    """`keys`: width of all key heads. The output matrix counts, the embeddings do not."""
    layer = 2 * hidden**2 + 2 * hidden * keys + 3 * hidden * intermediate + 2 * hidden
    assert PARAMETERS[name] == layers * layer + hidden + vocabulary * hidden


@pytest.mark.parametrize(
    ("name", "hidden", "intermediate", "layers"), [("pythia-410m", 1_024, 4_096, 24), ("pythia-1b", 2_048, 8_192, 16)]
)
def test_sizes_of_pythia_models_are_those_of_their_shapes(name, hidden, intermediate, layers):
    """With biases and two norms of two vectors a layer."""
    layer = 4 * (hidden**2 + hidden) + 2 * hidden * intermediate + hidden + intermediate + 4 * hidden
    assert PARAMETERS[name] == layers * layer + 2 * hidden + 50_304 * hidden


@given(counts, counts, st.integers(1, 1000))
def test_training_grows_with_size_and_with_tokens_alike(parameters, tokens, times):
    assert training_flops(times * parameters, tokens) == times * training_flops(parameters, tokens)
    assert training_flops(parameters, times * tokens) == times * training_flops(parameters, tokens)


@given(counts, counts, counts)
def test_two_passes_cost_a_third_of_training_the_refiner_on_what_they_read(parameters, raw, after):
    assert 3 * sum(refining_flops(parameters, raw, after)) == training_flops(parameters, raw + after)
    assert (
        refining_flops(parameters, raw, after)
        == refining_flops(parameters, raw)[:1] + refining_flops(parameters, after)[:1]
    )


@given(counts, counts, shares)
def test_break_even_is_the_least_that_is_enough(flops, other, share):
    least = break_even(flops, other, share)
    assert training_flops(other, least) * share >= flops
    assert training_flops(other, least - 1) * share < flops


@given(counts, counts)
def test_break_even_undoes_training(parameters, tokens):
    flops = training_flops(parameters, tokens)
    assert break_even(flops, parameters) == tokens
    assert break_even(flops, tokens) == parameters


@given(counts, counts, shares, st.integers(1, 1000))
def test_the_less_is_saved_the_later_it_pays(flops, other, share, times):
    assert break_even(flops, other, share / times) == break_even(times * flops, other, share)
    assert break_even(flops, other, share / times) >= break_even(flops, other, share)


def test_what_costs_nothing_pays_at_once():
    assert break_even(0, 10**9, Fraction(1, 5)) == 0
