import json

import pytest

pytest.importorskip("transformers", reason="needs the extra transformers")

from pages import page
from test_examples import writer_for

from prox.adapt.language_model.exports import write_training_set
from prox.adapt.language_model.prompts import family_to_train, prompt_writer
from prox.adapt.language_model.training_set import training_set
from prox.errors import UsageError
from prox.refiners.draft import Level


def written(folder, tokens, form, writer=None):
    writer = writer or writer_for(tokens, window=400)
    examples = training_set([page(n) for n in range(6)], writer).examples
    write_training_set(folder, examples[:4], examples[4:], writer.family, form)
    lines = (folder / "train.jsonl").read_text().splitlines()
    assert len((folder / "validation.jsonl").read_text().splitlines()) == 2
    return examples, [json.loads(line) for line in lines]


@pytest.mark.parametrize("form", ["messages", "llama-factory"])
def test_conversations_end_with_the_program(tmp_path, tokens, form):
    examples, rows = written(tmp_path / "out", tokens, form)
    for example, row in zip(examples, rows, strict=False):
        assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
        assert row["messages"][1]["content"] == example.body
        assert row["messages"][2]["content"] == example.program
        assert row["site"] == example.site


def test_llama_factory_finds_its_description(tmp_path, tokens):
    written(tmp_path / "out", tokens, "llama-factory")
    info = json.loads((tmp_path / "out/dataset_info.json").read_text())
    assert info["prox_train"]["file_name"] == "train.jsonl" and info["prox_train"]["tags"]["role_tag"] == "role"


def test_rendered_prompts_are_what_the_model_will_be_asked(tmp_path, tokens):
    examples, rows = written(tmp_path / "out", tokens, "rendered")
    assert [(row["prompt"], row["completion"]) for row in rows] == [(e.prompt, e.program) for e in examples[:4]]


def test_a_published_family_keeps_its_marks_around_the_page_in_conversations(tmp_path, tokens):
    writer = prompt_writer(family_to_train(Level.CHUNK, "prox-chunk", None, None, None, None), tokens, 4096)
    _, rows = written(tmp_path / "out", tokens, "messages", writer)
    content = rows[0]["messages"][1]["content"]
    assert content.startswith("[doc]\n[000]Home") and content.endswith("\n[/doc]")


def test_a_training_set_is_not_written_over_another(tmp_path, tokens):
    written(tmp_path / "out", tokens, "messages")
    with pytest.raises(UsageError, match="holds a training set already"):
        written(tmp_path / "out", tokens, "messages")
    with pytest.raises(UsageError, match="choose one of messages, llama-factory, rendered"):
        written(tmp_path / "new", tokens, "alpaca")


def test_the_folder_of_a_model_is_left_alone(tmp_path, tokens):
    """The model's prox.json was overwritten, and it was asked in another way from then on."""
    (tmp_path / "prox.json").write_text("{}")
    with pytest.raises(UsageError, match="holds a model that was adapted"):
        written(tmp_path, tokens, "messages")
