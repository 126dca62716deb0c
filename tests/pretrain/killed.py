"""A training that ends itself as a kill would: `killed.py CORPUS OUTPUT step|saving N`."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    import torch

    from prox.pretrain import checkpoints
    from prox.pretrain.training import pretrain

    torch.set_num_threads(1)
    corpus, output, when, number = sys.argv[1:]
    if when == "saving":
        save = checkpoints.checkpoint.save

        def half(state, checkpoint_id):
            if checkpoint_id.name == f"step-{int(number):08d}.tmp":
                (checkpoint_id / "__0_0.distcp").write_bytes(b"half of it")
                die()
            save(state, checkpoint_id=checkpoint_id)

        checkpoints.checkpoint.save = half

    def report(progress):
        if when == "step" and progress.step == int(number):
            die()

    from small_corpus import small

    pretrain(small(corpus, output), report)


if __name__ == "__main__":
    main()
