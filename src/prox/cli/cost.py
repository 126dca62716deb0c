"""`prox cost`: FLOPs of refining and of training, and when refining pays."""

import difflib
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from prox.cli.quantities import amount, count, share
from prox.errors import UsageError
from prox.pretrain.flops import PARAMETERS, PEAKS

if TYPE_CHECKING:
    from prox.pretrain.refining import Refining


def cost(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run of prox refine: its output folder, or its run.json.")
    ] = None,
    raw_tokens: Annotated[
        str | None, typer.Option(metavar="COUNT", help="Instead of RUN: tokens of the raw text, e.g. 60B, 26e9.")
    ] = None,
    kept: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="With --raw-tokens: the share of them that the document stage keeps for the chunk stage, e.g. 0.4. "
            "One pass over all text if not given.",
        ),
    ] = None,
    refiner_parameters: Annotated[
        str | None,
        typer.Option(
            metavar="COUNT",
            help="Parameters of the refining model without embeddings, e.g. 0.31B: with --raw-tokens, and where a RUN "
            "does not know them.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"The model to be trained: {', '.join(PARAMETERS)}.")
    ] = None,
    parameters: Annotated[
        str | None, typer.Option(metavar="COUNT", help="Or its parameters without embeddings, e.g. 0.7B.")
    ] = None,
    tokens: Annotated[
        str | None, typer.Option(metavar="COUNT", help="Tokens that it is trained on, repeated ones too, e.g. 26B.")
    ] = None,
    saving: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="The share of training tokens that refined text saves at the same quality, e.g. 0.2: says from where "
            "on refining pays.",
        ),
    ] = None,
    flops_per_second: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="FLOPs a second that a GPU really does, e.g. 120T: gives hours."),
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"Or a GPU ({', '.join(PEAKS)}), together with --utilisation.")
    ] = None,
    utilisation: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="The share of the GPU's bfloat16 peak that is reached, e.g. 0.4."),
    ] = None,
    price_per_hour: Annotated[
        str | None, typer.Option(metavar="PRICE", help="Of a GPU, in any currency: gives money.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Say what refining and training cost in FLOPs, and when refining pays.

    Training is reckoned as 6·N·D, refining as 2·N·tokens, N without embeddings. What refining costs comes from RUN, or
    from --raw-tokens, --kept and --refiner-parameters.

    Example: prox cost refined --model tlm-s --tokens 26B --saving 0.2
    """
    from prox.cli.cost_output import Given, as_json, show

    size = _size(model, parameters)
    speed = _speed(flops_per_second, gpu, utilisation)
    if price_per_hour is not None and speed is None:
        raise UsageError("--price-per-hour needs hours: give --flops-per-second, or --gpu with --utilisation")
    if saving is not None and size is None and tokens is None:
        raise UsageError("--saving is of a training: give --model or --parameters, --tokens, or both")
    given = Given(
        parameters=size,
        tokens=None if tokens is None else count("tokens", tokens),
        saving=None if saving is None else share("saving", saving, whole=False),
        flops_per_second=speed,
        price_per_hour=None if price_per_hour is None else amount("price-per-hour", price_per_hour),
        model=model,
    )
    refining = _refining(run, raw_tokens, kept, refiner_parameters)
    if json:
        typer.echo(as_json(refining, given))
    else:
        show(refining, given)


def _refining(run: str | None, raw_tokens: str | None, kept: str | None, parameters: str | None) -> "Refining":
    from prox.pretrain.refining import read_run, reckon

    size = None if parameters is None else count("refiner-parameters", parameters)
    if run is not None:
        if raw_tokens is not None or kept is not None:
            raise UsageError("a run knows its tokens: leave out --raw-tokens and --kept, or leave out RUN")
        return read_run(run, size)
    if raw_tokens is None:
        raise UsageError(
            "what does refining cost? Name the OUTPUT of a prox refine, or give figures: --raw-tokens 60B --kept 0.4 "
            "--refiner-parameters 0.31B"
        )
    if size is None:
        raise UsageError("--raw-tokens needs the size of the model that reads them: --refiner-parameters 0.31B")
    left = None if kept is None else share("kept", kept, whole=True)
    return reckon(count("raw-tokens", raw_tokens), left, size)


def _size(model: str | None, parameters: str | None) -> int | None:
    if model is None:
        return None if parameters is None else count("parameters", parameters)
    if parameters is not None:
        raise UsageError("--model and --parameters both say how large the model is: leave out one of them")
    return _named("model", model, PARAMETERS, "Give its size with --parameters 0.7B")


def _speed(flops_per_second: str | None, gpu: str | None, utilisation: str | None) -> Fraction | None:
    if flops_per_second is not None:
        if gpu is not None or utilisation is not None:
            raise UsageError("--flops-per-second is what is really reached: leave out --gpu and --utilisation")
        return amount("flops-per-second", flops_per_second)
    if gpu is None and utilisation is None:
        return None
    if gpu is None or utilisation is None:
        raise UsageError(
            "--gpu and --utilisation go together: no model reaches the peak. E.g. --gpu a100 --utilisation 0.4"
        )
    peak = _named("gpu", gpu, PEAKS, "Give what it does with --flops-per-second 120T")
    return peak * share("utilisation", utilisation, whole=True)


def _named(option: str, name: str, known: dict[str, int], otherwise: str) -> int:
    if (found := known.get(name.lower())) is not None:
        return found
    nearest = difflib.get_close_matches(name.lower(), known, 1)
    hint = f' Did you mean "{nearest[0]}"?' if nearest else ""
    raise UsageError(f'--{option}: there is no "{name}" here; there are {", ".join(known)}.{hint} {otherwise}')
