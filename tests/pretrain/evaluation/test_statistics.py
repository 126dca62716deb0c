import math

import numpy as np
import pytest

from prox.pretrain.evaluation.statistics import Sample, difference, estimate, mean, over_seeds


def sample(values, weights=None, strata=None):
    values = np.array(values, float)
    return Sample(
        values,
        np.ones(len(values)) if weights is None else np.array(weights, float),
        np.zeros(len(values), int) if strata is None else np.array(strata),
    )


def test_of_items_alike_it_is_the_mean_with_its_usual_standard_error():
    values = np.random.default_rng(0).integers(0, 2, 200)
    found = estimate(sample(values))
    assert found.value == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(200))
    assert found.draws.std() == pytest.approx(found.standard_error, rel=0.1)
    assert found.interval.low < found.value < found.interval.high


def test_of_documents_it_is_a_ratio_of_sums():
    bits, sizes = [30.0, 5.0, 100.0, 22.0], [10, 5, 60, 11]
    found = estimate(sample(bits, sizes))
    assert found.value == pytest.approx(sum(bits) / sum(sizes))
    assert found.draws.std() == pytest.approx(found.standard_error, rel=0.5)


def test_with_strata_each_counts_the_same_however_many_items_it_has():
    values, strata = [1, 1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1, 1]
    assert estimate(sample(values, strata=strata)).value == pytest.approx(0.5)
    mixed = sample([1, 0, 1, 1, 0, 1, 0, 1], strata=strata)
    found = estimate(mixed)
    errors = [
        np.std(mixed.values[part], ddof=1) / math.sqrt(len(mixed.values[part])) for part in (slice(6), slice(6, 8))
    ]
    assert found.standard_error == pytest.approx(math.hypot(*errors) / 2)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_of_fewer_than_two_items_there_is_no_interval(values):
    found = estimate(sample(values))
    assert (found.standard_error, found.interval, found.p) == (None, None, None)
    assert math.isnan(found.value) == (not values)


def test_what_makes_items_hard_for_both_cancels_out_of_a_difference():
    random = np.random.default_rng(1)
    hard = random.normal(0, 10, 100)
    base, other = sample(hard), sample(hard + 0.5 + random.normal(0, 0.1, 100))
    found = difference(base, other)
    assert found.value == pytest.approx(0.5, abs=0.05)
    assert found.standard_error < 0.02 < base.standard_error
    assert found.interval.low > 0.4
    assert found.p == pytest.approx(1 / 1001)


def test_a_difference_by_chance_has_a_large_p_and_none_at_all_has_one():
    random = np.random.default_rng(2)
    values = random.normal(0, 1, 60)
    assert difference(sample(values), sample(random.permutation(values))).p > 0.05
    assert difference(sample(values), sample(values)).p == 1
    assert difference(sample(values), sample(values)).interval.high == 0


def test_p_values_of_models_that_are_alike_are_spread_evenly():
    random = np.random.default_rng(3)
    small = [
        difference(sample(random.integers(0, 2, 50)), sample(random.integers(0, 2, 50)), stream).p < 0.1
        for stream in range(200)
    ]
    assert 0.03 < np.mean(small) < 0.17


def test_the_difference_of_bits_per_byte_is_that_of_the_two_figures():
    sizes = [10, 40, 7, 90]
    base, other = sample([20, 70, 9, 200], sizes), sample([22, 60, 10, 190], sizes)
    found = difference(base, other)
    assert found.value == pytest.approx(other.value - base.value)
    assert found.standard_error == pytest.approx(sample(other.values - base.values, sizes).standard_error)


def test_the_mean_of_tasks_is_surer_than_each_of_them():
    random = np.random.default_rng(4)
    tasks = [estimate(sample(random.integers(0, 2, 100)), stream) for stream in range(4)]
    found = mean(tasks)
    assert found.value == pytest.approx(np.mean([task.value for task in tasks]))
    assert found.standard_error == pytest.approx(math.sqrt(sum(task.standard_error**2 for task in tasks)) / 4)
    assert found.draws.std() == pytest.approx(found.standard_error, rel=0.1)


def test_over_seeds_the_interval_is_students():
    found = over_seeds([1.0, 2.0, 3.0])
    assert (found.mean, found.deviation, found.models) == (2.0, 1.0, 3)
    assert found.interval.high - 2.0 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)


def test_of_one_seed_there_is_no_spread():
    found = over_seeds([0.5])
    assert (found.mean, found.deviation, found.interval) == (0.5, None, None)
