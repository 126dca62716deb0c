"""The model card of an adapted model."""

from collections.abc import Mapping
from typing import Any

from prox.refiners.draft import Level
from prox.refiners.language_model.families import Family


def model_card(name: str, family: Family, made: Mapping[str, Any]) -> str:
    """Markdown with the front matter of the hub."""
    data, settings = made["data"], made["settings"]
    level = str(family.level)
    what = (
        "decides whether a page is worth keeping"
        if family.level == Level.DOCUMENT
        else "writes programs that remove the noise from chunks of pages"
    )
    of_what = "keep" if family.level == Level.DOCUMENT else "noise-line"
    rows = "\n".join(
        f"| {title} | {_shown(made['before'].get(key))} | {_shown(made['scores'].get(key))} |"
        for key, title in (
            ("f1", f"{of_what} F1"),
            ("precision", "precision"),
            ("recall", "recall"),
            ("content_f1", "content-word F1"),
            ("auc", "AUC"),
            ("failure_ratio", "failure ratio"),
        )
        if key in made["scores"]
    )
    cut = f"{family.window} {family.window_unit}" if family.window else f"{family.most_document_tokens} tokens"
    return f"""---
base_model: {_one_line(made["base"])}
library_name: transformers
tags: [prox-refine, data-refinement]
---

# {_one_line(name)}

This model {what}. It was adapted from `{_one_line(made["base"])}` with prox-refine; `prox.json` beside the weights
says how it is asked, so it needs no further option:

```sh
prox refine INPUT OUTPUT --level {level} --refiner transformers:{_one_line(name)}
```

* programs: dialect `{family.dialect.name}`, window {cut}, at most {family.max_new_tokens} new tokens
* trained on {data["examples"]:,} examples from {data["training_documents"]:,} documents
  ({data["untouched_share"]:.0%} of them change nothing), split {data["split"]}
* {settings["epochs"]:g} epochs, batch {settings["batch"]}, learning rate {settings["learning_rate"]:g} to
  {settings["last_learning_rate"]:g}, loss on the program only

| on {data["validation_documents"]:,} validation documents, by generation | before | after |
| --- | --- | --- |
{rows}
{_WARNING if "calls_mean" not in made["scores"] else ""}
Scores are of documents that training did not see; what the labels are worth, and whose text it is, is not known here.
"""


_WARNING = """
**It wrote not one program that can be used. Do not refine with it.**
"""


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
