import json
import time

import pytest

pytest.importorskip("lm_eval")

from prox.pretrain.evaluation import measuring
from prox.pretrain.evaluation.hub import hub_answers
from prox.pretrain.evaluation.suites import SUITES
from prox.pretrain.evaluation.task_loading import load_task


def report_of(prox, *arguments):
    code, out, err = prox("evaluate", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def row_of(report, name):
    (row,) = [row for row in report["rows"] if row["name"] == name]
    return row


def test_tasks_and_text_are_measured_and_models_compared(prox, models, tasks, text):
    report = report_of(prox, *models[:2], "--task", tasks, "--text", text)
    assert [model["letter"] for model in report["models"]] == ["A", "B"]
    choose, write, clean = (row_of(report, name) for name in ("choose", "write", "clean.jsonl"))
    assert (choose["metric"], write["metric"], clean["metric"]) == ("acc_norm", "exact_match", "bits_per_byte")
    assert (choose["higher_is_better"], clean["higher_is_better"]) == (True, False)
    assert [cell["items"] for cell in choose["models"] + clean["models"]] == [16, 16, 5, 5]
    for row in (choose, write, clean):
        values = [cell["value"] for cell in row["models"]]
        (apart,) = row["differences"]
        assert (apart["letter"], apart["less"], apart["unpaired"]) == ("B", "A", 0)
        assert apart["value"] == pytest.approx(values[1] - values[0])
    assert choose["models"][0]["value"] == choose["models"][0]["figures"]["acc_norm,none"]
    assert clean["differences"][0]["low"] <= clean["differences"][0]["value"] <= clean["differences"][0]["high"]
    assert clean["context"] == 64


def test_a_model_gets_the_same_figures_alone_and_after_another(prox, models, tasks):
    together = row_of(report_of(prox, *models[:2], "--task", tasks), "choose")["models"][1]
    alone = row_of(report_of(prox, models[1], "--task", tasks), "choose")["models"][0]
    assert (together["value"], together["figures"]) == (alone["value"], alone["figures"])


def test_bits_per_byte_are_those_of_the_function(prox, models, loaded, text):
    from prox.pretrain.evaluation import bits_per_byte

    texts = [json.loads(line)["text"] for line in text.read_text(encoding="utf-8").split("\n") if line]
    expected = bits_per_byte(*loaded, texts, 16).bits_per_byte
    report = report_of(prox, models[0], "--text", text, "--context", 16)
    assert report["rows"][0]["models"][0]["value"] == pytest.approx(expected)
    assert report["rows"][0]["models"][0]["figures"]["bytes"] == sum(len(each.encode()) for each in texts)


def test_what_is_done_is_not_done_again_and_comparisons_stay_paired(prox, models, tasks, text, tmp_path, monkeypatch):
    given = ("--task", tasks, "--text", text, "--output", tmp_path / "out")
    first = report_of(prox, models[0], *given)
    both = report_of(prox, *models[:2], *given)
    assert [cell["from_output"] for row in both["rows"] for cell in row["models"]] == [True, False] * 3
    monkeypatch.setattr(measuring, "load_model", lambda name: pytest.fail("a model was loaded"))
    again = report_of(prox, *models[:2], *given)
    for row, earlier, alone in zip(again["rows"], both["rows"], first["rows"], strict=True):
        assert row["differences"] == earlier["differences"]
        for name in ("value", "figures", "low"):
            assert row["models"][0][name] == alone["models"][0][name]
    assert json.loads((tmp_path / "out/evaluation.json").read_text())["rows"] == again["rows"]


def test_items_are_kept_one_a_line_with_what_was_written(prox, models, tasks, tmp_path):
    report_of(prox, models[0], "--task", tasks, "--output", tmp_path / "out")
    (path,) = (tmp_path / "out").glob("models/model-0-*/write-*.items.jsonl")
    items = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(items) == 3
    assert all(isinstance(item["answer"], str) and "exact_match" in item["metrics"] for item in items)


@pytest.mark.parametrize("change", ["data", "limit", "model", "cut off"])
def test_what_changed_is_measured_again(prox, models, tasks, tmp_path, change):
    given = ["--task", tasks / "choose.yaml", "--output", tmp_path / "out"]
    report_of(prox, models[0], *given)
    model = models[1] if change == "model" else models[0]
    if change == "data":
        data = tasks / "choose.jsonl"
        data.write_text(data.read_text().replace("Case 3", "Case 333"))
    elif change == "limit":
        given += ["--limit", 4]
    elif change == "cut off":
        (path,) = (tmp_path / "out").glob("models/*/choose-*.items.jsonl")
        path.write_bytes(path.read_bytes()[:-20])
    cell = report_of(prox, model, *given)["rows"][0]["models"][0]
    assert cell["from_output"] is False
    assert cell["items"] == (4 if change == "limit" else 16)


def test_a_suite_without_its_data_is_missing_by_name_with_no_mean_and_no_zero_and_fast(prox, models, tasks):
    begun = time.monotonic()
    report = report_of(prox, models[0], "--suite", "prox", "--task", tasks / "choose.yaml")
    assert time.monotonic() - begun < 60  # one data set alone takes 20 s of retries where the hub is not given up
    cells = {row["name"]: row["models"][0] for row in report["rows"]}
    assert cells.pop("choose")["value"] is not None
    assert len(cells) == 10
    for cell in cells.values():
        assert cell["value"] is None
        assert "is not in the local cache, and the hub cannot be reached" in cell["reason"]
    (suite,) = report["suites"]
    assert suite["tasks"] == 10
    assert suite["models"] == [{"letter": "A", "value": None, "scored": 0, "missing": list(cells)}]


def test_a_part_of_a_suite_gives_no_mean_and_all_of_it_does(prox, models, tasks, monkeypatch):
    from dataclasses import replace

    from prox.pretrain.evaluation import suites

    specs = [replace(spec, suite="small") for spec in suites.own_tasks([str(tasks)])]
    missing = replace(specs[0], name="gone", sources=(), unavailable="nobody has it")
    for extra in ([], [missing]):
        monkeypatch.setattr(suites, "SUITES", {"small": (*specs, *extra)})
        monkeypatch.setattr(suites, "NAMES", {"small": ("small",)})
        report = report_of(prox, *models[:2], "--suite", "small")
        (suite,) = report["suites"]
        values = [row["models"][1]["value"] for row in report["rows"]]
        if extra:
            assert suite["models"][1] == {"letter": "B", "value": None, "scored": 2, "missing": ["gone"]}
            assert suite["differences"] == []
        else:
            assert suite["models"][1]["value"] == pytest.approx(sum(values) / 2)
            assert suite["differences"][0]["value"] == pytest.approx(
                sum(row["differences"][0]["value"] for row in report["rows"]) / 2
            )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("broken", "task: broken\n  output_type: [", "not allowed"),
        ("empty", "", "dict"),
        (
            "nodata",
            "task: nodata\ndataset_path: json\ndataset_kwargs: {data_files: no.jsonl}\ntest_split: t",
            "no.jsonl",
        ),
        ("unsafe", None, "marked as unsafe"),
        ("raises", None, "undefined"),
    ],
)
def test_a_task_that_fails_is_named_and_the_others_are_measured(prox, models, tasks, name, content, reason):
    good = (tasks / "choose.yaml").read_text()
    if name == "unsafe":
        content = good.replace("task: choose", "task: unsafe\nunsafe_code: true")
    elif name == "raises":
        content = good.replace("task: choose", "task: raises").replace("{{question}}", "{{nobody}}")
    (tasks / f"{name}.yaml").write_text(content)
    report = report_of(prox, models[0], "--task", tasks)
    assert row_of(report, "choose")["models"][0]["value"] is not None
    cell = row_of(report, name)["models"][0]
    assert cell["value"] is None
    assert reason in cell["reason"]


def test_groups_are_compared_seed_by_seed(prox, models, text):
    raw, refined = ",".join(models[:2]), ",".join(models[2:])
    report = report_of(prox, "--group", f"raw={raw}", "--group", f"refined={refined}", "--text", text)
    (row,) = report["rows"]
    values = [cell["value"] for cell in row["models"]]
    assert [(each["letter"], each["less"]) for each in row["differences"]] == [("C", "A"), ("D", "B")]
    first, second = row["groups"]
    assert (first["group"], first["mean"]) == ("raw", pytest.approx((values[0] + values[1]) / 2))
    assert second["deviation"] == pytest.approx(abs(values[2] - values[3]) / 2**0.5)
    (apart,) = row["group_differences"]
    assert (apart["group"], apart["less"]) == ("refined", "raw")
    assert apart["mean"] == pytest.approx(second["mean"] - first["mean"])
    assert apart["low"] < apart["mean"] < apart["high"]


def test_the_tables_say_what_was_measured_and_what_not(prox, models, tasks, text):
    (tasks / "broken.yaml").write_text("task: broken\ndataset_path: nobody/has-this\ntest_split: test")
    groups = ("--group", f"raw={models[0]}", "--group", f"refined={models[1]}")
    code, out, err = prox("evaluate", *groups, "--task", tasks, "--text", text, "--limit", 5)
    assert code == 0
    for words in ("acc_norm", "bits_per_byte", "Over seeds", "refined", "only the first 5 items", "context of 64"):
        assert words in out
    assert "not measured: broken: no data: nobody/has-this is not in the local cache" in out
    assert "Running" not in err  # no progress bars in a log


def test_where_nothing_can_be_measured_the_run_has_failed(prox, models):
    code, out, err = prox("evaluate", models[0], "--task", "prox_mmlu")
    assert code == 1
    assert "nothing could be measured" in err
    assert "cais/mmlu" in out


def test_records_without_a_text_are_counted_and_the_rest_is_scored(prox, models, tmp_path):
    path = tmp_path / "rough.jsonl"
    path.write_bytes(b'{"text": "fox\\r\\n\\u0000 \\u2028"}\n{"text": 3}\n\xff\xfe\n{"text": "dog"}\n')
    cell = report_of(prox, models[0], "--text", path)["rows"][0]["models"][0]
    assert cell["items"] == 2
    assert cell["notes"] == ["2 records have no text that can be read"]


def test_text_without_a_byte_has_no_figure(prox, models, tmp_path):
    path = tmp_path / "empty.jsonl"
    path.write_text('{"text": ""}\n')
    code, out, _ = prox("evaluate", models[0], "--text", path)
    assert code == 1
    assert "there is no text" in out


def test_a_model_that_cannot_be_loaded_does_not_take_the_others_with_it(prox, models, text, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (broken / name).write_bytes((type(tmp_path)(models[0]) / name).read_bytes())
    report = report_of(prox, models[0], broken, "--text", text)
    good, bad = report["rows"][0]["models"]
    assert good["value"] is not None
    assert bad["value"] is None and "cannot load the model" in bad["reason"]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["--suite", "prox"], "name at least one model"),
        (["MODEL"], "nothing to evaluate on"),
        (["MODEL", "--suite", "maths"], "there are prox, data-selection, math"),
        (["MODEL", "--task", "no.yaml"], "there is no task file no.yaml"),
        (["MODEL", "--text", "no.jsonl"], "no.jsonl does not exist"),
        (["no/such/folder/here", "--suite", "prox"], "no/such/folder/here"),
        (["--group", "raw", "--suite", "prox"], "is not NAME=MODEL,MODEL"),
        (["--group", "a=x,x", "--suite", "prox"], "names a model twice"),
        (["--group", "a=x", "--group", "b=y,z", "--suite", "prox"], "as many models each; a has 1, b has 2"),
        (["--group", "a=x", "--group", "a=y", "--suite", "prox"], 'two groups "a"'),
    ],
)
def test_wrong_use_says_what_to_do(prox, models, arguments, advice):
    code, _, err = prox("evaluate", *[models[0] if each == "MODEL" else each for each in arguments])
    assert code == 2
    assert advice in err


def test_a_context_that_a_model_cannot_take_is_wrong_use(prox, models, text):
    code, _, err = prox("evaluate", models[0], "--text", text, "--context", 65)
    assert code == 2
    assert "can take 64 tokens at once, and not 65" in err


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch):
    import datasets
    import huggingface_hub.utils
    from huggingface_hub import constants

    asked = []

    class Session:
        def head(self, address, timeout):
            asked.append(address)
            raise OSError("no route")

    monkeypatch.setattr(huggingface_hub.utils, "get_session", Session)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    assert [hub_answers(), hub_answers()] == [False, False]
    assert asked == [constants.ENDPOINT]
    assert constants.HF_HUB_OFFLINE and datasets.config.HF_HUB_OFFLINE


def test_offline_each_task_is_given_up_at_once():
    assert hub_answers() is False
    begun = time.monotonic()
    reason = load_task(SUITES["prox"][0], None)
    assert reason == "no data: allenai/ai2_arc is not in the local cache, and the hub cannot be reached"
    assert time.monotonic() - begun < 15
