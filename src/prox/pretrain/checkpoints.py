"""All that a training needs to go on, in folders that appear whole or not at all."""

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from torch.distributed import checkpoint
from torch.distributed.checkpoint import CheckpointException
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

from prox.corpora import sync_folder
from prox.errors import RunError
from prox.pretrain import devices

_STATE = "state.json"


def last_checkpoint(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The last checkpoint and what was saved with it. A folder of this name is whole."""
    steps = {int(path.name.removeprefix("step-")): path for path in folder.glob("step-*") if path.suffix != ".tmp"}
    if not steps:
        return None
    last = steps[max(steps)]
    return last, json.loads((last / _STATE).read_text(encoding="utf-8"))


def save(
    folder: Path, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]
) -> None:
    """Save a checkpoint and remove those before it. All processes call this.

    Raises:
        RunError: The disk is full, for example.
    """
    path = folder / f"step-{step:08d}"
    temporary = folder / f"{path.name}.tmp"
    if devices.is_main():
        for left in folder.glob("*.tmp"):
            shutil.rmtree(left)
        temporary.mkdir(parents=True)
    devices.wait_for_all()
    weights, moments = get_state_dict(model, optimizer)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one process saves alone
            checkpoint.save({"model": weights, "optimizer": moments}, checkpoint_id=temporary)
    except (Exception, CheckpointException) as error:  # of many kinds, of which torch's own is no Exception
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunError(
            f"the checkpoint of step {step:,} cannot be written into {folder}: {_cause(error)}. Make room and run the "
            "same command again; it goes on from the checkpoint before"
        ) from error
    devices.wait_for_all()
    if devices.is_main():
        (temporary / _STATE).write_text(json.dumps({**state, "step": step}), encoding="utf-8")
        for file in temporary.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        sync_folder(str(temporary))
        temporary.rename(path)
        sync_folder(str(folder))
        for other in folder.glob("step-*"):
            if other != path:
                shutil.rmtree(other)
    devices.wait_for_all()


def load(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Bring model and optimizer into the state of a checkpoint. All processes call this.

    Raises:
        RunError: It cannot be read.
    """
    weights, moments = get_state_dict(model, optimizer)
    stored = {"model": weights, "optimizer": moments}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checkpoint.load(stored, checkpoint_id=path)
    except (Exception, CheckpointException) as error:  # as above
        raise RunError(f"the checkpoint {path} cannot be read: {_cause(error)}. Add --start-over") from error
    set_state_dict(model, optimizer, model_state_dict=stored["model"], optim_state_dict=stored["optimizer"])


def _cause(error: BaseException) -> str:
    if isinstance(error, CheckpointException):
        error = next(iter(error.failures.values()))[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{lines[0].strip()[:200]} (a full disk says so, too)"
