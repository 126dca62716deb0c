import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from prox.errors import UsageError
from prox.refiners.language_model.model_files import (
    EDGE,
    LONGEST,
    check_files,
    essence,
    load_tokens,
    named_for_transformers,
    parameters_without_embeddings,
    weights_fingerprint,
)


def copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def test_the_tokenizer_counts_and_decodes_as_the_model_does(tiny_llama: Path) -> None:
    tokens, tokenizer = load_tokens(str(tiny_llama), None)
    ids = tokens.encode("<s>The quick brown fox")
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == "The quick brown fox"
    assert tokens.special == ("</s>", "<s>")


def test_a_chat_template_comes_with_the_tokenizer(tiny_llama: Path, tiny_chat_llama: Path) -> None:
    assert load_tokens(str(tiny_llama), None)[1].chat_template is None
    assert load_tokens(str(tiny_chat_llama), None)[1].chat_template


def test_answers_are_told_apart_at_their_first_different_token(tiny_llama: Path) -> None:
    tokens, _ = load_tokens(str(tiny_llama), None)
    prompt = "The last line: "
    shared, (first, second) = tokens.diverging(prompt, ("keep_all()", "remove_lines()")) or ([], (0, 0))
    assert first != second
    assert tokens.encode(prompt + "keep_all()")[: len(shared) + 1] == [*shared, first]
    assert tokens.encode(prompt + "remove_lines()")[: len(shared) + 1] == [*shared, second]
    assert tokens.diverging(prompt, ("keep", "keep")) is None
    assert tokens.diverging(prompt, ("", "keep")) is None


@pytest.mark.parametrize(
    ("name", "advice"),
    [("nowhere/", "no folder"), ("./nowhere", "no folder"), ("a/b/c", "no folder"), ("nowhere.gguf", "no file")],
)
def test_what_is_no_model_here_and_cannot_be_one_on_the_hub_is_said_at_once(name: str, advice: str) -> None:
    with pytest.raises(UsageError, match=advice):
        load_tokens(name, None)


def test_a_folder_without_a_config_holds_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config\.json"):
        check_files(str(tmp_path))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match="is a file"):
        check_files(str(tmp_path / "notes.txt"))


def test_a_missing_tokenizer_is_named_and_where_to_get_it(tiny_llama: Path, tmp_path: Path) -> None:
    folder = copy(tiny_llama, tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"has no tokenizer \(tokenizer\.json\); copy the one of its base model"):
        load_tokens(str(folder), None)


def test_a_broken_tokenizer_is_named(tiny_llama: Path, tmp_path: Path) -> None:
    folder = copy(tiny_llama, tmp_path / "model")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be read"):
        load_tokens(str(folder), None)


def test_a_name_that_the_hub_does_not_give_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    hub = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"nobody/no-such-model@v1 is no folder here and cannot be fetched"):
        load_tokens("nobody/no-such-model", "v1")


def test_a_gguf_file_is_named_by_its_folder_and_itself() -> None:
    assert named_for_transformers("models/tiny.gguf", None) == ("models", {"gguf_file": "tiny.gguf"})
    assert named_for_transformers("who/tiny", "v2") == ("who/tiny", {"revision": "v2"})
    assert named_for_transformers("who/tiny", None) == ("who/tiny", {})


def test_a_gguf_file_brings_its_tokenizer(smollm2_file: Path) -> None:
    pytest.importorskip("gguf", reason="reading GGUF files needs the package gguf")
    tokens, tokenizer = load_tokens(str(smollm2_file), None)
    assert tokens.count("The capital of France is Paris.") == 7
    assert tokenizer.chat_template


def test_parameters_leave_the_input_embeddings_out(tiny_llama: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    expected = sum(each.numel() for each in model.parameters()) - model.get_input_embeddings().weight.numel()
    assert parameters_without_embeddings(AutoConfig.from_pretrained(tiny_llama)) == expected


def test_parameters_of_what_is_no_model_are_unknown() -> None:
    assert parameters_without_embeddings(object()) is None


def fake_model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}), encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}" * EDGE, encoding="utf-8")
    (folder / "model.safetensors").write_bytes(bytes(3 * EDGE))
    return folder


def change(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def test_a_fingerprint_is_that_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    first, second = fake_model(tmp_path / "a"), fake_model(tmp_path / "b")
    (second / "README.md").write_text("notes", encoding="utf-8")
    assert weights_fingerprint(str(first), None) == weights_fingerprint(str(second), None)


@pytest.mark.parametrize(
    ("name", "place"),
    [("config.json", 3), ("tokenizer.json", EDGE), ("model.safetensors", 0), ("model.safetensors", -1)],
)
def test_a_fingerprint_changes_with_what_it_covers(tmp_path: Path, name: str, place: int) -> None:
    folder = fake_model(tmp_path / "a")
    before = weights_fingerprint(str(folder), None)
    change(folder / name, place)
    assert weights_fingerprint(str(folder), None) != before


def test_a_fingerprint_changes_with_names_and_sizes(tmp_path: Path) -> None:
    folder = fake_model(tmp_path / "a")
    fingerprints = {weights_fingerprint(str(folder), None)}
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    fingerprints.add(weights_fingerprint(str(folder), None))
    (folder / "other.safetensors").write_bytes(bytes(4 * EDGE))
    fingerprints.add(weights_fingerprint(str(folder), None))
    assert len(fingerprints) == 3


def test_a_gguf_file_has_a_fingerprint_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(bytes(3 * EDGE))
    before = weights_fingerprint(str(file), None)
    change(file, -1)
    assert weights_fingerprint(str(file), None) != before


def test_a_name_on_the_hub_is_its_own_fingerprint_with_the_commit_that_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights_fingerprint("who/tiny", "v2").startswith("who/tiny@v2")
    if find_spec("huggingface_hub") is None:
        return
    import huggingface_hub.constants

    commit = "a" * 40
    cache = tmp_path / "models--who--tiny"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit, encoding="utf-8")
    (cache / "snapshots" / commit).mkdir(parents=True)
    (cache / "snapshots" / commit / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert weights_fingerprint("who/tiny", None) == f"who/tiny@main:{commit}"
    assert weights_fingerprint("who/tiny", commit) == f"who/tiny@{commit}"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such thing.\nAsk the forum."), "no such thing"),
        (KeyError("hidden_size"), "KeyError: 'hidden_size'"),
        (RuntimeError(""), "RuntimeError"),
        (RuntimeError("Errors in loading:\n\tsize mismatch for a"), "Errors in loading: size mismatch for a"),
        (
            ValueError("1 validation error for C\n  Value error, is odd [type=value_error, input_value=1]\n    See x"),
            "is odd",
        ),
        (
            ValueError("1 validation error for C\nsize\n  should be a number [type=int_parsing, input_value='x']\n  x"),
            "size: should be a number",
        ),
        (ValueError("Not supported. Supported are: " + "Llama, " * 100), "Not supported"),
    ],
)
def test_the_essence_of_an_error_is_one_line(error: Exception, text: str) -> None:
    assert essence(error) == text


def test_a_long_cause_is_cut() -> None:
    assert len(essence(ValueError("x" * 5000))) <= LONGEST + 2


def test_the_folder_of_a_training_is_answered_with_that_of_its_model(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=rf"its model is in {tmp_path}/model: name that"):
        check_files(str(tmp_path))
