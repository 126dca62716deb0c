"""What a run says it cost, and what figures say it would."""

from fractions import Fraction

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.errors import UsageError
from prox.pretrain.refining import read_run, reckon

MODEL = {"stage": "vllm:some/model", "level": "document", "documents": 3, "programs": 3, "unusable": 0, "words": 900}
MODEL |= {"tokens_in": 2000, "tokens_out": 30, "seconds": 1.5, "parameters": 10**9, "flops": 1}
TAGGER = MODEL | {"stage": "tagger", "tokens_in": 0, "tokens_out": 0, "parameters": None, "flops": None}
RUN = {"status": "complete", "share": 1.0, "words_after": 1000, "costs": [MODEL]}


@pytest.fixture
def run(tmp_path):
    """An output folder with this in its run.json."""

    def write(record):
        data = record if isinstance(record, bytes) else orjson.dumps(record)
        (tmp_path / "run.json").write_bytes(data)
        return str(tmp_path)

    return write


def test_a_folder_and_its_file_say_the_same(run):
    folder = run(RUN)
    refining = read_run(folder)
    assert refining == read_run(f"{folder}/") == read_run(f"{folder}/run.json")
    assert refining.flops == 2 * 10**9 * 2030
    assert (refining.seconds, refining.text_tokens, refining.status) == (1.5, 1300, "complete")


def test_stages_add_up_and_a_tagger_is_not_counted_as_nothing(run):
    refining = read_run(run(RUN | {"costs": [TAGGER, MODEL | {"level": "chunk"}]}))
    tagger, model = refining.stages
    assert tagger.flops is None and "not counted" in tagger.note
    assert refining.flops == model.flops == 2 * 10**9 * 2030
    assert refining.seconds == 3.0
    assert read_run(run(RUN | {"costs": [TAGGER]})).flops is None


def test_a_run_of_which_nothing_is_done_has_no_stages(run):
    refining = read_run(run(RUN | {"costs": [], "status": "running", "share": 0, "words_after": 0}))
    assert (refining.flops, refining.seconds, refining.status, refining.share) == (None, None, "running", 0)


def test_replayed_programs_point_to_the_run_that_wrote_them(run):
    (stage,) = read_run(run(RUN | {"costs": [TAGGER | {"stage": "stored:other/programs"}]})).stages
    assert stage.flops is None and "run that wrote them" in stage.note


def test_a_model_that_was_asked_without_counting_is_unknown_and_one_that_was_not_asked_is_free(run):
    silent = MODEL | {"tokens_in": 0, "tokens_out": 0, "parameters": None}
    (stage,) = read_run(run(RUN | {"costs": [silent]})).stages
    assert stage.flops is None and "counted" in stage.note
    (stage,) = read_run(run(RUN | {"costs": [silent | {"programs": 0}]})).stages
    assert (stage.flops, stage.note) == (0, "")


def test_a_cascade_says_which_of_its_refiners_is_counted(run):
    (stage,) = read_run(run(RUN | {"costs": [MODEL | {"stage": "tagger | vllm:some/model"}]})).stages
    assert stage.flops == 2 * 10**9 * 2030 and "first refiner" in stage.note
    (stage,) = read_run(run(RUN | {"costs": [MODEL | {"stage": "vllm:a | vllm:b"}]})).stages
    assert "as if of the second" in stage.note


def test_the_size_of_a_model_behind_a_server_can_be_given(run):
    server = MODEL | {"stage": "openai:m@http://host/v1", "parameters": None, "flops": None}
    folder = run(RUN | {"costs": [MODEL, server]})
    with pytest.raises(UsageError, match=r"--refiner-parameters 0\.31B"):
        read_run(folder)
    known, given = read_run(folder, 5).stages
    assert (known.parameters, given.parameters, given.flops) == (10**9, 5, 2 * 5 * 2030)


def test_a_size_that_nobody_needs_is_refused(run):
    for costs in ([MODEL], [TAGGER], []):
        with pytest.raises(UsageError, match="leave out --refiner-parameters"):
            read_run(run(RUN | {"costs": costs}), 5)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b" \n",
        b"{",
        b"\xff\xfe",
        b"\0" * 10,
        b"[" * 5000,
        b"null",
        b"[]",
        b"{}",
        b'{"costs": [1]}',
        b'{"a": 1}\n{"a": 2}\n',
        {key: value for key, value in RUN.items() if key != "costs"},
        RUN | {"costs": {}},
        RUN | {"costs": [[]]},
        RUN | {"costs": [{}]},
        RUN | {"status": None},
        RUN | {"status": ""},
        RUN | {"share": "1"},
        RUN | {"share": 1.5},
        RUN | {"share": -0.1},
        RUN | {"share": True},
        RUN | {"words_after": -1},
        RUN | {"words_after": None},
        *(
            RUN | {"costs": [MODEL | wrong]}
            for wrong in (
                {"stage": None},
                {"level": 3},
                {"tokens_in": -5},
                {"tokens_in": 1.5},
                {"tokens_in": True},
                {"tokens_out": "7"},
                {"seconds": -1},
                {"seconds": None},
                {"parameters": 0},
                {"parameters": -7},
                {"parameters": 1.5},
                {"parameters": "0.3B"},
            )
        ),
        b'{"status": "complete", "share": 1, "words_after": 1e400, "costs": []}',
        b'{"status": "complete", "share": NaN, "words_after": 1, "costs": []}',
    ],
)
def test_what_is_no_record_of_a_run_is_refused_with_advice(run, record):
    with pytest.raises(UsageError, match=r"run\.json .*OUTPUT of a run"):
        read_run(run(record))


def test_a_corpus_named_by_mistake_is_not_read_whole(tmp_path):
    path = tmp_path / "pages.jsonl"
    with path.open("wb") as file:
        file.truncate(10**12)  # sparse: nobody could read it into memory
    with pytest.raises(UsageError, match="too long for the record of a run"):
        read_run(str(path))


def test_what_is_not_there_is_told(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "nowhere/run.json"):
        with pytest.raises(UsageError, match=r"Name the OUTPUT of a prox refine"):
            read_run(str(path))


@given(st.integers(1, 10**15), st.fractions(0, 1), st.integers(1, 10**12))
def test_two_passes_read_the_raw_tokens_and_what_was_kept(raw, kept, parameters):
    refining = reckon(raw, kept, parameters)
    assert refining.flops == 2 * parameters * (raw + round(raw * kept))
    assert [stage.level for stage in refining.stages] == ["document", "chunk"]
    assert reckon(raw, None, parameters).flops == 2 * parameters * raw


def test_keeping_all_is_twice_one_pass():
    assert reckon(1000, Fraction(1), 7).flops == 2 * reckon(1000, None, 7).flops
