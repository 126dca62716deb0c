"""Runs on a real Ray cluster of several nodes on this machine."""

import orjson
import pytest
from faulty_server import FaultyServer

from prox.errors import RunError
from prox.runs.recipe import Recipe
from prox.runs.refine import refine_corpus

ray = pytest.importorskip("ray", reason="needs ray: pip install 'prox-refine[ray]'")
cluster_utils = pytest.importorskip("ray.cluster_utils", reason="needs ray")

PAGE = "Home | Login\n" + "The river rose again in the night and the town slept on. " * 8 + "\nShare on Facebook\n"


@pytest.fixture(scope="module")
def cluster():
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def pages(tmp_path):
    path = tmp_path / "pages.jsonl"
    lines = [orjson.dumps({"id": str(i), "text": PAGE * (1 + i % 5), "n": i}) for i in range(1500)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def recipe(pages, output, **fields):
    return Recipe(input=(str(pages),), output=str(output), unit_bytes=50_000, **fields)


def content(output):
    folders = ("text", "programs", "quarantine")
    return {path.name: path.read_bytes() for folder in folders for path in (output / folder).iterdir()}


def counts(result):
    return {name: result.record[name] for name in ("records", "decisions", "reasons", "words_before", "words_after")}


def test_a_cluster_gives_the_same_bytes_as_this_machine_alone(cluster, pages, tmp_path):
    alone = refine_corpus(recipe(pages, tmp_path / "alone", workers=0))
    together = refine_corpus(recipe(pages, tmp_path / "together", engine="ray"))
    assert content(tmp_path / "together") == content(tmp_path / "alone")
    assert counts(together) == counts(alone)
    assert len(content(tmp_path / "alone")) > 20


def test_a_node_that_is_killed_and_one_that_comes_change_nothing(cluster, pages, tmp_path):
    alone = refine_corpus(recipe(pages, tmp_path / "alone", workers=0))
    done = []

    def exchange_a_node(progress):
        if progress.units_done >= 4 and not done:
            node, *_ = [node for node in cluster.worker_nodes if not node.is_head()]
            cluster.remove_node(node, allow_graceful=False)
            done.append("killed")
        if progress.units_done >= 10 and len(done) == 1:
            cluster.add_node(num_cpus=1)
            done.append("joined")

    result = refine_corpus(recipe(pages, tmp_path / "out", engine="ray"), exchange_a_node)
    assert done == ["killed", "joined"]
    assert content(tmp_path / "out") == content(tmp_path / "alone")
    assert counts(result) == counts(alone)
    assert not list((tmp_path / "out").glob(".aside*"))


def test_a_run_that_a_machine_began_is_finished_by_a_cluster(cluster, pages, tmp_path):
    alone = refine_corpus(recipe(pages, tmp_path / "alone", workers=0))

    def interrupt(progress):
        if progress.units_done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refine_corpus(recipe(pages, tmp_path / "out", workers=0), interrupt)
    result = refine_corpus(recipe(pages, tmp_path / "out", engine="ray", workers=1))
    assert content(tmp_path / "out") == content(tmp_path / "alone")
    assert counts(result) == counts(alone)
    assert result.record["sessions"] == 2


def test_a_language_model_behind_a_server_is_asked_by_all_nodes(cluster, pages, tmp_path):
    with FaultyServer(answer=lambda prompt: "remove_lines(0, 0)") as server:
        fields = {
            "stages": (f"openai:small@{server.url}",),
            "family": "prox-chunk",
            "engine_options": {"concurrency": 16},
        }
        alone = refine_corpus(recipe(pages, tmp_path / "alone", **fields, workers=2))
        together = refine_corpus(recipe(pages, tmp_path / "together", **fields, engine="ray"))
    assert content(tmp_path / "together") == content(tmp_path / "alone")
    assert counts(together) == counts(alone)
    assert together.record["decisions"]["edited"] == 1500


def test_more_gpus_than_the_cluster_has_are_told(cluster, pages, tmp_path):
    with pytest.raises(RunError, match="the Ray cluster has no GPU"):
        refine_corpus(recipe(pages, tmp_path / "out", engine="ray", gpus=1))


def test_an_output_that_the_nodes_do_not_share_is_told(cluster, pages, tmp_path):
    with pytest.raises(RunError, match="that all nodes of the cluster share"):
        refine_corpus(recipe(pages, "memory://out", engine="ray"))


def test_what_a_lost_node_was_at_is_done_by_those_that_are_left(cluster, pages, tmp_path):
    alone = refine_corpus(recipe(pages, tmp_path / "alone", workers=0))
    done = []

    def kill_a_node(progress):
        if progress.units_done >= 4 and not done:
            node, *_ = [node for node in cluster.worker_nodes if not node.is_head()]
            cluster.remove_node(node, allow_graceful=False)
            done.append("killed")

    result = refine_corpus(recipe(pages, tmp_path / "out", engine="ray"), kill_a_node)
    assert done == ["killed"]
    assert content(tmp_path / "out") == content(tmp_path / "alone")
    assert counts(result) == counts(alone)
