import threading
import time

import pytest

from prox.adapt.annotation.budget import Budget, BudgetSpentError, Limits, Prices, Spent
from prox.errors import UsageError

MOST = Spent(1, 100, 50)


@pytest.mark.parametrize(
    ("limits", "prices", "allowed"),
    [
        (Limits(requests=3), Prices(), 3),
        (Limits(tokens=450), Prices(), 3),
        (Limits(tokens=449), Prices(), 2),
        (Limits(cost=0.0005), Prices(1, 2), 2),
        (Limits(requests=5, tokens=150), Prices(), 1),
        (Limits(requests=0), Prices(), 0),
    ],
)
def test_what_is_paid_never_passes_a_cap(limits, prices, allowed):
    budget = Budget(limits, prices, Spent())
    for _ in range(allowed):
        budget.reserve(MOST)
        budget.settle(MOST, MOST)
    with pytest.raises(BudgetSpentError, match="--max-"):
        budget.reserve(MOST)
    assert budget.spent == Spent(allowed, 100 * allowed, 50 * allowed)


def test_what_earlier_calls_spent_counts():
    with pytest.raises(BudgetSpentError, match="--max-requests 7"):
        Budget(Limits(requests=7), Prices(), Spent(7, 1, 1)).reserve(MOST)


def test_requests_in_flight_count_at_their_highest_price_until_they_are_known():
    budget = Budget(Limits(tokens=400), Prices(), Spent())
    budget.reserve(MOST)
    budget.reserve(MOST)
    let_go = threading.Event()

    def third():
        budget.reserve(MOST)
        let_go.set()

    thread = threading.Thread(target=third)
    thread.start()
    time.sleep(0.05)
    assert not let_go.is_set() and not budget.exhausted
    budget.settle(MOST, Spent(1, 20, 5))  # cheaper than feared
    assert let_go.wait(5)
    thread.join()


def test_who_waits_learns_that_nothing_is_left():
    budget = Budget(Limits(requests=1), Prices(), Spent())
    budget.reserve(MOST)
    failures = []

    def wait():
        try:
            budget.reserve(MOST)
        except BudgetSpentError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    budget.settle(MOST, MOST)
    for thread in threads:
        thread.join(5)
    assert failures == ["--max-requests 1"] * 3


def test_a_cap_on_money_needs_prices():
    with pytest.raises(UsageError, match="--price-in"):
        Limits(cost=1.0).check(Prices())
    with pytest.raises(UsageError, match="--max-cost is nan"):
        Limits(cost=float("nan")).check(Prices(1, 1))
    Limits(cost=1.0).check(Prices(tokens_out=2))
