"""What refining costs, stage by stage: read from the `run.json` of a run, or reckoned from a few figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import orjson

from prox.corpora import open_file_system
from prox.errors import UsageError
from prox.pretrain.flops import refining_flops
from prox.refiners.language_model.loading import ENGINES
from prox.runs.costs import inference_flops
from prox.runs.record import RUN_FILE

TOKENS_A_WORD = 1.3
"""About, in English text with a vocabulary of 32,000: a run counts words of its text, training counts tokens."""

_MOST_BYTES = 64 * 2**20
"""More has no `run.json`; a corpus that was named by mistake is not read whole."""

_FOREIGN = "It is not from a prox refine, or was changed by hand; name the OUTPUT of a run"


@dataclass(frozen=True, slots=True)
class StageFlops:
    """What one stage cost.

    Attributes:
        name: The spec of its refiner, or what its figures are about.
        level: `document` or `chunk`; `one pass` where one reads all text.
        tokens: Read and written by its language model.
        parameters: Of that model, without embeddings.
        flops: None where no language model was at work, or its tokens were not counted.
        seconds: In which it had work; None if nobody measured.
        note: What the figures leave out; "" if there is nothing to say.
    """

    name: str
    level: str
    tokens: int
    parameters: int | None
    flops: int | None
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Refining:
    """What refining a corpus cost, or would.

    Attributes:
        text_tokens: Of the refined text, about; at most as many where only figures are known.
        status: Of the run, in the words of `run.json`; "" if there is none.
        share: Of the input that is done.
    """

    stages: tuple[StageFlops, ...]
    text_tokens: int
    status: str = ""
    share: float = 1.0

    @property
    def flops(self) -> int | None:
        """Of all stages whose FLOPs are counted; None if there is none."""
        counted = [stage.flops for stage in self.stages if stage.flops is not None]
        return sum(counted) if counted else None

    @property
    def seconds(self) -> float | None:
        measured = [stage.seconds for stage in self.stages if stage.seconds is not None]
        return sum(measured) if measured else None


def reckon(raw_tokens: int, kept: Fraction | None, parameters: int) -> Refining:
    """Refining with one model: both passes, or one over all text if `kept` is None.

    Args:
        kept: Share of the raw tokens in documents that the document stage keeps.
    """
    if kept is None:
        flops, _ = refining_flops(parameters, raw_tokens)
        return Refining((StageFlops("all text", "one pass", raw_tokens, parameters, flops),), raw_tokens)
    after = round(raw_tokens * kept)
    first, second = refining_flops(parameters, raw_tokens, after)
    return Refining(
        (
            StageFlops("all text", "document", raw_tokens, parameters, first),
            StageFlops("what it keeps", "chunk", after, parameters, second),
        ),
        after,
    )


def read_run(path: str, parameters: int | None = None) -> Refining:
    """What a run says it cost so far.

    Args:
        path: Its output folder, or the `run.json` in it.
        parameters: Of language models whose size the run does not know.

    Raises:
        UsageError: It is no record of a run, or says nothing of a size that is needed.
    """
    where, record = _record(path)
    costs = _costs(where, record)
    stages = tuple(_stage(where, number, cost, parameters) for number, cost in enumerate(costs, 1))
    if parameters is not None and not any(
        stage.tokens and cost.get("parameters") is None for stage, cost in zip(stages, costs, strict=True)
    ):
        raise UsageError(
            f"{where} has no language model of unknown size: leave out --refiner-parameters, or leave out the run and "
            "give --raw-tokens"
        )
    words, share = _count(where, "words_after", record.get("words_after")), record.get("share")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise UsageError(f'{where} is no record of a run: its "share" is {share!r:.80}. {_FOREIGN}')
    status = record.get("status")
    if not isinstance(status, str) or not status:
        raise UsageError(f'{where} is no record of a run: its "status" is {status!r:.80}. {_FOREIGN}')
    return Refining(stages, round(words * TOKENS_A_WORD), status, share)


def _record(path: str) -> tuple[str, dict[str, Any]]:
    """The path of a `run.json`, and what it holds."""
    fs, inner = open_file_system(path)
    where = path
    if fs.isdir(inner):
        where, inner = f"{path.rstrip('/')}/{RUN_FILE}", f"{inner.rstrip('/')}/{RUN_FILE}"
    if not fs.isfile(inner):
        raise UsageError(f"{path} holds no run (no {RUN_FILE}). Name the OUTPUT of a prox refine, or its {RUN_FILE}")
    if (fs.size(inner) or 0) > _MOST_BYTES:
        raise UsageError(f"{where} is too long for the record of a run. {_FOREIGN}")
    data = fs.cat_file(inner)
    if not data.strip():
        raise UsageError(f"{where} is empty: {_FOREIGN}")
    try:
        record = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{where} is no JSON ({error}). {_FOREIGN}") from error
    if not isinstance(record, dict):
        raise UsageError(f"{where} is no record of a run. {_FOREIGN}")
    return where, record


def _costs(where: str, record: dict[str, Any]) -> Sequence[dict[str, Any]]:
    costs = record.get("costs")
    if not isinstance(costs, list) or not all(isinstance(cost, dict) for cost in costs):
        raise UsageError(f'{where} is no record of a run: it has no "costs". {_FOREIGN}')
    return costs


def _stage(where: str, number: int, cost: dict[str, Any], parameters: int | None) -> StageFlops:
    """A stage with its FLOPs, and a word about what they leave out."""
    name, level, seconds = (cost.get(key) for key in ("stage", "level", "seconds"))
    if not isinstance(name, str) or not isinstance(level, str):
        raise UsageError(f"{where} is no record of a run: stage {number} of its costs has no name. {_FOREIGN}")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise UsageError(f"{where} is no record of a run: stage {number} took {seconds!r:.80} seconds. {_FOREIGN}")
    tokens_in, tokens_out = (_count(where, key, cost.get(key)) for key in ("tokens_in", "tokens_out"))
    tokens, written = tokens_in + tokens_out, cost.get("parameters")
    size = parameters if written is None else _count(where, "parameters", written, least=1)
    kinds = [spec.partition(":")[0] for spec in name.split(" | ")]
    if not tokens and kinds[-1] not in ENGINES:
        return StageFlops(name, level, 0, None, None, seconds, _NOT_COUNTED.get(kinds[-1], _OTHER))
    if not tokens and cost.get("programs"):
        return StageFlops(name, level, 0, size, None, seconds, "nobody counted its tokens")
    if tokens and size is None:
        raise UsageError(
            f"{where} does not know the size of the model of {name!r:.200}. Give its parameters without embeddings: "
            "--refiner-parameters 0.31B"
        )
    note = ""
    if len(kinds) > 1:
        note = _CASCADE if kinds[0] in ENGINES else "its first refiner is no language model: not counted"
    return StageFlops(name, level, tokens, size, inference_flops(size or 0, tokens_in, tokens_out), seconds, note)


_OTHER = "no language model: not counted, only its seconds"
_NOT_COUNTED = {"stored": "replayed: what its programs cost stands in the run.json of the run that wrote them"}
_CASCADE = "two language models in a row: all counted tokens as if of the second; what the first read too is left out"


def _count(where: str, name: str, value: object, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f'{where} is no record of a run: its "{name}" is {value!r:.80}, and not a count. {_FOREIGN}')
    return value
