import pytest

pytest.importorskip("transformers", reason="needs the extra pretrain")

import numpy as np
from tiny_models import SENTENCES, make_tiny_llama

from prox.errors import UsageError
from prox.pretrain.tokenizer import END, bpe_size, load_tokenizer, train_bpe, train_tokenizer

HOSTILE = (
    f"A page about {END} and </s> and <s>.",
    "\0\0 nothing \0",
    "a\r\nb\u2028c\x0c",
    "Straße 价格 🦫 e\u0301",
    "   indented\n\n\n\ttabs ",
    END,
)


@pytest.fixture(scope="module")
def trained():
    return train_bpe(SENTENCES * 20, 320)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return str(make_tiny_llama(tmp_path_factory.mktemp("models") / "llama"))


def text_of(encoder, ids):
    return encoder.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_text_whatever_it_names(trained, llama, text):
    for encoder in (trained, load_tokenizer(llama)):
        (ids,) = encoder.encode([text])
        assert encoder.end not in ids and text_of(encoder, ids) == text


def test_the_saved_tokenizer_still_knows_its_control_tokens(trained, tmp_path):
    trained.encode(["text"])
    trained.tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    assert again.fingerprint == trained.fingerprint
    assert again.tokenizer(END).input_ids == [trained.end]


def test_training_gives_the_same_tokenizer_again(trained):
    assert train_bpe(SENTENCES * 20, 320).fingerprint == trained.fingerprint
    assert trained.size == 320


def test_a_bare_definition_is_enough(trained, tmp_path):
    trained.tokenizer.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = load_tokenizer(str(tmp_path / "tokenizer.json"))
    assert again.end == trained.end and np.array_equal(again.encode(["river"])[0], trained.encode(["river"])[0])


def test_a_document_of_ten_megabytes_is_encoded_to_its_end(trained):
    lengths = np.array([len(each) for each in trained.tokenizer.convert_ids_to_tokens(range(trained.size))])
    for text in ("the river bank. " * 620_000, "x" * 2_000_000):
        (ids,) = trained.encode([text])
        assert text_of(trained, ids[-1000:]) == text[-len(text_of(trained, ids[-1000:])) :]
        assert lengths[ids].sum() == len(text)


def test_empty_texts_have_no_tokens(trained):
    assert [len(each) for each in trained.encode(["", "a", ""])] == [0, 1, 0]


@pytest.mark.parametrize(("spec", "size"), [("bpe:4096", 4096), ("BPE:300", 300), ("gpt2", None), ("a/bpe", None)])
def test_a_size_is_told_from_a_name(spec, size):
    assert bpe_size(spec) == size


@pytest.mark.parametrize("spec", ["bpe:", "bpe:small", "bpe:256", "bpe:-5", "bpe:99999999"])
def test_a_size_that_is_none_is_refused(spec):
    with pytest.raises(UsageError, match="Write bpe:4096"):
        bpe_size(spec)


def test_what_is_no_tokenizer_is_refused(tmp_path):
    (tmp_path / "broken.json").write_text("{}")
    for name in (tmp_path / "broken.json", tmp_path):
        with pytest.raises(UsageError, match="cannot be loaded"):
            load_tokenizer(str(name))


def test_a_tokenizer_without_an_end_of_a_text_is_refused(tmp_path):
    from tokenizers import Tokenizer, models

    Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, "[UNK]")).save(str(tmp_path / "words.json"))
    with pytest.raises(UsageError, match="no token that ends a text"):
        load_tokenizer(str(tmp_path / "words.json"))


def test_a_tokenizer_that_takes_text_for_its_end_is_refused(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"</s>": 0, "[UNK]": 1}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "words.json"))
    with pytest.raises(UsageError, match="takes the text </s> for its end"):
        load_tokenizer(str(tmp_path / "words.json"))


def test_one_tokenizer_is_trained_for_several_corpora(write_jsonl, tmp_path):
    one = write_jsonl("one.jsonl", *[{"text": "glacier " * 50}] * 20)
    two = write_jsonl("two.jsonl", *[{"text": "moss " * 50}] * 20)
    encoder = train_tokenizer([[one], [two]], 300, str(tmp_path / "shared"))
    assert [len(each) for each in encoder.encode([" glacier", " moss"])] == [1, 1]
    assert load_tokenizer(str(tmp_path / "shared")).fingerprint == encoder.fingerprint


def test_a_corpus_without_text_trains_no_tokenizer(write_jsonl):
    with pytest.raises(UsageError, match="no text to train a tokenizer on"):
        train_tokenizer([[write_jsonl("empty.jsonl", {"text": ""})]], 300)
