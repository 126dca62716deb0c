import threading
import time

from prox.runs.costs import StageCost, Stopwatch, inference_flops


def test_costs_add_up():
    one = StageCost(1, 2, 3, 4, 5, 6, 7, 0.5)
    assert one + one == StageCost(2, 4, 6, 8, 10, 12, 14, 1.0)
    assert (one + one).seconds == 1.0


def test_flops_are_two_a_parameter_and_token():
    # ProX: about 60B raw tokens through 0.31B parameters, a pass: about 3.7e19.
    assert inference_flops(313_324_800, 60 * 10**9, 0) == 2 * 313_324_800 * 60 * 10**9


def test_seconds_that_threads_share_count_once():
    stopwatch = Stopwatch()
    both = threading.Barrier(2)

    def work():
        with stopwatch.running():
            both.wait()
            time.sleep(0.2)

    threads = [threading.Thread(target=work) for _ in range(2)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - start
    assert 0.19 < stopwatch.take() <= elapsed
    assert stopwatch.take() == 0.0
