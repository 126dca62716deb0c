"""Training in several processes, as `torchrun` and `accelerate launch` start them: who works alone, who waits.

The main process (rank 0) alone writes, judges and reports; what it finds is told to the others, so that all take the
same turns. That is simpler than sharing the validation pages out, and the scores are the same with any number of
processes: a batch of other pages rounds otherwise. The price is that the other devices are idle meanwhile.
"""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch.utils.data import Sampler

from prox.errors import RunError, UsageError

LONGEST_WAIT = timedelta(hours=6)
"""How long processes wait for the main one, which may have thousands of pages to validate, before they give up."""

Result = TypeVar("Result")


def world() -> int:
    """The number of processes that train together; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def is_main() -> bool:
    """Whether this process is the one that writes and reports."""
    return world() == 1 or int(os.environ.get("RANK") or 0) == 0


def sharded() -> bool:
    """Whether the launcher wants the model spread over the processes (FSDP), not copied to each (DDP)."""
    return world() > 1 and _asked_for("ACCELERATE_USE_FSDP")


def checkpoints_activations() -> bool:
    """Whether FSDP itself computes activations anew in the backward pass; the trainer must not do so, too."""
    return sharded() and _asked_for("FSDP_ACTIVATION_CHECKPOINTING")


def arrangement() -> str:
    """What a checkpoint depends on: the number of processes, and whether they share one model."""
    return f"{world()}{', sharded' if sharded() else ''}"


def join() -> None:
    """Meet the other processes; without a launcher there are none, and nothing happens.

    Raises:
        UsageError: The launcher was told what is not known to work here.
    """
    if _asked_for("ACCELERATE_USE_DEEPSPEED") or _asked_for("ACCELERATE_USE_MEGATRON_LM"):
        raise UsageError("models are trained with DDP or FSDP, not with DeepSpeed or Megatron; run accelerate config")
    if world() == 1 and _asked_for("ACCELERATE_USE_FSDP"):
        raise UsageError("FSDP spreads a model over two processes or more (num_processes), and this is the only one")
    if sharded() and os.environ.get("FSDP_VERSION", "1") != "2":
        raise UsageError(
            "FSDP of version 1, which torch gives up, does not know frozen weights beside others: set fsdp_version: 2 "
            "under fsdp_config in the file of accelerate config"
        )
    if world() == 1 or torch.distributed.is_initialized():
        return
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(device())
    # Who waits for the main process waits on the CPU: a GPU that does so computes at full power meanwhile.
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=LONGEST_WAIT)


def leave() -> None:
    """Part from the others at the end, else torch complains."""
    if world() > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def device() -> torch.device:
    """Where this process computes: one GPU a process, the first one without a launcher."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK") or 0) if world() > 1 else 0)


def of_main(action: Callable[[], Result]) -> Result:
    """Let the main process do it, and give what it found to all.

    Args:
        action: Must not call the other processes. What it gives is pickled; it had better be small.

    Raises:
        Whatever `action` raises; in the other processes a UsageError or RunError with the same text.
    """
    if world() == 1:
        return action()
    told: list[Any] = [None, None]
    error: Exception | None = None
    if is_main():
        try:
            told[0] = action()
        except Exception as caught:  # the others would wait for ever
            error, told[1] = caught, (isinstance(caught, UsageError), f"{caught}" or type(caught).__name__)
    torch.distributed.broadcast_object_list(told, src=0)
    if error is not None:
        raise error
    if told[1] is not None:
        wrong_call, text = told[1]
        raise (UsageError if wrong_call else RunError)(text)
    return told[0]


def check_same(what: str, value: str) -> None:
    """All processes read the data themselves, and on several machines not from the same files perhaps.

    Raises:
        RunError: This process has found something else than the main one.
    """
    if of_main(lambda: value) != value:
        raise RunError(f"process {os.environ.get('RANK')} has other {what} than the main one; give all the same files")


class SameOrder(Sampler[int]):
    """An order of examples that the main process draws for all: each draws by chance, and would take other shares."""

    def __init__(self, order: Any) -> None:
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[int]:
        yield from of_main(lambda: list(self._order))


def _asked_for(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true", "yes")
