"""Small labelled pages, and a model that has never seen one."""

from pathlib import Path
from typing import Any

import numpy as np

from prox.adapt.labels import LabelledPage
from prox.program import Program

SUBJECTS = ("carrots", "bridges", "lighthouses", "dough", "rivers", "owls", "clocks", "maps", "wool", "salt")


def page(number: int, **changes: Any) -> LabelledPage:
    """Line 0 is a menu, the rest is about something; every page is from a site of its own."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    text = f"Home | Log in\nPage {number} is about {subject}.\nIt was written for those who like {subject}."
    fields: dict[str, Any] = {
        "id": f"page-{number}",
        "source": "made",
        "site": f"site-{number}.example",
        "language": "en",
        "text": text,
        "labels": np.array([1, 0, 0]),
    }
    return LabelledPage(**{**fields, **changes})


def with_program(program: str, text: str) -> LabelledPage:
    lines = text.count("\n") + 1
    return page(0, text=text, labels=np.zeros(lines, int), program=Program.parse(program))


def make_blank_llama(folder: Path) -> Path:
    """The tiny model with weights that can learn: small ones."""
    from tiny_models import make_tiny_llama
    from transformers import AutoConfig, LlamaForCausalLM

    make_tiny_llama(folder, chat_template=True)
    config = AutoConfig.from_pretrained(folder)
    config.initializer_range = 0.05
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
