"""The step in real datatrove pipelines: nothing is lost, nothing differs from prox.refine, the figures add up."""

import gzip
import hashlib
import json
import pickle
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("datatrove", reason="needs datatrove: pip install 'prox-refine[datatrove]'")

import dill
from datatrove.data import Document
from datatrove.executor import SlurmPipelineExecutor
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader, ParquetReader
from datatrove.pipeline.writers import JsonlWriter, ParquetWriter
from datatrove.utils.stats import PipelineStats
from threadpoolctl import threadpool_info, threadpool_limits

import prox
from prox import cli
from prox.integrations.datatrove import ProxRefiner
from prox.program import Program
from prox.refiners import Draft, Level
from prox.refiners.language_model.loading import close_engines
from prox.runs.recipe import Recipe
from prox.runs.refine import refine_corpus
from prox.runs.stages import Stage

ROOT = Path(__file__).parents[2]
STORY = """Stand in any old town square on a warm June evening and you will hear them before you see them.
Swifts come back to the same nest every spring, after a journey of some ten thousand kilometres over desert and sea.
For most of their life they do not land at all: they eat, drink, gather feathers and even sleep on the wing.
Researchers in Sweden fitted small data loggers to thirteen adult birds and found that some of them stayed in the air
for ten months without a break. Others came down for a few nights in winter, but none of them for longer than that.
The nest itself is a shallow cup of straw and feathers, glued together with saliva and used again for many years.
When old roofs are repaired in summer, the holes are often closed, and the birds circle in front of the wall for days.
A simple box under the eaves, hung before the end of April, is all that it takes to give them a home again."""


def page(number):
    """Pages with menus, pages without, and some that say next to nothing."""
    kind = number % 4
    if kind == 3:
        return f"Log in | Sign up | {number}"
    story = f"{STORY}\nIn the year {1900 + number} the town counted {number + 12} pairs, more than ever before."
    return story if kind == 0 else f"Home | News | Contact us\nShare on Facebook\n{story}\nRead more\nAdvertisement"


RECORDS = [
    [{"id": f"{part}-{number}", "text": page(number), "url": f"https://a.example/{number}"} for number in range(150)]
    for part in range(2)
]
ALL = [record for part in RECORDS for record in part]


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    for number, records in enumerate(RECORDS):
        (folder / f"{number}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def rows(folder):
    parts = [gzip.decompress(path.read_bytes()) for path in sorted(folder.glob("*.jsonl.gz"))]
    found = [json.loads(line) for line in b"".join(parts).splitlines()]
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: row for row in found}


def run(tmp_path, pages, step, tasks=2, workers=2, writer=JsonlWriter):
    pipeline = [JsonlReader(str(pages)), step, writer(str(tmp_path / "out"))]
    executor = LocalPipelineExecutor(pipeline, tasks=tasks, workers=workers, logging_dir=str(tmp_path / "logs"))
    return executor.run().stats[1]


def documents(texts):
    return [Document(text, f"d{number}") for number, text in enumerate(texts)]


class Excluded:
    """An exclusion writer that keeps what it is given."""

    def __init__(self):
        self.documents = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def write(self, document, rank):
        self.documents.append(document)


def totals(stats):
    return {name: figure.total for name, figure in stats.stats.items()}


@pytest.fixture
def two_tasks(tmp_path, pages):
    """A pipeline in two processes: what passed, what did not, the figures of the step."""
    stats = run(tmp_path, pages, ProxRefiner(exclusion_writer=JsonlWriter(str(tmp_path / "excluded"))))
    return rows(tmp_path / "out"), rows(tmp_path / "excluded"), stats


def test_every_document_comes_out_once_as_prox_refine_gives_it(two_tasks):
    passed, excluded, _ = two_tasks
    assert passed.keys() | excluded.keys() == {record["id"] for record in ALL} and not passed.keys() & excluded.keys()
    for record, refined in zip(ALL, prox.refine([record["text"] for record in ALL]), strict=True):
        row = (passed if refined.text is not None else excluded)[record["id"]]
        metadata = row["metadata"]
        assert row["text"] == (record["text"] if refined.text is None else refined.text)
        assert metadata["url"] == record["url"]
        assert metadata["prox_decision"] == refined.decision
        assert prox.Program.parse(metadata["prox_program"]) == refined.program
        assert metadata["filter_reason" if refined.text is None else "prox_reason"] == refined.reason
    assert {row["metadata"]["prox_decision"] for row in passed.values()} == {"kept", "edited"}


def test_the_figures_of_two_tasks_add_up(two_tasks, tmp_path):
    passed, excluded, stats = two_tasks
    refined = prox.refine([record["text"] for record in ALL])
    figures = totals(stats)
    decisions = Counter(each.decision for each in refined)
    assert {name: figures.get(f"decision_{name}", 0) for name in decisions} == decisions
    assert (figures["total"], figures["forwarded"], figures["dropped"]) == (len(ALL), len(passed), len(excluded))
    assert figures["words_before"] == sum(each.words_before for each in refined)
    assert figures["words_after"] == sum(each.words_after for each in refined if each.text is not None)
    assert figures["doc_len"] == sum(len(row["text"]) for row in passed.values())
    assert figures["dropped_dropped by tagger"] == decisions["dropped"]
    assert stats.time_stats.total > 0 and stats.time_stats.n_tasks == 2


def test_figures_read_from_files_add_up_to_the_same(two_tasks, tmp_path):
    """As datatrove's command merge_stats adds those of the jobs of a cluster."""
    _, _, stats = two_tasks
    files = sorted((tmp_path / "logs/stats").glob("*.json"))
    merged = sum((PipelineStats.from_json(json.loads(file.read_text())) for file in files), PipelineStats())
    assert len(files) == 2 and merged.stats[1].name == stats.name == "🔻 - FILTER: prox"
    assert totals(merged.stats[1]) == totals(stats)


def test_its_programs_are_those_of_prox_execute(two_tasks, tmp_path, pages, monkeypatch):
    """A table made of nothing but the metadata gives the same text again, without the refiner."""
    passed, excluded, _ = two_tasks
    columns = {"prox_text_sha256": "text_sha256", "prox_program": "program", "prox_decision": "decision"}
    table = [
        {"id": row["id"], **{column: row["metadata"][key] for key, column in columns.items()}}
        for row in [*passed.values(), *excluded.values()]
    ]
    (tmp_path / "programs").mkdir()
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "programs/part-000000.parquet")
    monkeypatch.setattr(
        sys, "argv", ["prox", "execute", str(pages), str(tmp_path / "programs"), str(tmp_path / "again")]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    again = pq.read_table(tmp_path / "again/text").to_pylist()
    assert {row["id"]: row["text"] for row in again} == {id: row["text"] for id, row in passed.items()}


def test_stored_programs_of_a_run_give_the_text_of_that_run(tmp_path, pages):
    refine_corpus(Recipe(input=(str(pages),), output=str(tmp_path / "run")))
    stats = run(tmp_path, pages, ProxRefiner(f"stored:{tmp_path}/run/programs"))
    text = pq.read_table(tmp_path / "run/text").to_pylist()
    assert {row["id"]: row["text"] for row in text} == {id: row["text"] for id, row in rows(tmp_path / "out").items()}
    assert totals(stats)["total"] == len(ALL)


def test_what_a_document_has_no_program_for_is_quarantined_with_its_raw_text(tmp_path, pages):
    refine_corpus(Recipe(input=(str(pages / "0.jsonl"),), output=str(tmp_path / "run")))
    step = ProxRefiner(f"stored:{tmp_path}/run/programs", exclusion_writer=JsonlWriter(str(tmp_path / "excluded")))
    stats = run(tmp_path, pages, step)
    held = {id: row for id, row in rows(tmp_path / "excluded").items() if id.startswith("1-")}
    assert {row["metadata"]["filter_reason"] for row in held.values()} == {"no stored program for this id"}
    assert {id: row["text"] for id, row in held.items()} == {row["id"]: row["text"] for row in RECORDS[1]}
    assert totals(stats)["decision_quarantined"] == totals(stats)["dropped_no stored program for this id"] == 150


def test_the_parquet_writer_keeps_all_that_it_adds(tmp_path, pages):
    """That writer takes its columns from the first document, and fails where a later one has others."""
    excluded = ParquetWriter(str(tmp_path / "excluded"), batch_size=7)
    pipeline = [
        JsonlReader(str(pages)),
        ProxRefiner(exclusion_writer=excluded),
        ParquetWriter(str(tmp_path / "out"), batch_size=7),
    ]
    LocalPipelineExecutor(pipeline, tasks=1, logging_dir=str(tmp_path / "logs")).run()
    passed = list(ParquetReader(str(tmp_path / "out"))())
    dropped = list(ParquetReader(str(tmp_path / "excluded"))())
    assert len(passed) + len(dropped) == len(ALL)
    keys = {"prox_decision", "prox_program", "prox_text_sha256"}
    assert all(isinstance(each.metadata[key], str) for each in passed for key in keys | {"prox_reason"})
    assert all(isinstance(each.metadata[key], str) for each in dropped for key in keys | {"filter_reason"})


@pytest.mark.parametrize("level", ["document", "chunk"])
def test_a_level_and_a_threshold_are_those_of_prox_refine(level):
    texts = [record["text"] for record in RECORDS[0]]
    fields = {"level": level, "keep_threshold": 0.9 if level == "document" else None}
    expected = [each.text for each in prox.refine(texts, **fields) if each.text is not None]
    assert [each.text for each in ProxRefiner(**fields)(documents(texts))] == expected


@pytest.mark.parametrize("copy", [pickle, dill], ids=["pickle", "dill"])
def test_it_can_be_pickled_before_and_after_work(copy):
    step = ProxRefiner()
    for _ in range(2):
        step = copy.loads(copy.dumps(step))
        assert [each.id for each in step(documents([page(0), page(3)]))] == ["d0"]


def test_no_refiner_is_loaded_before_the_first_document(monkeypatch):
    monkeypatch.setattr("prox.integrations.datatrove.load_stages", lambda recipe: 1 / 0)
    step = ProxRefiner()
    assert list(step([])) == []
    with pytest.raises(ZeroDivisionError):
        list(step(documents(["a text"])))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"refiner": "taggr"}, 'Did you mean "tagger"'),
        ({"refiner": "tagger:x"}, "there is no tagger at x"),
        ({"refiner": "stored"}, "needs the folder of programs"),
        ({"refiner": "openai:model"}, "a server needs a model and an address"),
        ({"refiner": "vllm:model", "family": "prx"}, "prx"),
        ({"refiner": ["tagger"] * 3}, "one refiner for all levels"),
        ({"refiner": ["tagger", "tagger"], "level": "chunk"}, "two refiners, but only the chunk level"),
        ({"keep_threshold": 2}, "keep_threshold: "),
        ({"refiner": "stored:x", "keep_threshold": 0.5}, "stored programs keep their decisions"),
        ({"level": "line"}, "level: "),
        ({"on_failure": "ignore"}, "on_failure: "),
        ({"uncertain": "0.2..0.8"}, "uncertain needs two refiners"),
        ({"constrain": True}, "is no language model"),
        ({"engine_options": {"concurrency": 4}}, "is no language model"),
    ],
)
def test_a_wrong_argument_fails_at_once(arguments, message):
    with pytest.raises(prox.UsageError, match=re.escape(message)):
        ProxRefiner(**arguments)


def test_documents_without_a_usable_text_are_quarantined_and_harm_no_other(tmp_path):
    broken = [None, "", "a lone \ud800 surrogate", 7]
    texts = [page(0), *broken, page(1)]
    step = ProxRefiner(level="chunk", exclusion_writer=JsonlWriter(str(tmp_path)))
    passed = list(step(documents(texts)))
    assert [each.id for each in passed] == ["d0", "d5"]
    held = [(row.get("text"), row["metadata"]["filter_reason"]) for row in rows(tmp_path).values()]
    assert held == [
        (None, "no text: it is NoneType"),
        (None, "no text: it is empty"),
        ("a lone \\ud800 surrogate", "lone surrogate: the text is not Unicode"),
        ("7", "no text: it is int"),
    ]
    assert totals(step.stats)["decision_quarantined"] == totals(step.stats)["dropped"] == 4


def test_a_document_of_which_nothing_is_left_does_not_pass(tmp_path):
    text = "Log in | Sign up"
    sha = hashlib.sha256(text.encode()).hexdigest()
    row = {"id": "d0", "text_sha256": sha, "decision": "edited", "program": "remove_lines(0, 0)"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "part-0.parquet")
    excluded = Excluded()
    assert list(ProxRefiner(f"stored:{tmp_path}", exclusion_writer=excluded)(documents([text]))) == []
    (document,) = excluded.documents
    assert (document.text, document.metadata["filter_reason"]) == (text, "no text is left")


@pytest.mark.parametrize("data", [None, []])
def test_without_documents_it_gives_none(data):
    assert list(ProxRefiner()(data)) == []


def test_it_streams():
    """No more documents are taken than one batch needs."""
    taken = []

    def source():
        for document in documents([page(number) for number in range(400)]):
            taken.append(document.id)
            yield document

    step = ProxRefiner(level="chunk")(source())
    next(step)
    assert len(taken) <= 64


def test_numbers_as_ids_find_their_stored_programs(tmp_path):
    pages = tmp_path / "pages.jsonl"
    pages.write_text("".join(json.dumps({"id": n, "text": page(n)}) + "\n" for n in range(8)))
    refine_corpus(Recipe(input=(str(pages),), output=str(tmp_path / "run")))
    step = ProxRefiner(f"stored:{tmp_path}/run/programs")
    assert [each.id for each in step([Document(page(n), n) for n in range(8)])] == [0, 1, 2, 4, 5, 6]


def test_secrets_of_a_server_stay_out_of_what_datatrove_writes(tmp_path):
    step = ProxRefiner("openai:model@http://me:hush@127.0.0.1:9/v1?key=hush")
    executor = LocalPipelineExecutor([step], tasks=1, logging_dir=str(tmp_path))
    executor.save_executor_as_json()
    written = (tmp_path / "executor.json").read_text()
    assert "openai:model@http://127.0.0.1:9/v1" in written and "hush" not in written


class Useless:
    """Stands for a language model whose answers never come."""

    level, window, fingerprint = Level.CHUNK, None, "useless"

    def refine(self, chunks):
        return [Draft(Program(), errors=("timeout: 60 s",)) for _ in chunks]


def test_a_model_whose_programs_are_of_no_use_fails_the_task(monkeypatch):
    stages = [Stage("useless", Useless(), language_model=True)]
    monkeypatch.setattr("prox.integrations.datatrove.load_stages", lambda recipe: stages)
    pages = [page(0)] * 40
    with pytest.raises(prox.RunError, match="32 of the first 32 programs of useless"):
        list(ProxRefiner()(documents(pages)))
    step = ProxRefiner(most_unusable=1)
    assert {each.metadata["prox_reason"] for each in step(documents(pages))} == {"timeout: 60 s"}
    figures = totals(step.stats)
    assert figures["forwarded"] == figures["forwarded_timeout"] == figures["programs_unusable"] == 40


def test_what_a_model_failed_on_can_be_quarantined(monkeypatch):
    stages = [Stage("useless", Useless(), quarantines=True, language_model=True)]
    monkeypatch.setattr("prox.integrations.datatrove.load_stages", lambda recipe: stages)
    excluded = Excluded()
    step = ProxRefiner(most_unusable=1, on_failure="quarantine", exclusion_writer=excluded)
    assert list(step(documents([page(0)]))) == []
    (document,) = excluded.documents
    assert (document.text, document.metadata["filter_reason"]) == (page(0), "timeout: 60 s")
    assert document.metadata["prox_decision"] == "quarantined"


def test_a_model_behind_a_server_can_be_the_second_refiner():
    """What it answers well is edited, what it fails on is quarantined, and its tokens are counted."""
    pytest.importorskip("httpx", reason="the engine openai needs httpx: pip install 'prox-refine[openai]'")
    from faulty_server import FaultyServer

    excluded = Excluded()
    pages = [page(0), page(1), page(3), page(2)]
    with FaultyServer(answer=lambda prompt: "Sure!" if "1902" in prompt else "remove_lines(0, 0)") as server:
        step = ProxRefiner(
            ["tagger", f"openai:small@{server.url}"],
            engine_options={"attempts": 1, "timeout": 5},
            on_failure="quarantine",
            most_unusable=1,
            exclusion_writer=excluded,
        )
        passed = list(pickle.loads(pickle.dumps(step))(documents(pages[:2])))
        assert [each.text for each in passed] == [text.partition("\n")[2] for text in pages[:2]]
        passed = list(step(documents(pages)))
        close_engines()
    assert [each.id for each in passed] == ["d0", "d1"]
    assert {each.id: each.metadata["prox_decision"] for each in excluded.documents} == {
        "d2": "dropped",
        "d3": "quarantined",
    }
    figures = totals(step.stats)
    assert figures["tokens_in"] > 0 and figures["tokens_out"] > 0 and figures["programs_unusable"] == 1
    assert figures["dropped_the output is no program"] == 1


def test_it_uses_one_thread_and_gives_the_others_back(monkeypatch):
    """Two tasks on two cores, each with two threads for small matrices, were five to eight times as slow."""

    def threads():
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    seen = set()

    class Watcher(Useless):
        def refine(self, chunks):
            seen.update(threads())
            return super().refine(chunks)

    monkeypatch.setattr("prox.integrations.datatrove.load_stages", lambda recipe: [Stage("watcher", Watcher())])
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        for _ in ProxRefiner()(documents([page(0)])):
            assert threads() == before
    assert seen <= {1}


def blocks():
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs/datatrove.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_pipeline_of_the_documentation_runs_as_it_stands(tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "pipeline.py").write_text(blocks()[0], encoding="utf-8")
    subprocess.run([sys.executable, "pipeline.py"], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    names = [json.loads(line)["id"] for line in (ROOT / "examples/pages.jsonl").read_text("utf-8").splitlines()]
    passed, excluded = rows(tmp_path / "datatrove-output/refined"), rows(tmp_path / "datatrove-output/excluded")
    assert sorted([*passed, *excluded]) == sorted(names) and passed and excluded

    (tmp_path / "tables.py").write_text(blocks()[2], encoding="utf-8")
    subprocess.run([sys.executable, "tables.py"], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    again = ["execute", "examples/pages.jsonl", "datatrove-output/programs", "again", "--workers", "0"]
    subprocess.run([sys.executable, "-m", "prox", *again], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    texts = pq.read_table(tmp_path / "again/text").to_pylist()
    assert {row["id"]: row["text"] for row in texts} == {id: row["text"] for id, row in passed.items()}


def test_the_executor_for_slurm_can_be_pickled_with_it(tmp_path, monkeypatch):
    """The job of a cluster does nothing else than load this file and run a task of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    code = (
        "\n".join(blocks()[:2]).replace(".run()", "").replace("    SlurmPipelineExecutor(", "    executor = Executor(")
    )
    names = {"__name__": "__main__", "Executor": SlurmPipelineExecutor}
    exec(code, names)
    step = dill.loads(dill.dumps(names["executor"], fmode=dill.CONTENTS_FMODE)).pipeline[1]
    assert [each.id for each in step.run(documents([page(0)]))] == ["d0"]
