"""Figures for trackio or wandb, which are called alike."""

import contextlib
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prox.errors import UsageError

PROJECT = "prox-pretrain"


class Tracker:
    """One run of a training, named as its folder; a training that goes on goes on there, too."""

    def __init__(self, name: str, output: str, config: Mapping[str, Any]) -> None:
        """
        Raises:
            UsageError: The package is not installed.
        """
        try:
            self._module = importlib.import_module(name)
        except ImportError as error:
            raise UsageError(f"--track {name} needs {name} ({error}): pip install {name}") from error
        with contextlib.redirect_stdout(sys.stderr):  # they greet, and standard output is for figures
            self._module.init(project=PROJECT, name=Path(output).resolve().name, config=dict(config), resume="allow")

    def log(self, figures: Mapping[str, float]) -> None:
        """Figures of one step."""
        shown = {name: value for name, value in figures.items() if name != "step"}
        self._module.log(shown, step=int(figures["step"]))

    def close(self) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            self._module.finish()
