"""What can be said of a model by its files alone: its tokenizer, its size, and a fingerprint of its weights."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from prox.errors import UsageError
from prox.refiners.language_model.tokens import ModelTokens

EDGE = 65_536
"""Bytes at each end of a weights file that its fingerprint covers: the header with all shapes, and the last tensors."""

_WEIGHTS = ("*.safetensors", "*.gguf", "*.bin")
_READ_WHOLE = ("config.json", "tokenizer.json")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer.tiktoken", "vocab.json", "spiece.model", "*.gguf")

LONGEST = 300
"""Characters of a cause that an error shows."""

_UNCLEAR = (LookupError, AttributeError, TypeError, AssertionError, json.JSONDecodeError)
"""What these say means little without their names."""

_PYDANTIC_HEAD = re.compile(r"^\d+ validation errors? for ")
_PYDANTIC_TAIL = re.compile(r"\s*\[type=\w+, input_value=.*$")


def check_files(model: str) -> None:
    """What is meant as a local model has to be one; a name on the hub is not looked up.

    Raises:
        UsageError: There is no such file or folder, or the folder holds no model.
    """
    path = Path(model)
    if model.endswith(".gguf"):
        if not path.is_file():
            raise UsageError(f"there is no file {model}")
    elif path.is_dir():
        if not (path / "config.json").is_file():
            if (path / "model" / "config.json").is_file():
                raise UsageError(f"the folder {model} is of a training; its model is in {path / 'model'}: name that")
            raise UsageError(
                f"the folder {model} holds no model that can be loaded: it has no config.json. Name the folder of a "
                "model as transformers saves it, or a .gguf file"
            )
    elif path.exists():
        raise UsageError(f"{model} is a file; name the folder of the model, or a .gguf file")
    elif not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", model):
        raise UsageError(f"there is no folder {model}, and it cannot be the name of a model on the hub either")


def load_tokens(model: str, revision: str | None) -> tuple[ModelTokens, Any]:
    """The model's tokenizer, for counting and as transformers knows it.

    Args:
        model: A local folder, a GGUF file, or a name on the hub.
        revision: Of the name on the hub.

    Raises:
        UsageError: It is missing, or is not a fast one.
    """
    check_files(model)
    path = Path(model)
    if path.is_dir() and not any(any(path.glob(pattern)) for pattern in _TOKENIZERS):
        raise UsageError(
            f"{model} has no tokenizer (tokenizer.json); copy the one of its base model into the folder, with "
            "tokenizer_config.json and special_tokens_map.json if there are any"
        )
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise UsageError(
            f"the tokenizer of {model} needs transformers ({essence(error)}): pip install 'prox-refine[transformers]'"
        ) from error
    name, options = named_for_transformers(model, revision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
    except ImportError as error:
        raise UsageError(f"the tokenizer of {model} needs another package: {essence(error)}") from error
    except Exception as error:  # a broken tokenizer.json raises a bare Exception
        if path.exists():
            raise UsageError(
                f"the tokenizer of {model} cannot be read: {essence(error)}. Copy tokenizer.json of its base model"
            ) from error
        wanted = model if revision is None else f"{model}@{revision}"
        raise UsageError(
            f"{wanted} is no folder here and cannot be fetched from the hub: {essence(error)}. Check the name, the "
            "connection, and your token if the model is not open; or download it and name its folder"
        ) from error
    if not getattr(tokenizer, "is_fast", False):
        raise UsageError(
            f"the tokenizer of {model} is a slow one, which cannot say where its tokens lie in a text. Put a "
            "tokenizer.json of the same vocabulary into the folder"
        )
    return ModelTokens(tokenizer.backend_tokenizer), tokenizer


def named_for_transformers(model: str, revision: str | None) -> tuple[str, dict[str, str]]:
    """What `from_pretrained` wants as a name, and beside it."""
    if model.endswith(".gguf"):
        path = Path(model)
        return str(path.parent), {"gguf_file": path.name}
    return model, {} if revision is None else {"revision": revision}


def parameters_without_embeddings(config: Any) -> int | None:
    """All parameters but the matrix of input embeddings, which is looked up and not multiplied with.

    Args:
        config: As transformers knows it. No weight is loaded.

    Returns:
        None if transformers cannot build such a model.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM

        factory: Any = AutoModelForCausalLM
        with torch.device("meta"):
            model = factory.from_config(config, trust_remote_code=False)
        embeddings = model.get_input_embeddings().weight.numel()
        return int(sum(each.numel() for each in model.parameters()) - embeddings)
    except Exception:  # a model's own code may raise anything, and a cost that is not known stops nobody
        return None


def weights_fingerprint(model: str, revision: str | None) -> str:
    """Tells models apart without reading them whole.

    Of a local model: the names and sizes of its files, config and tokenizer, and both ends of its weights. Of a name
    on the hub: the name, its revision, and the commit that the local cache holds of it.
    """
    path = Path(model)
    if path.is_dir():
        names = {*_READ_WHOLE} | {each.name for pattern in _WEIGHTS for each in path.glob(pattern)}
        return _fingerprint([path / name for name in sorted(names) if (path / name).is_file()])
    if path.is_file():
        return _fingerprint([path])
    commit = _cached_commit(model, revision)
    return f"{model}@{revision or 'main'}" + (f":{commit}" if commit and commit != revision else "")


def _fingerprint(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode("utf-8", "surrogatepass"))
        with file.open("rb") as content:
            if file.name in _READ_WHOLE or size <= 2 * EDGE:
                digest.update(content.read())
            else:
                digest.update(content.read(EDGE))
                content.seek(-EDGE, 2)
                digest.update(content.read())
    return digest.hexdigest()[:16]


def _cached_commit(model: str, revision: str | None) -> str | None:
    try:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(model, "config.json", revision=revision)
    except (ImportError, ValueError, OSError):
        return None
    return Path(found).parent.name if isinstance(found, str) else None


def essence(error: BaseException) -> str:
    """What an exception says, in one line: libraries add lines of context and advice that mean nothing here."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and _PYDANTIC_HEAD.match(lines[0]):
        end = next((place for place, line in enumerate(lines) if _PYDANTIC_TAIL.search(line)), 1)
        text = ": ".join(lines[1 : end + 1]).removeprefix("Value error, ")
        text = _PYDANTIC_TAIL.sub("", text)
    elif len(lines) > 1 and lines[0].endswith(":"):
        text = f"{lines[0]} {lines[1]}"
    else:
        text = lines[0] if lines else ""
    if not text or isinstance(error, _UNCLEAR):
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    return shortened(text)


def shortened(text: str) -> str:
    """A cause that fits an error message: as many sentences of it as do."""
    text = text.strip()
    if len(text) > LONGEST:
        sentences = text[:LONGEST].rpartition(". ")[0]
        text = sentences or text[:LONGEST] + " …"
    return text.rstrip(".")
