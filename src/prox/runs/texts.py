"""Texts in memory through the stages: a run without files."""

from collections.abc import Iterable, Mapping, Sequence

from prox.document import Document
from prox.errors import UsageError
from prox.runs.stages import Refined, refine_documents


def refine(
    texts: Iterable[str],
    refiner: str | Sequence[str] = "tagger",
    *,
    level: str | None = None,
    keep_threshold: float | None = None,
    noise_threshold: float | None = None,
    family: str | None = None,
    system_prompt: str | None = None,
    constrain: bool = False,
    engine_options: Mapping[str, str | int | float | bool | None] | None = None,
) -> list[Refined]:
    r"""Refine texts as `prox refine` would refine the documents of a corpus, in memory and in this process.

    Args:
        texts: The raw texts; their places, from 0, become the ids of the documents.
        refiner: A refiner spec, or one for documents and then one for chunks.
        level: "document" to keep or drop only, "chunk" to edit only; both if None.
        keep_threshold: Keep probability below which a document is dropped; the refiner's own if None.
        noise_threshold: Noise probability from which a line is removed; the refiner's own if None.
        family: Of a language model; told from its name or config if None.
        system_prompt: A file with the system text for a language model.
        constrain: Let a language model write nothing but well-formed programs.
        engine_options: Of a language model's engine. The model stays loaded for the next call.

    Returns:
        One for each text, in order: the refined `text` (None if dropped), the `decision` with its `reason`, the
        `program`, and what every stage did.

    Raises:
        UsageError: A spec or another argument is wrong, or `texts` is a single string.
        RunError: A server cannot be reached.

    >>> prose = "The river rose in the night and took the old bridge with it. In the morning it rose again."
    >>> page = f"Home | News | Contact us\nShare on Facebook\n{prose}\nRead more"
    >>> (refined,) = refine([page], level="chunk")
    >>> print(refined.program)
    remove_lines(line_start=0, line_end=1)
    remove_lines(line_start=3, line_end=3)
    >>> refined.decision, refined.text == prose
    ('edited', True)
    """
    # Here, because it brings pydantic, numpy and pyarrow: `import prox` takes no time.
    from prox.runs.recipe import load_stages, make_recipe

    if isinstance(texts, str):
        raise UsageError("refine() takes several texts; for one, write refine([text])")
    refiners = (refiner,) if isinstance(refiner, str) else tuple(refiner)
    recipe = make_recipe(
        input=(),
        output="",
        stages=refiners,
        level=level,
        keep_threshold=keep_threshold,
        noise_threshold=noise_threshold,
        family=family,
        system_prompt=system_prompt,
        constrain=constrain,
        engine_options=dict(engine_options or {}),
    )
    documents = [Document(str(number), text) for number, text in enumerate(texts)]
    for document in documents:
        if not isinstance(document.text, str):
            raise UsageError(f"text {document.id} is not a string but {type(document.text).__name__}")
    return refine_documents(documents, load_stages(recipe))
