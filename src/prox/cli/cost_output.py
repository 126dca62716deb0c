"""What `prox cost` found, as JSON and as tables with a few plain words."""

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from prox.cli.tables import table_console
from prox.pretrain.flops import break_even, training_flops
from prox.pretrain.refining import TOKENS_A_WORD, Refining, StageFlops
from prox.readable import short
from prox.visible import visible

SHARES = (Fraction(1, 100), Fraction(1, 10), Fraction(1))
"""Of training, for which it is said where refining costs as much."""

_MOST_EPOCHS = 4
"""Text that is read more often teaches less than new text would (Muennighoff et al., arXiv 2305.16264)."""


@dataclass(frozen=True, slots=True)
class Given:
    """What is known beside refining; None where the user did not say.

    Attributes:
        parameters: Of the model to be trained, without embeddings.
        tokens: That it is trained on.
        saving: The share of training tokens that refined text saves at the same quality.
        flops_per_second: That a GPU really does.
        price_per_hour: Of a GPU.
        model: The name that stands for `parameters`.
    """

    parameters: int | None
    tokens: int | None
    saving: Fraction | None
    flops_per_second: Fraction | None
    price_per_hour: Fraction | None
    model: str | None

    @property
    def training(self) -> int | None:
        if self.parameters is None or self.tokens is None:
            return None
        return training_flops(self.parameters, self.tokens)

    def hours(self, flops: int) -> float | None:
        return None if self.flops_per_second is None else float(flops / self.flops_per_second / 3600)

    def price(self, flops: int) -> float | None:
        hours = self.hours(flops)
        return None if hours is None or self.price_per_hour is None else hours * float(self.price_per_hour)


def as_json(refining: Refining, given: Given) -> str:
    """FLOPs are exact integers, which may have more than 64 bits."""
    total, training, saving = refining.flops, given.training, given.saving
    stages = [
        {"stage": stage.name, "level": stage.level, "parameters": stage.parameters, "tokens": stage.tokens}
        | {"seconds": stage.seconds, "note": stage.note, **_money(stage.flops, given)}
        for stage in refining.stages
    ]
    return json.dumps(
        {
            "refining": {
                "stages": stages,
                "status": refining.status or None,
                "share_done": refining.share if refining.status else None,
                "seconds": None if refining.seconds is None else round(refining.seconds, 3),
                **_money(total, given),
            },
            "training": {"parameters": given.parameters, "tokens": given.tokens, **_money(training, given)},
            "both": _money(_sum(total, training), given),
            "refining_share_of_training": None if total is None or not training else total / training,
            "further_training_tokens": None if total is None else _even(total, given.parameters),
            "refined_tokens_about": refining.text_tokens,
            "epochs_about": _epochs(refining, given),
            "where_refining_is_a_share_of_training": [
                {"share": float(share), **_both_evens(total, given, share)} for share in SHARES
            ],
            "break_even": None
            if saving is None
            else {
                "saving": float(saving),
                **_both_evens(total, given, saving),
                "saved_flops": None if training is None else float(training * saving),
                "pays": None if training is None or total is None else training * saving >= total,
            },
        },
        indent=2,
    )


def _money(flops: int | None, given: Given) -> dict[str, Any]:
    if flops is None:
        return {"flops": None, "hours": None, "price": None}
    return {"flops": flops, "hours": given.hours(flops), "price": given.price(flops)}


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _even(flops: int | None, other: int | None, share: Fraction = Fraction(1)) -> int | None:
    return None if flops is None or other is None else break_even(flops, other, share)


def _both_evens(flops: int | None, given: Given, share: Fraction) -> dict[str, int | None]:
    """Tokens at the given size, and parameters at the given tokens."""
    return {"tokens": _even(flops, given.parameters, share), "parameters": _even(flops, given.tokens, share)}


def _epochs(refining: Refining, given: Given) -> float | None:
    """How often training reads the refined text, about."""
    return None if given.tokens is None or not refining.text_tokens else given.tokens / refining.text_tokens


def show(refining: Refining, given: Given) -> None:
    """Print tables and words to standard output."""
    console = table_console()
    console.print(_costs(refining, given))
    if refining.flops and (given.parameters or given.tokens):
        console.print(_shares(refining.flops, given))
    for line in (*_in_words(refining, given), *_about(refining, given)):
        console.print(Text(visible(line)), soft_wrap=not console.is_terminal)


def _costs(refining: Refining, given: Given) -> Table:
    right = ["parameters", "tokens", "FLOPs"]
    right += ["GPU hours"] if given.flops_per_second is not None else []
    right += ["price"] if given.price_per_hour is not None else []
    measured = ["seconds"] if refining.seconds is not None else []
    columns = [Column(name, justify="right") for name in right + measured]
    table = Table(Column("cost", overflow="fold"), *columns)

    def add(name: str, size: int | None, tokens: int | None, flops: int | None, seconds: float | None) -> None:
        cells = ["–" if each is None else short(each) for each in (size, tokens)]
        cells.append("–" if flops is None else f"{flops:.3g}")
        money = _money(flops, given)
        if given.flops_per_second is not None:
            cells.append("–" if money["hours"] is None else f"{money['hours']:,.4g}")
        if given.price_per_hour is not None:
            cells.append("–" if money["price"] is None else f"{money['price']:,.2f}")
        if measured:
            cells.append("" if seconds is None else f"{seconds:,.1f}")
        table.add_row(Text(visible(name)), *cells)

    for stage in refining.stages:
        add(_named(stage), stage.parameters, stage.tokens or None, stage.flops, stage.seconds)
    table.add_section()
    add("refining", None, sum(stage.tokens for stage in refining.stages) or None, refining.flops, refining.seconds)
    if given.training is not None:
        name = f"training {given.model.lower()}" if given.model else "training"
        add(name, given.parameters, given.tokens, given.training, None)
        add("both", None, None, _sum(refining.flops, given.training), None)
    return table


def _named(stage: StageFlops) -> str:
    return f"{stage.level}: {stage.name}"


def _shares(flops: int, given: Given) -> Table:
    """Beside how much training refining is how large."""
    table = Table(title="refining beside training", title_justify="left")
    table.add_column("refining is", justify="right")
    columns = [
        (
            f"of training {short(given.parameters)} parameters on" if given.parameters else "",
            given.parameters,
            "tokens",
        ),
        (f"of training on {short(given.tokens)} tokens" if given.tokens else "", given.tokens, "parameters"),
    ]
    for name, other, _ in columns:
        if other:
            table.add_column(name, justify="right")
    for share in SHARES:
        cells = [f"{short(break_even(flops, other, share))} {unit}" for _, other, unit in columns if other]
        table.add_row(f"{float(share):.0%}", *cells)
    return table


def _in_words(refining: Refining, given: Given) -> list[str]:
    """What the figures mean."""
    total, training, lines = refining.flops, given.training, list[str]()
    if refining.status not in ("", "complete"):
        whole = ""
        if total and refining.share:
            whole = f" In proportion, all of it would cost {total / refining.share:.3g} FLOPs."
        status = f'The run is not finished ("{refining.status}", {refining.share:.1%} of the input)'
        lines.append(f"{status}: these are its costs so far.{whole}")
    if total is None:
        lines.append("No FLOPs of refining are counted: nothing to set against training but the seconds it took.")
        if given.saving is not None and training:
            saved = float(training * given.saving)
            lines.append(f"{_percent(given.saving)} fewer training tokens would save {saved:.3g} FLOPs of training.")
    elif total and training:
        lines.append(f"Refining costs {_percent(Fraction(total, training))} of this training.")
    if total and given.parameters:
        lines.append(
            f"Its FLOPs would train the model on a further {short(break_even(total, given.parameters))} tokens."
        )
    if given.saving is not None and total:
        lines += _pays(total, given, given.saving, _epochs(refining, given))
    return lines


def _pays(total: int, given: Given, saving: Fraction, epochs: float | None) -> list[str]:
    lines = [f"If refined text gives the same quality with {_percent(saving)} fewer training tokens, refining pays"]
    if given.parameters:
        tokens = short(break_even(total, given.parameters, saving))
        lines.append(f"  from {tokens} tokens on for a model of {short(given.parameters)} parameters,")
    if given.tokens:
        parameters = short(break_even(total, given.tokens, saving))
        lines.append(f"  from {parameters} parameters on for {short(given.tokens)} tokens,")
    lines.append("  counted in tokens that training on raw text would take.")
    if (training := given.training) is not None:
        verdict = "it pays" if training * saving >= total else "it does not pay"
        if epochs is not None and epochs > _MOST_EPOCHS and verdict == "it pays":
            verdict += f", if text that is read {short(round(epochs))} times still saves as much"
        saved = float(training * saving)
        lines.append(f"Here it saves {saved:.3g} FLOPs of training and costs {total:.3g}: {verdict}.")
    return lines


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):.3g}%"


def _about(refining: Refining, given: Given) -> list[str]:
    """Of what the figures are, and what they leave out."""
    total, lines = refining.flops, list[str]()
    epochs = _epochs(refining, given)
    if epochs is not None and epochs > _MOST_EPOCHS and given.tokens:
        of_run = bool(refining.status)
        about = f"{short(refining.text_tokens)} tokens"
        about = f"about {about} ({TOKENS_A_WORD} a word)" if of_run else f"at most {about}"
        times = f"{'' if of_run else 'at least '}{short(round(epochs))} times"
        read = f"{short(given.tokens)} tokens of training read it {times}"
        enough = ""
        if total:
            enough = f"{total * epochs:.3g} FLOPs"
        elif refining.seconds:
            enough = f"{refining.seconds * epochs / 3600:.3g} hours of its work"
        more = f" Refining enough to read each token once: {enough}." if enough else ""
        lines.append(f"The refined text has {about}, so {read}.{more}")
    lines += [f"{_named(stage)}: {stage.note}." for stage in refining.stages if stage.note]
    if total and refining.seconds:
        lines.append(f"This run did {total / refining.seconds:.3g} FLOPs a second of work.")
    own = "work that was lost and done again" if refining.status else "prompts, line numbers and the programs it writes"
    lines.append(
        f"Left out: embeddings, attention's part that grows with the square of the context; of refining, {own}."
    )
    return lines
