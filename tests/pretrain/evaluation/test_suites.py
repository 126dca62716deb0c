import json

import pytest

pytest.importorskip("lm_eval")

from prox.errors import UsageError
from prox.pretrain.evaluation.suites import NAMES, OWN_TASKS, SUITES, own_tasks, suite_tasks
from prox.pretrain.evaluation.task_loading import _manager, load_task

AVAILABLE = [task for tasks in SUITES.values() for task in tasks if not task.unavailable]

EXAMPLES = {
    "prox_commonsense_qa": (
        {
            "question": "Where do fish live?",
            "choices": {"label": ["A", "B"], "text": ["sea", "oven"]},
            "answerKey": "B",
        },
        ("Where do fish live?", ["sea", "oven"], 1),
    ),
    "prox_social_iqa": (
        {"context": "Al fell.", "question": "Why?", "answerA": "ice", "answerB": "joy", "answerC": "sun", "label": "3"},
        ("Al fell. Why?", ["ice", "joy", "sun"], 2),
    ),
    "prox_winogrande": (
        {"sentence": "The cup beat the _ because it won.", "option1": "jug", "option2": "pot", "answer": "2"},
        ("The cup beat the", ["jug because it won.", "pot because it won."], 1),
    ),
    "prox_mmlu": (
        {"subject": "high_school_physics", "question": "What falls?", "choices": ["a", "b", "c", "d"], "answer": 2},
        ("The following are questions about high school physics.\nQuestion: What falls?\nAnswer:", list("abcd"), 2),
    ),
    "prox_svamp": (
        {"Body": "Ann has 3 pens.", "Question": "How many?", "Answer": "3.0"},
        ("Q: Ann has 3 pens. How many?\nA:", None, "3"),
    ),
    "prox_asdiv": (
        {"body": "Ann has 3 pens.", "question": "How many?", "answer": "3 (pens)"},
        ("Q: Ann has 3 pens. How many?\nA:", None, "3"),
    ),
    "prox_mawps": (
        {"question": "How many are 1 + 2?", "result": "3", "result_float": 3.0},
        ("Q: How many are 1 + 2?\nA:", None, "3"),
    ),
    "prox_mathqa": (
        {"Problem": "1 + 2 is", "options": "a ) 38 , b ) 27.675 , c ) 3", "correct": "c"},
        ("Q: 1 + 2 is\n(a) 38 (b) 27.675 (c) 3\nA: Let's think step by step.", None, "(c)"),
    ),
    "prox_sat_math": (
        {"query": "Q: 1 + 2? Answer Choices: (A)3 (B)4\nA: Among A through D, the answer is", "gold": [0]},
        ("Q: 1 + 2? Answer Choices: (A)3 (B)4\nA: Let's think step by step.", None, "(A)"),
    ),
}


@pytest.mark.parametrize("spec", AVAILABLE, ids=lambda spec: f"{spec.suite}-{spec.name}")
def test_every_task_of_a_suite_is_in_the_registry_of_lm_eval_where_it_is_looked_for(spec, monkeypatch):
    from prox.pretrain.evaluation import task_loading

    monkeypatch.setattr(task_loading, "_whole_registry", lambda: pytest.fail("not in the folder that is named"))
    for source in spec.sources:
        assert source in _manager(spec.folders, source).all_tasks


def test_the_suites_are_those_of_the_papers():
    assert [len(suite_tasks([name])) for name in NAMES] == [10, 16, 9]
    assert {task.shots for task in SUITES["prox"]} == {0}
    assert [task.name for task in suite_tasks(["math"]) if task.unavailable] == ["TabMWP"]
    with pytest.raises(UsageError, match='no suite "maths"; there are prox, data-selection, math'):
        suite_tasks(["maths"])


def test_a_suite_that_is_asked_for_twice_is_evaluated_once():
    assert suite_tasks(["prox", "prox"]) == suite_tasks(["prox"])


def test_all_own_task_files_have_an_example():
    assert sorted(EXAMPLES) == sorted(path.stem for path in OWN_TASKS.glob("*.yaml"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_own_task_files_ask_as_they_should(name, tmp_path, monkeypatch):
    import datasets

    record, (question, choices, target) = EXAMPLES[name]
    (tmp_path / "data.jsonl").write_text(json.dumps(record) + "\n")
    real = datasets.load_dataset

    def load(path, name=None, **_):
        local = real("json", data_files=str(tmp_path / "data.jsonl"), cache_dir=str(tmp_path / "cache"))["train"]
        return dict.fromkeys(("train", "validation", "test", "dev"), local)

    monkeypatch.setattr(datasets, "load_dataset", load)
    (spec,) = [spec for spec in [*SUITES["prox"], *SUITES["math"]] if spec.sources == (name,)]
    loaded = load_task(spec, None)
    (task,) = loaded.tasks.values()
    document = task.eval_docs[0]
    assert task.doc_to_text(document) == question
    assert task.doc_to_target(document) == target
    if choices is not None:
        assert task.doc_to_choice(document) == choices
        assert list(task.aggregation()) == ["acc", "acc_norm"]
    else:
        shots = task.get_config("num_fewshot")
        prompt = task.fewshot_context(document, shots)
        assert prompt.endswith(question) and prompt.count("The answer is") == shots > 0


def test_a_folder_of_tasks_is_read_without_the_parts_of_others(tasks):
    (tasks / "_part.yaml").write_text("output_type: multiple_choice")
    assert [spec.name for spec in own_tasks([str(tasks)])] == ["choose", "write"]


@pytest.mark.parametrize("given", ["nothing.yaml", "no/such/folder"])
def test_a_task_file_that_is_not_there_is_wrong_use(given):
    with pytest.raises(UsageError, match=r"there is no task file"):
        own_tasks([given])


def test_two_tasks_of_one_name_are_wrong_use(tasks):
    with pytest.raises(UsageError, match="two tasks are named"):
        own_tasks([str(tasks), str(tasks / "choose.yaml")])


def test_an_empty_folder_of_tasks_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="holds no task file"):
        own_tasks([str(tmp_path)])
