"""One process a device, as `torchrun` and `accelerate launch` start them; without a launcher, this one.

The main process (rank 0) alone reads the corpus, writes and reports. Whatever a process fails at, its launcher ends the
others.
"""

import os
from datetime import timedelta

import torch

from prox.errors import UsageError

LONGEST_WAIT = timedelta(days=3)
"""How long processes wait for the main one, which turns the corpus into tokens, before they give up."""


def world() -> int:
    """The number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def rank() -> int:
    return int(os.environ.get("RANK") or 0) if world() > 1 else 0


def is_main() -> bool:
    """Whether this process is the one that writes and reports."""
    return rank() == 0


def sharded() -> bool:
    """Whether the launcher wants the model spread over the processes (FSDP), not copied to each (DDP)."""
    return world() > 1 and os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true", "yes")


def join() -> None:
    """Meet the other processes; without a launcher there are none, and nothing happens.

    Raises:
        UsageError: The launcher was told what is not known to work here.
    """
    for name in ("ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_MEGATRON_LM"):
        if os.environ.get(name, "").lower() in ("1", "true", "yes"):
            raise UsageError(
                "models are trained with DDP or FSDP, not with DeepSpeed or Megatron; see accelerate config"
            )
    if sharded() and os.environ.get("FSDP_VERSION", "1") != "2":
        raise UsageError(
            "set fsdp_version: 2 under fsdp_config in the file of accelerate config; torch gives up version 1"
        )
    if world() == 1 or torch.distributed.is_initialized():
        return
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK") or 0))
    # Who waits for the main process waits on the CPU: a GPU that does so computes at full power meanwhile.
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=LONGEST_WAIT)


def wait_for_all() -> None:
    """Go on when all processes have come here."""
    if world() > 1:
        torch.distributed.all_reduce(torch.zeros(1))  # on the CPU, see `join`


def leave() -> None:
    """Part from the others at the end, else torch complains."""
    if world() > 1:
        wait_for_all()
        torch.distributed.destroy_process_group()


def share_of(batch: int) -> int:
    """Sequences of a batch that are this process's.

    Raises:
        UsageError: They cannot be shared out equally.
    """
    if batch % world():
        near = [size for size in (batch - batch % world(), batch + world() - batch % world()) if size]
        raise UsageError(
            f"a batch of {batch:,} sequences cannot be shared equally by {world()} processes; take another number of "
            f"them, or --batch {' or '.join(map(str, near))}"
        )
    return batch // world()


def best_precision() -> str:
    """bf16 on GPUs that have it, fp32 elsewhere."""
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp32"
