"""A small training in one of several processes; `torchrun together.py BASE OUTPUT FIELDS` starts it.

Accelerate spreads a model over GPUs only (FSDP). With TOGETHER_SHARDED it is made to think that these CPUs are of a
kind that it does know; all that follows is what happens on GPUs, over gloo.
"""

import json
import os
import signal
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "refiners/language_model")]

FIELDS = {"epochs": 2, "batch": 4, "device_batch": 2, "learning_rate": 3e-3, "last_learning_rate": 3e-4}


def pretend() -> None:
    os.environ |= {"ACCELERATE_USE_FSDP": "true", "ACCELERATE_TORCH_DEVICE": "cpu"}
    os.environ |= {"FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP"}
    from accelerate.state import DistributedType, PartialState

    PartialState._prepare_backend = lambda self, *_, **__: ("gloo", DistributedType.MULTI_XPU)


def train(base, output, fields, report=lambda figures: None):
    from pages import page

    from prox.adapt.language_model.adaptation import Material, adapt_language_model
    from prox.adapt.language_model.fine_tuning import Settings

    # As many examples as fill whole batches: what is missing in the last one is filled up, but only for several.
    material = Material(
        dialect="refinex", window=96, validation_share=0.2, validation_documents=3, most_examples=40, seed=1
    )
    pages = [page(n) for n in range(60)]
    return adapt_language_model(pages, base, None, Path(output), material, Settings(**{**FIELDS, **fields}), report)


def main() -> None:
    import torch

    torch.set_num_threads(1)
    base, output, fields = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    rank = os.environ["RANK"]
    if os.environ.get("TOGETHER_SHARDED"):
        pretend()
    heard, written = [], set()

    def report(figures):
        heard.append(figures)
        if os.environ.get("TOGETHER_KILL") and "loss" in figures and figures["epoch"] > 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event, details):
        if event == "open" and isinstance(details[0], str) and details[0].startswith(f"{output}/"):
            path, _, flags = details
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                written.add(str(Path(path).relative_to(output)))

    sys.addaudithook(watch)
    adapted = train(base, output, fields, report)
    found = {"scores": adapted.scores, "before": adapted.before, "validations": adapted.validations}
    found |= {"steps": [each["step"] for each in heard if "loss" in each], "written": sorted(written)}
    Path(f"{output}-{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
