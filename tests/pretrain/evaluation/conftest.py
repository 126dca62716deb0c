"""Tiny language models, made once for all tests here, and small tasks and texts."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")


SENTENCES = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "Researchers found that water on Mars was more common than they had thought.",
    "Die Straße war naß, und der Müller ging nach Hause. 价格 是 三 百 元。",
)

CONTEXT = 64


def make_model(folder, seed):
    """Save a Llama of two narrow layers with a byte-level BPE tokenizer, in float32."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    trained.train_from_iterator(SENTENCES, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=CONTEXT,
            initializer_range=0.3,  # else all tokens are about as probable, and a wrong sum could pass for a right one
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    ).to(torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folders of four models that differ in their seed alone."""
    root = tmp_path_factory.mktemp("models")
    return [make_model(root / f"model-{seed}", seed) for seed in range(4)]


@pytest.fixture(scope="session")
def loaded(models):
    """The first model and its tokenizer, in memory."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(models[0]).eval(), AutoTokenizer.from_pretrained(models[0])


CHOOSE = """\
task: choose
dataset_path: json
dataset_kwargs: {data_files: {test: choose.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: gold
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""

WRITE = """\
task: write
dataset_path: json
dataset_kwargs: {data_files: {test: write.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: answer
generation_kwargs: {until: ["\\n"], max_gen_toks: 4, do_sample: false}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """A folder with a task to choose an answer and one to write it; data sets are cached below it."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "tasks"
    folder.mkdir()
    answers = [["a fox", "the brown dog", "rivers and banks", "Mars"], ["water", "the lazy dog", "a house", "price"]]
    with (folder / "choose.jsonl").open("w") as file:
        for number in range(16):
            record = {"question": f"Case {number}: it was", "choices": answers[number % 2], "gold": number % 4}
            file.write(json.dumps(record) + "\n")
    with (folder / "write.jsonl").open("w") as file:
        for number in range(3):
            file.write(json.dumps({"question": f"{number} + {number}?", "answer": str(2 * number)}) + "\n")
    (folder / "choose.yaml").write_text(CHOOSE)
    (folder / "write.yaml").write_text(WRITE)
    return folder


@pytest.fixture
def text(tmp_path):
    """Clean documents: a long one, one of several bytes a character, an empty one, one with a control token's text."""
    path = tmp_path / "clean.jsonl"
    texts = [" ".join(SENTENCES) * 3, "Straße 价格", "", "a</s>b<s>", SENTENCES[0]]
    records = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    """Nothing here asks the hub, and what the verb tells libraries does not outlive a test."""
    import datasets
    from huggingface_hub import constants

    from prox.pretrain.evaluation import hub

    hub.hub_answers.cache_clear()
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TQDM_DISABLE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    yield
    hub.hub_answers.cache_clear()
