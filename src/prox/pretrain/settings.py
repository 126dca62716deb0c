"""What somebody asks for, and what comes of it with a preset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prox.corpora import is_local, open_file_system
from prox.errors import UsageError
from prox.pretrain.presets import Preset, get_preset
from prox.pretrain.schedule import Schedule

PRECISIONS = ("fp32", "bf16")
TRACKERS = ("trackio", "wandb")


@dataclass(frozen=True, slots=True)
class Settings:
    """One training. What is None is as the preset has it.

    Attributes:
        input: Files, folders and globs that prox reads, also output folders of `prox refine`.
        output: A new folder on this machine, or that of the training to continue.
        preset: See `presets`; tlm-nano, if None.
        model: Trained on, instead of one that is made anew: a folder, or a name on a hub (`NAME@REVISION`).
        tokenizer: See `tokenizer.load_tokenizer`.
        tokens: To train on; the schedule is made longer or shorter. A corpus that has fewer is repeated.
        seed: Of the first weights and of the order of the texts; nothing else decides about it.
        device_batch: Sequences that one device works on at once; the batch is reached by accumulation.
        precision: fp32, or bf16 (weights and optimizer stay in 32 bits); what the device does best, if None.
        compile: Compile the model with torch.compile.
        checkpoint_every: Steps.
        track: Where figures are sent beside `losses.jsonl`: trackio or wandb.
        corpus, text_field, html_to_text: As in a recipe.
    """

    input: Sequence[str]
    output: str
    preset: str | None = None
    model: str | None = None
    tokenizer: str | None = None
    tokens: int | None = None
    context: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    last_learning_rate: float | None = None
    warm_up: int | None = None
    seed: int = 0
    device_batch: int | None = None
    precision: str | None = None
    compile: bool = False
    checkpoint_every: int = 200
    track: str | None = None
    corpus: str | None = None
    text_field: str | None = None
    html_to_text: str | None = None

    @property
    def chosen(self) -> Preset:
        """
        Raises:
            UsageError: There is no preset of that name.
        """
        return get_preset(self.preset or "tlm-nano")

    @property
    def base(self) -> str | None:
        """The model that is trained on; None if one is made anew."""
        return self.model or self.chosen.model

    @property
    def tokenizer_name(self) -> str:
        """The one that is given, or that of the model that is trained on, or that of the preset."""
        name = self.tokenizer or self.base or self.chosen.tokenizer
        assert name is not None  # every preset has a model or a tokenizer
        return name

    def schedule(self) -> Schedule:
        """The schedule of the preset with what was asked for.

        The number of tokens stays that of the preset, whatever else changes; a learning rate that is given alone keeps
        its relation to the last one.

        Raises:
            UsageError: A figure makes no sense.
        """
        published = self.chosen.schedule
        budget = published.tokens if self.tokens is None else self.tokens
        if budget < 1:
            raise UsageError(f"tokens is {budget}; it must be 1 or more")
        rate = published.learning_rate if self.learning_rate is None else self.learning_rate
        last = published.last_learning_rate * rate / published.learning_rate
        schedule = replace(
            published,
            context=published.context if self.context is None else self.context,
            batch=published.batch if self.batch is None else self.batch,
            learning_rate=rate,
            last_learning_rate=last if self.last_learning_rate is None else self.last_learning_rate,
        )
        schedule.check()
        schedule = schedule.for_tokens(budget)
        if self.warm_up is not None:
            schedule = replace(schedule, warm_up=self.warm_up)
        schedule.check()
        return schedule

    def check(self) -> None:
        """
        Raises:
            UsageError: Something is not known, or does not go together.
        """
        if not self.input:
            raise UsageError("no corpus is given. Name files, folders or globs, and then the output folder")
        if self.model is not None and self.preset is None:
            raise UsageError(
                "a model to train on needs a preset as well, whose schedule it is trained by: for example --preset "
                "tinyllama-1.1b"
            )
        if self.precision is not None and self.precision not in PRECISIONS:
            raise UsageError(f'precision "{self.precision}" is none of {", ".join(PRECISIONS)}')
        if self.track is not None and self.track not in TRACKERS:
            raise UsageError(f'track "{self.track}" is none of {", ".join(TRACKERS)}')
        for name in ("device_batch", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name.replace('_', ' ')} is {value}; it must be 1 or more")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"the seed is {self.seed}; it must be 0 or more, and below 2^32")
        fs, path = open_file_system(self.output)
        if not is_local(fs):
            raise UsageError(f"{self.output} is not on this machine; a training needs a folder here. Copy it later")
        for given in self.input:
            of_input, folder = open_file_system(given)
            if of_input == fs and f"{path}/".startswith(f"{folder.rstrip('/')}/") and fs.isdir(folder):
                raise UsageError(f"{self.output} lies in the input {given}. Name a folder beside it")
