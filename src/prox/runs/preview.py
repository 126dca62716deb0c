"""A few documents of a corpus through the stages, without a run."""

import itertools
from collections.abc import Iterator

from prox.corpora import Quarantined, choose_presets, decode, find_files, read_blocks
from prox.runs.recipe import Recipe, load_stages
from prox.runs.stages import Refined, refine_documents

_BLOCK_BYTES = 256 << 10


def preview_documents(recipe: Recipe, count: int) -> Iterator[Refined | Quarantined]:
    """The first `count` records of the input, refined or with the reason why they cannot be.

    Raises:
        UsageError: As for a run.
    """
    stages = load_stages(recipe)

    def entries() -> Iterator[Refined | Quarantined]:
        files = find_files(recipe.input)
        presets, _ = choose_presets(files, recipe.corpus, recipe.text_field, recipe.html_to_text)
        for file in files:
            preset = presets[file.path]
            for block in read_blocks(file, _BLOCK_BYTES):
                if isinstance(block, Quarantined):
                    yield block
                    continue
                batch = decode(block, preset)
                found = dict(zip(batch.records, batch.documents, strict=True))
                unread = {entry.record: entry for entry in batch.quarantined}
                for record in sorted(found | unread):
                    if record in found:
                        yield refine_documents([found[record]], stages)[0]
                    else:
                        yield unread[record]

    return itertools.islice(entries(), count)
