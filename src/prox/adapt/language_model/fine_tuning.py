"""Full-parameter fine-tuning with trl, judged after each epoch by the programs that the model really writes."""

import contextlib
import copy
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedModel, PrinterCallback, TrainerCallback
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.utils import is_flash_attn_2_available
from transformers.utils import logging as transformers_logging
from trl import SFTConfig, SFTTrainer

from prox.adapt.language_model import processes
from prox.adapt.language_model.examples import Example
from prox.corpora import write_atomically
from prox.errors import RunError, UsageError
from prox.refiners.language_model.model_files import essence, named_for_transformers
from prox.refiners.language_model.tokens import ModelTokens

CHECKPOINTS = "checkpoints"
SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train; the defaults are the published ones (ProX, appendix B: full-parameter SFT).

    Attributes:
        epochs: Passes over the training set; published are 3 to 5.
        batch: Examples between two steps of the optimizer, over all devices (packed sequences with `packing`).
        learning_rate, last_learning_rate: Where the cosine begins and ends.
        warm_up: The share of all steps in which the learning rate rises to its beginning.
        device_batch: Examples that one device works on at once; `batch` is reached by accumulation.
        packing: Several examples share a sequence; needs attention that keeps them apart.
        freeze_embeddings: Leave the matrix of the vocabulary as it is: less memory, and less to compute on a CPU.
        freeze_layers: Leave the first so many layers as they are, too: what lies below the first one that learns needs
            no backward pass.
        low_rank: Train low-rank updates of this rank instead of all parameters; they are merged at the end.
        evaluate_every: Validate and keep a checkpoint after so many examples, not after each epoch.
        seed: Of the order of the examples.
    """

    epochs: float = 4.0
    batch: int = 64
    learning_rate: float = 1e-5
    last_learning_rate: float = 1e-6
    warm_up: float = 0.03
    device_batch: int = 8
    packing: bool = False
    freeze_embeddings: bool = False
    freeze_layers: int = 0
    low_rank: int | None = None
    evaluate_every: int | None = None
    seed: int = 0

    def check(self) -> None:
        """
        Raises:
            UsageError: A figure makes no sense.
        """
        for name in ("epochs", "learning_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name.replace('_', ' ')} is {value}; it must be above 0")
        if not 0 <= self.last_learning_rate <= self.learning_rate:
            raise UsageError(
                f"the last learning rate is {self.last_learning_rate}; it must lie between 0 and the first, "
                f"{self.learning_rate}"
            )
        for name in ("batch", "device_batch", "low_rank", "evaluate_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name.replace('_', ' ')} is {value}; it must be 1 or more")


Judge = Callable[[PreTrainedModel], Mapping[str, float]]
"""Scores a model by what it writes; the best one is that of the highest `choice`."""


def load_base(model: str, revision: str | None) -> PreTrainedModel:
    """The model to begin with, in 32 bits: steps of the optimizer are too small for 16.

    Raises:
        UsageError: It cannot be loaded.
    """
    transformers_logging.disable_progress_bar()
    name, options = named_for_transformers(model, revision)
    try:
        loaded: PreTrainedModel = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32, **options)
    except Exception as error:  # models bring code, and hubs errors of their own
        raise UsageError(f"cannot load the model {model}: {essence(error)}") from error
    if getattr(loaded, "hf_quantizer", None) is not None:  # of a GGUF file: unpacked by now, but it could not be saved
        loaded.hf_quantizer = None
        del loaded.config.quantization_config
    if torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0) and is_flash_attn_2_available():
        with contextlib.suppress(ValueError, ImportError):  # an architecture that has no use for it
            loaded.set_attn_implementation("flash_attention_2")
    return loaded


def to_tokens(examples: Sequence[Example], tokens: ModelTokens, end: int) -> Dataset:
    """Prompt and program in tokens, each cut for itself as at inference; the loss is on the program and its end."""
    rows: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
    for each in examples:
        prompt, program = tokens.encode(each.prompt), [*tokens.encode(each.program), end]
        rows["input_ids"].append(prompt + program)
        rows["labels"].append([-100] * len(prompt) + program)
    return Dataset.from_dict(rows)


class _Trainer(SFTTrainer):
    """Evaluation is by generation: a falling loss has been seen with programs that got no better."""

    judge: Judge
    plain: Any = None
    control: Any

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """On a CPU trl multiplies every token with the vocabulary, also those without a loss: a quarter of the time."""
        if inputs["input_ids"].device.type != "cpu" or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs.pop("labels")[:, 1:]
        places = (labels != -100).any(0).nonzero()[:, 0]
        logits = model(**inputs, use_cache=False, logits_to_keep=places).logits
        wanted = labels[:, places].flatten()
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), wanted, reduction="sum")
        if num_items_in_batch is None:
            return loss / (wanted != -100).sum()
        # Counted over all processes, of whose gradients the mean is taken.
        return loss * self.accelerator.num_processes / num_items_in_batch

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Examples of like length come together, and the order is the same whatever number of processes share it."""
        order = super()._get_train_sampler(train_dataset)
        if processes.world() == 1 or not isinstance(order, LengthGroupedSampler):
            return order
        order.batch_size *= processes.world()
        return processes.SameOrder(order)

    def _save_checkpoint(self, *arguments: Any, **options: Any) -> None:
        """A best checkpoint is known only where its folder is seen, and of shards none is written before that.

        Without this some processes see it and others do not: they load the best one without the others, for ever.
        """
        if processes.world() > 1:
            Path(self.args.output_dir, f"checkpoint-{self.state.global_step}").mkdir(parents=True, exist_ok=True)
        super()._save_checkpoint(*arguments, **options)

    def whole(self) -> Any:
        """The model with all its weights, to be judged or saved by the main process; under FSDP that one alone has it.

        A model in shards generates only where all processes take part in every token, so its weights are put together
        into a copy that is a model like any other. All processes must call this.
        """
        if not self.is_fsdp_enabled:
            return self.accelerator.unwrap_model(self.model)
        weights = self.accelerator.get_state_dict(self.model)
        if self.plain is None:
            return None
        missing = [name for name, _ in self.plain.named_parameters() if name not in weights]
        if missing:
            raise RunError(
                f"the shards of the model hold no {missing[0]}: this architecture needs training without FSDP"
            )
        self.plain.load_state_dict(weights, strict=False)  # of tied weights one name may be missing
        return self.plain

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        model = self.whole()
        figures = processes.of_main(lambda: self._judged(model))
        found = {f"{metric_key_prefix}_{name}": value for name, value in figures.items()}
        self.log(dict(found))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def _judged(self, model: Any) -> dict[str, float]:
        figures = dict(self.judge(model.to(self.args.device).eval()))
        model.train()
        if model is self.plain:
            model.cpu()  # the device is for training
        return figures


class _Progress(TrainerCallback):
    def __init__(self, report: Callable[[Mapping[str, float]], None]) -> None:
        self._report = report

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        if logs and state.is_world_process_zero:
            self._report({**logs, "step": state.global_step, "steps": state.max_steps})


def fine_tune(
    model: PreTrainedModel,
    tokenizer: Any,
    training: Dataset,
    settings: Settings,
    judge: Judge,
    work: Path,
    report: Callable[[Mapping[str, float]], None] = lambda figures: None,
) -> tuple[Any, list[dict[str, float]]]:
    """Train, validate after each epoch, and give the best model back, with the figures of every validation.

    Interrupted training goes on from its last checkpoint when it is called again with the same work folder. All
    processes of a launcher call this; the best model is for the main one, and the others may get None.

    Args:
        model: The base, changed in place.
        tokenizer: As transformers knows it.
        training: From `to_tokens`.
        settings: How to train.
        judge: Scores the model.
        work: For checkpoints.
        report: Told loss, learning rate and scores as they come.

    Raises:
        UsageError: What is asked for does not go together, or not with the launcher.
    """
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    _freeze(model, settings)
    plain = None
    if processes.sharded():
        torch.manual_seed(settings.seed)  # low-rank updates begin by chance, and each process keeps its shard of them
        plain = _copy(model, settings) if processes.is_main() else None
    trainer = _Trainer(
        model=model,
        args=_arguments(settings, work, training),
        train_dataset=training,
        eval_dataset=training.select(range(1)),  # what is evaluated are pages, by `judge`
        processing_class=tokenizer,
        peft_config=_low_rank(settings),
        callbacks=[_Progress(report)],
    )
    trainer.remove_callback(PrinterCallback)  # it writes to standard output
    trainer.judge, trainer.plain = judge, plain
    if processes.sharded() and not trainer.is_fsdp_enabled:
        raise UsageError("accelerate spreads a model (FSDP) over GPUs only, and there is none here; use torchrun")
    trainer.train(resume_from_checkpoint=processes.of_main(lambda: last_checkpoint(work)))
    best = trainer.whole()
    if best is not None:
        if settings.low_rank is not None:
            best = best.merge_and_unload()
        best.float()
    figures = [dict(entry) for entry in trainer.state.log_history if any(name.startswith("eval_") for name in entry)]
    return best, figures


def last_checkpoint(work: Path) -> str | None:
    """The last one that is complete: the state of the trainer is what a checkpoint gets at the end.

    It is not written in one piece: what a kill leaves may be empty, or end in the middle.
    """
    steps = {
        int(state.parent.name.removeprefix("checkpoint-")): state.parent
        for state in (work / CHECKPOINTS).glob("checkpoint-*/trainer_state.json")
        if _is_json(state)
    }
    return str(steps[max(steps)]) if steps else None


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _copy(model: PreTrainedModel, settings: Settings) -> PreTrainedModel:
    """A second model with weights of the same names, as the trainer makes the first."""
    twin = copy.deepcopy(model)
    if (low_rank := _low_rank(settings)) is not None:
        from peft import get_peft_model

        with torch.random.fork_rng():
            twin = get_peft_model(twin, low_rank)
    return twin


def _freeze(model: PreTrainedModel, settings: Settings) -> None:
    """What is not trained needs no more than 16 bits, and hands on no more: half the memory to move.

    Not under FSDP, where each device holds a share only, and weights of one kind can be spread together.
    """
    frozen = []
    if settings.freeze_embeddings:
        frozen = [model.get_input_embeddings(), *filter(None, [model.get_output_embeddings()])]
    if settings.freeze_layers:
        layers = getattr(model.base_model, "layers", None)
        if layers is None:
            raise UsageError("this architecture does not say which its layers are; leave out --freeze-layers")
        if settings.freeze_layers >= len(layers):
            raise UsageError(f"of {len(layers)} layers {settings.freeze_layers} cannot be frozen: none would be left")
        frozen += layers[: settings.freeze_layers]
    for module in frozen:
        module.requires_grad_(False)
        if not processes.sharded():
            module.to(torch.bfloat16)


@dataclass(frozen=True, slots=True)
class Steps:
    """How a batch is reached.

    Attributes:
        device_batch: Examples that one device works on at once.
        accumulation: So many times, before a step of the optimizer.
        batch: Examples between two steps, over all devices; not the one that was asked for where that is no multiple.
    """

    device_batch: int
    accumulation: int
    batch: int


def steps_for(settings: Settings, devices: int) -> Steps:
    """Several devices share a batch that is smaller than all they could work on at once; one device exceeds it."""
    device_batch = settings.device_batch
    if devices > 1:
        device_batch = min(device_batch, max(1, settings.batch // devices))
    accumulation = max(1, round(settings.batch / (device_batch * devices)))
    return Steps(device_batch, accumulation, device_batch * devices * accumulation)


def _arguments(settings: Settings, work: Path, training: Dataset) -> SFTConfig:
    gpu = torch.cuda.is_available()
    by = steps_for(settings, processes.world())
    longest = max(map(len, training["input_ids"]))
    steps_of_epoch = math.ceil(len(training) / by.batch)
    checkpointing = gpu and not processes.checkpoints_activations()
    if settings.evaluate_every is None:
        rhythm: dict[str, Any] = {"eval_strategy": "epoch", "save_strategy": "epoch"}
    else:
        steps = max(1, round(settings.evaluate_every / by.batch))
        rhythm = {"eval_strategy": "steps", "eval_steps": steps, "save_strategy": "steps", "save_steps": steps}
    arguments = SFTConfig(
        output_dir=str(work / CHECKPOINTS),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=by.device_batch,
        gradient_accumulation_steps=by.accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr": settings.last_learning_rate},
        warmup_steps=math.ceil(settings.warm_up * settings.epochs * steps_of_epoch),
        bf16=True,
        use_cpu=not gpu,
        gradient_checkpointing=checkpointing,  # trl's own default costs a third of the time, where memory is not short
        activation_checkpointing=checkpointing,
        packing=settings.packing,
        max_length=longest if settings.packing else None,
        train_sampling_strategy="random" if settings.packing else "group_by_length",
        completion_only_loss=True,
        load_best_model_at_end=True,
        metric_for_best_model="choice",
        greater_is_better=True,
        save_total_limit=2,
        logging_steps=max(1, steps_of_epoch // 50),
        seed=settings.seed,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=gpu,
        **rhythm,
    )
    if processes.world() == 1:
        arguments._n_gpu = min(1, arguments.n_gpu)  # several would mean DataParallel, which trl refuses
    return arguments


def _low_rank(settings: Settings) -> Any:
    if settings.low_rank is None:
        return None
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise UsageError(f"low-rank training needs peft ({essence(error)}): pip install peft") from error
    return LoraConfig(
        r=settings.low_rank, lora_alpha=2 * settings.low_rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def keep_settings(work: Path, settings: Settings, about: Mapping[str, Any]) -> None:
    """Write down what the checkpoints in a work folder belong to, or find that it is the same.

    Raises:
        UsageError: They are of another training.
    """
    wanted = json.loads(json.dumps({**asdict(settings), **about, "processes": processes.arrangement()}))
    path = work / SETTINGS
    if path.is_file():
        known = {"processes": "1", **json.loads(path.read_text(encoding="utf-8"))}
        changed = [name for name in wanted if known.get(name) != wanted[name]]
        if changed:
            name = changed[0]
            raise UsageError(
                f"{work} holds a training with {name.replace('_', ' ')} {known.get(name)!r}, not {wanted[name]!r}. "
                "Name another folder, or remove this one to begin anew"
            )
        return
    work.mkdir(parents=True, exist_ok=True)
    write_atomically(str(path), f"{json.dumps(wanted, indent=1)}\n".encode())
