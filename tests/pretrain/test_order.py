import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prox.pretrain.order import shuffled


@given(st.integers(1, 3000), st.integers(0, 2**32 - 1), st.integers(0, 50))
def test_every_sequence_comes_once_an_epoch(count, seed, epoch):
    assert sorted(shuffled(np.arange(count), count, seed, epoch)) == list(range(count))


@given(st.integers(1, 10**12), st.lists(st.integers(0, 10**12), max_size=20), st.integers(0, 100))
def test_a_place_gives_the_same_sequence_whatever_is_asked_with_it(count, places, seed):
    places = np.array([place % count for place in places], np.int64)
    together = shuffled(places, count, seed, 0)
    assert all(0 <= each < count for each in together)
    for place, number in zip(places, together, strict=True):
        assert shuffled(np.array([place]), count, seed, 0)[0] == number


def test_seeds_and_epochs_have_orders_of_their_own_that_look_like_chance():
    count = 10_000
    orders = [shuffled(np.arange(count), count, seed, epoch) for seed, epoch in ((0, 0), (1, 0), (0, 1))]
    for one in range(3):
        assert abs(np.corrcoef(orders[one], np.arange(count))[0, 1]) < 0.05
        assert abs(np.corrcoef(np.diff(orders[one])[:-1], np.diff(orders[one])[1:])[0, 1] + 0.5) < 0.05
        for other in range(one):
            assert (orders[one] == orders[other]).mean() < 0.01


def test_the_order_is_the_same_on_every_machine():
    assert shuffled(np.arange(10), 10, 7, 1).tolist() == [3, 7, 8, 5, 6, 2, 1, 0, 9, 4]
