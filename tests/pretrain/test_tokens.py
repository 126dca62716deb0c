"""A corpus in tokens: what stands in the file, and in which order it is read."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs the extra pretrain")

import prox
from prox.corpora import open_file_system
from prox.errors import UsageError
from prox.pretrain import tokens as module
from prox.pretrain.corpus import open_corpus
from prox.pretrain.tokenizer import train_bpe
from prox.pretrain.tokens import open_sequences, write_tokens
from prox.runs.recipe import make_recipe
from prox.runs.refine import refine_corpus


@pytest.fixture(scope="module")
def encoder():
    return train_bpe(["The river crosses the valley, and moss covers a stone wall."] * 9, 280)


def documents(folder, encoder):
    """What stands in the file, as texts."""
    ids = np.fromfile(folder / "tokens.bin", np.uint16)
    text = encoder.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text.split(encoder.tokenizer.eos_token)


def read_all(path):
    return [json.loads(line)["text"] for line in Path(path).read_text().splitlines()]


def test_documents_stand_one_after_another_with_an_end_of_a_text_behind_each(corpus, encoder, tmp_path):
    counts = write_tokens(tmp_path / "tokens", open_corpus([corpus]), encoder, 16, 10**9, seed=0)
    assert documents(tmp_path / "tokens", encoder) == [*read_all(corpus), ""]
    assert counts["documents"] == 300 and counts["read_to_the_end"] is True
    assert counts["tokens"] * 2 == (tmp_path / "tokens/tokens.bin").stat().st_size


def test_sequences_cover_the_corpus_and_foretell_every_token_once(corpus, encoder, tmp_path):
    counts = write_tokens(tmp_path / "tokens", open_corpus([corpus]), encoder, 16, 10**9, seed=0)
    sequences = open_sequences(tmp_path / "tokens", 16, 10**9, seed=3)
    assert sequences.count == (counts["tokens"] - 1) // 16
    rows = sequences.at(np.arange(sequences.count))
    whole = np.fromfile(tmp_path / "tokens/tokens.bin", np.uint16)[: sequences.count * 16 + 1]
    in_order = rows[np.argsort(module.shuffled(np.arange(sequences.count), sequences.count, 3, 0))]
    assert np.array_equal(in_order[:, :-1].ravel(), whole[:-1]) and np.array_equal(in_order[:, 1:].ravel(), whole[1:])
    assert not np.array_equal(rows, in_order)


def test_a_corpus_is_repeated_in_another_order(corpus, encoder, tmp_path):
    write_tokens(tmp_path / "tokens", open_corpus([corpus]), encoder, 64, 10**9, seed=0)
    sequences = open_sequences(tmp_path / "tokens", 64, 10**9, seed=0)
    first, second = (sequences.at(np.arange(sequences.count) + epoch * sequences.count) for epoch in range(2))
    assert not np.array_equal(first, second)
    assert sorted(map(bytes, first)) == sorted(map(bytes, second))
    across = sequences.at(np.arange(sequences.count - 2, sequences.count + 2))
    assert np.array_equal(across, np.concatenate([first[-2:], second[:2]]))


def test_no_more_is_read_than_is_needed(corpus, encoder, tmp_path):
    counts = write_tokens(tmp_path / "tokens", open_corpus([corpus]), encoder, 16, 1000, seed=0)
    assert counts["tokens"] == 1000 and not counts["read_to_the_end"]
    assert open_sequences(tmp_path / "tokens", 16, 50, seed=0).count == 50


def test_the_order_of_files_follows_from_the_seed_alone(encoder, tmp_path):
    for number in range(8):
        with gzip.open(tmp_path / f"{number}.jsonl.gz", "wt") as file:
            file.write(json.dumps({"text": f"The river {number}"}) + "\n")
    orders = []
    for number, seed in enumerate((0, 0, 1)):
        write_tokens(tmp_path / f"out/{number}", open_corpus([f"{tmp_path}/*.gz"]), encoder, 4, 10**6, seed)
        orders.append(documents(tmp_path / f"out/{number}", encoder))
    assert orders[0] == orders[1] != orders[2] and sorted(orders[0]) == sorted(orders[2])


def test_what_is_missing_after_an_interruption_is_read_and_nothing_twice(encoder, tmp_path, monkeypatch):
    for number in range(6):
        (tmp_path / f"{number}.jsonl").write_text(
            "".join(json.dumps({"text": f"The river {number} {line}"}) + "\n" for line in range(50)) + "{broken\n"
        )
    corpus = open_corpus([f"{tmp_path}/*.jsonl"])
    whole = write_tokens(tmp_path / "whole", corpus, encoder, 4, 10**9, seed=5)
    monkeypatch.setattr(module, "_KEEP_SECONDS", 0.0)
    monkeypatch.setattr(module, "texts", interrupted(module.texts, after=4))
    with pytest.raises(KeyboardInterrupt):
        write_tokens(tmp_path / "parts", corpus, encoder, 4, 10**9, seed=5)
    monkeypatch.undo()
    with (tmp_path / "parts/tokens.bin").open("ab") as file:
        file.write(b"half of a piece")  # that a kill leaves behind
    again = write_tokens(tmp_path / "parts", corpus, encoder, 4, 10**9, seed=5)
    assert {**again, "seconds": 0} == {**whole, "seconds": 0} and whole["quarantined"] == {"invalid JSON": 6}
    for name in ("parts", "whole"):
        assert len(documents(tmp_path / name, encoder)) == 301
    assert (tmp_path / "parts/tokens.bin").read_bytes() == (tmp_path / "whole/tokens.bin").read_bytes()


def interrupted(texts, after):
    read = []

    def until(piece, counts):
        read.append(piece)
        if len(read) > after:
            raise KeyboardInterrupt
        return texts(piece, counts)

    return until


def test_a_vocabulary_beyond_16_bits_is_kept_whole(write_jsonl, tmp_path):
    from tokenizers import Tokenizer, models

    from prox.pretrain.tokenizer import load_tokenizer

    words = {f"w{number}": number for number in range(70_000)} | {"</s>": 70_000, "[UNK]": 70_001}
    tokenizer = Tokenizer(models.WordLevel(words, "[UNK]"))
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.save(str(tmp_path / "words.json"))
    corpus = open_corpus([write_jsonl("words.jsonl", *({"text": f"w{number}"} for number in (69_999, 3)))])
    large = load_tokenizer(str(tmp_path / "words.json"))
    write_tokens(tmp_path / "tokens", corpus, large, 2, 100, seed=0)
    assert np.fromfile(tmp_path / "tokens/tokens.bin", np.uint32).tolist() == [69_999, 70_000, 3, 70_000]


def test_records_that_cannot_be_read_are_counted_and_the_others_are_taken(write_jsonl, encoder, tmp_path):
    path = write_jsonl(
        "mixed.jsonl", {"text": "The river"}, "{", {"text": 5}, {"other": "x"}, "[1]", {"text": ""}, {"text": "a\0b"}
    )
    counts = write_tokens(tmp_path / "tokens", open_corpus([path]), encoder, 4, 100, seed=0)
    assert documents(tmp_path / "tokens", encoder) == ["The river", "a\0b", ""]
    assert counts["quarantined"] == {"no text": 2, "invalid JSON": 1, "not an object": 1}
    assert (counts["documents"], counts["empty_documents"]) == (2, 1)


@pytest.mark.parametrize("records", [[], [{"text": ""}], [{"text": "short"}], ["{broken"]])
def test_a_corpus_of_less_than_a_sequence_is_refused(write_jsonl, encoder, tmp_path, records):
    path = write_jsonl("few.jsonl", *records)
    with pytest.raises(UsageError, match="not one sequence of 256"):
        write_tokens(tmp_path / "tokens", open_corpus([path]), encoder, 256, 1000, seed=0)


def test_a_corpus_without_a_text_field_says_which_fields_there_are(write_jsonl):
    with pytest.raises(UsageError, match="--text-field body"):
        open_corpus([write_jsonl("pages.jsonl", {"body": "a long text", "url": "x"})])
    assert open_corpus([write_jsonl("pages.jsonl", {"body": "a long text"})], text_field="body").files


def test_the_texts_of_a_refined_corpus_are_read_from_its_output_folder(encoder, tmp_path):
    pages = tmp_path / "pages.jsonl"
    menu = "Home | About | Contact | Log in\n"
    text = "The river crosses the valley, and on its way it covers a stone wall that nobody remembers. " * 4
    pages.write_text("".join(json.dumps({"id": str(n), "text": menu + text}) + "\n" for n in range(20)))
    refine_corpus(make_recipe(input=[str(pages)], output=str(tmp_path / "refined"), workers=0, stages=["tagger"]))
    for given in ("refined", "refined/", "refined/text"):
        corpus = open_corpus([f"{tmp_path}/{given}"])
        assert {file.path.split("/")[-2] for file in corpus.files} == {"text"}
    write_tokens(tmp_path / "tokens", corpus, encoder, 16, 10**9, seed=0)
    refined = [result.text for result in prox.refine([menu + text] * 20)]
    assert documents(tmp_path / "tokens", encoder) == [*refined, ""] and menu not in refined[0]


def test_a_corpus_may_lie_on_any_file_system(encoder, tmp_path):
    fs, path = open_file_system("memory://corpus/pages.jsonl")
    fs.pipe_file(path, b'{"text": "The river"}\n' * 3)
    write_tokens(tmp_path / "tokens", open_corpus(["memory://corpus"]), encoder, 4, 100, seed=0)
    assert documents(tmp_path / "tokens", encoder) == ["The river"] * 3 + [""]
