import threading
import time

import orjson

from prox.refiners import Level
from prox.runs.costs import StageCost, Stopwatch, inference_flops
from prox.runs.record import shown_cost
from prox.runs.stages import Stage


class AnyRefiner:
    level, window, fingerprint = Level.CHUNK, None, "any"

    def refine(self, chunks):
        raise NotImplementedError


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


def test_what_a_large_corpus_costs_can_be_written():
    """60B tokens through 0.31B parameters are 3.7e19 FLOPs, and JSON integers of orjson end at 1.8e19."""
    model = Stage("vllm:m", AnyRefiner(), language_model=True, parameters=313_324_800)
    shown = shown_cost(model, StageCost(tokens_in=60 * 10**9))
    assert orjson.loads(orjson.dumps(shown))["flops"] == 2 * 313_324_800 * 60 * 10**9
    assert shown_cost(model, StageCost(tokens_in=7))["flops"] == 2 * 313_324_800 * 7
