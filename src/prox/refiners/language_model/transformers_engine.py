"""The engine on Hugging Face transformers: one model in this process, on the CPU or one GPU."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from prox.errors import ProxError, RunError, UsageError
from prox.refiners.language_model.engine import Comparison, Completion, Request
from prox.refiners.language_model.model_files import (
    essence,
    named_for_transformers,
    parameters_without_embeddings,
    weights_fingerprint,
)
from prox.refiners.language_model.tokens import ModelTokens

BATCH_TOKENS = 16_384
"""Tokens of a batch with its padding and the room for new ones: what fits a small GPU beside a small model."""

_OPTIONS = ("device", "dtype", "batch_tokens", "attn_implementation", "trust_remote_code")

CLOSED = "the engine is closed"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request in tokens, with its place among the others."""

    place: int
    ids: list[int]
    request: Request


class TransformersEngine:
    """Batches by length, padded on the left; one batch at a time, whichever thread it is for."""

    def __init__(
        self,
        model: str,
        revision: str | None,
        tokens: ModelTokens,
        tokenizer: Any,
        options: Mapping[str, object],
        loaded: Any = None,
    ) -> None:
        """Load the model.

        Args:
            model: A local folder, a GGUF file, or a name on the hub.
            revision: Of the name on the hub.
            tokens: The model's tokenizer, for counting.
            tokenizer: The same, as transformers knows it.
            options: `device`, `dtype`, `batch_tokens`, `attn_implementation`, `trust_remote_code`.
            loaded: The model, where it is in memory already, as in training: it computes in bfloat16 then, whatever
                its weights are in.

        Raises:
            UsageError, RunError: It cannot be loaded.
        """
        for name in options:
            if name not in _OPTIONS:
                nearest = difflib.get_close_matches(name, _OPTIONS, 1) or _OPTIONS
                raise UsageError(f"the engine transformers has no option {name}; it has {', '.join(nearest)}")
        import torch

        self._torch = torch
        # One thread for all that the model does: each thread that computes brings a pool of its own, and pools that
        # take turns made the same work half as slow again on two cores.
        self._thread = ThreadPoolExecutor(1, "prox-transformers")
        self.tokens = tokens
        self._tokenizer = tokenizer
        device = options.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = options.get("dtype") or ("float32" if device == "cpu" else "auto")
        loading = {name: options[name] for name in ("attn_implementation", "trust_remote_code") if name in options}
        batch_tokens = options.get("batch_tokens", BATCH_TOKENS)
        if not isinstance(batch_tokens, int) or isinstance(batch_tokens, bool) or batch_tokens < 1:
            raise UsageError(f"the engine option batch_tokens must be a whole number above 0, not {batch_tokens!r}")
        if not isinstance(options.get("trust_remote_code", False), bool):
            raise UsageError("the engine option trust_remote_code must be true or false")
        self._batch_tokens = batch_tokens
        self._autocast = loaded is not None
        try:
            if loaded is None:
                loaded = self._thread.submit(_load, model, revision, dtype, loading, device).result()
            self._model = loaded
        except torch.cuda.OutOfMemoryError as error:
            raise RunError(f"{model} does not fit the memory of {device}: {essence(error)}") from error
        except Exception as error:  # a device that is not there is an AssertionError, and models bring code
            raise UsageError(f"cannot load the model {model}: {essence(error)}") from error
        config = self._model.config
        self.context: int | None = getattr(config, "max_position_embeddings", None)
        self.parameters = parameters_without_embeddings(config)
        of_weights = "in-memory" if self._autocast else weights_fingerprint(model, revision)
        self.fingerprint = f"transformers:{of_weights}:{self._model.dtype}".replace("torch.", "")
        ends = self._model.generation_config.eos_token_id
        ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
        self._ends = sorted({*ends, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])})
        padding = tokenizer.pad_token_id
        self._padding = padding if padding is not None else self._ends[0] if self._ends else 0
        self._closed = False
        self._grammars: Any = None

    def close(self) -> None:
        """A generation that is under way ends at its next token."""
        self._closed = True
        self._thread.shutdown(wait=False)

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        asked: list[_Asked] = []
        results = [Completion() for _ in requests]
        for place, request in enumerate(requests):
            ids = self.tokens.encode(request.begin + request.prompt)
            if self.context is not None and len(ids) + request.max_new_tokens > self.context:
                error = self._too_long(len(ids), request.max_new_tokens)
                results[place] = Completion(error=error, finish_reason="error", too_long=True)
            else:
                asked.append(_Asked(place, ids, request))
        for batch in self._batches(asked):
            self._in_turn(batch, self._complete, results, _failed_completion)
        return results

    def compare(self, requests: Sequence[Request], answers: Sequence[str]) -> list[Comparison]:
        asked: list[_Asked] = []
        diverging: dict[int, tuple[int, ...]] = {}
        results = [Comparison(error="the answers do not diverge in this model's tokens") for _ in requests]
        for place, request in enumerate(requests):
            found = self.tokens.diverging(request.begin + request.prompt, answers)
            if found is None:
                continue
            ids, diverging[place] = found
            if self.context is not None and len(ids) >= self.context:
                results[place] = Comparison(error=self._too_long(len(ids), 1), too_long=True)
            else:
                asked.append(_Asked(place, ids, request))

        def weigh(batch: Sequence[_Asked]) -> list[Comparison]:
            return self._weigh(batch, [diverging[each.place] for each in batch])

        for batch in self._batches(asked, new_tokens=False):
            self._in_turn(batch, weigh, results, lambda error: Comparison(error=error))
        return results

    def _too_long(self, tokens_in: int, tokens_out: int) -> str:
        return f"prompt too long: {tokens_in} tokens, {(self.context or 0) - tokens_out} fit the model"

    def _batches(self, asked: Sequence[_Asked], new_tokens: bool = True) -> Iterator[list[_Asked]]:
        """Longest first: neighbours in length share a batch, and if memory does not do, it shows at once."""
        batch: list[_Asked] = []
        width = 0
        for each in sorted(asked, key=lambda each: (-len(each.ids), each.place)):
            size = len(each.ids) + (each.request.max_new_tokens if new_tokens else 0)
            if batch and max(width, size) * (len(batch) + 1) > self._batch_tokens:
                yield batch
                batch, width = [], 0
            batch.append(each)
            width = max(width, size)
        if batch:
            yield batch

    def _in_turn(
        self,
        batch: Sequence[_Asked],
        work: Callable[[Sequence[_Asked]], list[Result]],
        results: list[Result],
        failed: Callable[[str], Result],
    ) -> None:
        """Work on a batch; one that fails is halved until what fails fails alone."""
        try:
            done = self._in_thread(work, batch)
        except ProxError:
            raise
        except Exception as error:  # a model's own code raises what it likes, and so does a GPU
            if self._torch.cuda.is_available():
                self._torch.cuda.empty_cache()
            if len(batch) == 1:
                results[batch[0].place] = failed(f"the engine failed: {essence(error)}")
                return
            middle = len(batch) // 2
            self._in_turn(batch[:middle], work, results, failed)
            self._in_turn(batch[middle:], work, results, failed)
            return
        for each, result in zip(batch, done, strict=True):
            results[each.place] = result

    def _in_thread(self, work: Callable[[Sequence[_Asked]], list[Result]], batch: Sequence[_Asked]) -> list[Result]:
        """Let the model's own thread do it.

        Raises:
            RunError: The engine is closed, or was meanwhile: what was generated is a stump.
        """
        if self._closed:
            raise RunError(CLOSED)
        try:
            done = self._thread.submit(self._without_gradients, work, batch).result()
        except (KeyboardInterrupt, SystemExit):
            self._closed = True  # else the end of the program would wait for the whole batch
            raise
        except RuntimeError:
            if self._closed:  # between the look above and now
                raise RunError(CLOSED) from None
            raise
        if self._closed:
            raise RunError(CLOSED)
        return done

    def _without_gradients(
        self, work: Callable[[Sequence[_Asked]], list[Result]], batch: Sequence[_Asked]
    ) -> list[Result]:
        computing = self._torch.autocast(self._model.device.type, self._torch.bfloat16, enabled=self._autocast)
        with self._torch.inference_mode(), computing:
            return work(batch)

    def _padded(self, batch: Sequence[_Asked]) -> tuple[Any, Any]:
        width = max(len(each.ids) for each in batch)
        gaps = [width - len(each.ids) for each in batch]
        rows = [[self._padding] * gap + each.ids for gap, each in zip(gaps, batch, strict=True)]
        masks = [[0] * gap + [1] * (width - gap) for gap in gaps]
        device = self._model.device
        return self._torch.tensor(rows, device=device), self._torch.tensor(masks, device=device)

    def _weigh(self, batch: Sequence[_Asked], diverging: Sequence[tuple[int, ...]]) -> list[Comparison]:
        ids, mask = self._padded(batch)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        logits = self._model(
            input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=False
        ).logits[:, -1]
        probabilities = self._torch.softmax(logits.float(), -1)
        return [
            Comparison(
                probabilities=tuple(float(probabilities[row, token]) for token in tokens), tokens_in=len(each.ids)
            )
            for row, (each, tokens) in enumerate(zip(batch, diverging, strict=True))
        ]

    def _complete(self, batch: Sequence[_Asked]) -> list[Completion]:
        ids, mask = self._padded(batch)
        most = max(each.request.max_new_tokens for each in batch)
        stops = sorted({stop for each in batch for stop in each.request.stop})
        constrained = [each.request.grammar for each in batch]
        options: dict[str, Any] = {"stop_strings": stops, "tokenizer": self._tokenizer} if stops else {}
        if any(constrained):
            from prox.refiners.language_model.constrained import Grammars

            if self._grammars is None:
                self._grammars = Grammars(self._tokenizer, self._model.config.vocab_size, self._ends)
            options["logits_processor"] = [self._grammars.processor(constrained, ids.shape[1])]
        out = self._model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            repetition_penalty=None,
            max_new_tokens=most,
            pad_token_id=self._padding,
            eos_token_id=self._ends or None,
            stopping_criteria=[self._stopped],
            **options,
        )
        return [self._completion(each, row) for each, row in zip(batch, out[:, ids.shape[1] :].tolist(), strict=True)]

    def _stopped(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        return self._torch.full((input_ids.shape[0],), self._closed, dtype=self._torch.bool, device=input_ids.device)

    def _completion(self, asked: _Asked, row: list[int]) -> Completion:
        request = asked.request
        ended = next((place for place, token in enumerate(row) if token in self._ends), None)
        written = row[: request.max_new_tokens] if ended is None else row[:ended]
        text: str = self._tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        finish = "length" if ended is None else "stop"
        if stops := [place for stop in request.stop if (place := text.find(stop)) >= 0]:
            text, finish = text[: min(stops)], "stop"
        tokens_out = len(written) + (ended is not None)
        return Completion(text, finish, tokens_in=len(asked.ids), tokens_out=tokens_out)


def _failed_completion(error: str) -> Completion:
    return Completion(error=error, finish_reason="error")


def _load(model: str, revision: str | None, dtype: object, options: Mapping[str, object], device: object) -> Any:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    name, named = named_for_transformers(model, revision)
    return AutoModelForCausalLM.from_pretrained(name, dtype=dtype, **named, **options).to(device).eval()
