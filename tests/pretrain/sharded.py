"""A training whose model is spread over processes (FSDP): `torchrun sharded.py CORPUS OUTPUT`.

Accelerate spreads a model over GPUs only. Here it is made to think that these CPUs are of a kind that it does know; all
that follows is what happens on GPUs, over gloo.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    os.environ |= {"ACCELERATE_USE_FSDP": "true", "ACCELERATE_TORCH_DEVICE": "cpu"}
    os.environ |= {"FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP"}
    import torch
    from accelerate.state import DistributedType, PartialState

    torch.set_num_threads(1)
    PartialState._prepare_backend = lambda self, *_, **__: ("gloo", DistributedType.MULTI_XPU)
    from small_corpus import small

    from prox.pretrain.training import pretrain

    corpus, output = sys.argv[1:]
    print(pretrain(small(corpus, output)).losses[-1]["step"])


if __name__ == "__main__":
    main()
