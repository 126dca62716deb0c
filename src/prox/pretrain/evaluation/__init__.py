"""How well language models do: downstream tasks with lm-eval, bits per byte on clean text, paired comparisons."""

from prox.pretrain.evaluation.byte_likelihood import ByteLikelihood, bits_per_byte

__all__ = ["ByteLikelihood", "bits_per_byte"]
