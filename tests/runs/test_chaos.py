"""Runs that are killed at random moments give, in the end, what a run gives that nobody disturbs.

`benchmarks/chaos.py` does the same for an hour if it must; this is a short walk on the same path.
"""

import shutil
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc")


@pytest.fixture(scope="module")
def chaos():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import chaos

        yield chaos


@pytest.fixture(scope="module")
def corpus(chaos, tmp_path_factory):
    """A folder with a corpus and how many records it has."""
    folder = tmp_path_factory.mktemp("chaos") / "corpus"
    return folder, chaos.write_mixed(folder, megabytes=8, broken_every=80)


@pytest.fixture(scope="module")
def reference(chaos, corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    chaos.undisturbed(corpus[0], folder / "output", 50_000, folder / "log")
    return folder / "output"


@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_that_is_killed_again_and_again_gives_every_byte_of_one_that_is_not(
    chaos, corpus, reference, tmp_path, seed
):
    folder, records = corpus
    log = tmp_path / "log"
    figures = chaos.disturbed(folder, tmp_path / "output", 50_000, 10, seed, 0.25, log, seconds=120)
    figures |= chaos.compared(records, reference, tmp_path / "output")
    assert figures["identical"] and figures["counts_exact"], figures
    assert figures["orphans"] == 0 and not figures["problems"], figures
    assert figures["processes_left"] == 0, figures
    assert figures["kills"] >= 5, figures
    assert figures["units"] > 50


def test_the_comparison_sees_what_is_wrong(chaos, corpus, reference, tmp_path):
    """A check that cannot fail would prove nothing."""
    output = tmp_path / "output"
    shutil.copytree(reference, output)
    _, records = corpus
    assert chaos.compared(records, reference, output)["identical"]
    part = sorted((output / "text").iterdir())[3]
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    (output / "quarantine/part-999999-00000.jsonl.zst").write_bytes(b"")
    (output / ".aside").mkdir()
    figures = chaos.compared(records + 1, reference, output)
    assert not figures["identical"] and not figures["counts_exact"] and figures["orphans"] == 2
