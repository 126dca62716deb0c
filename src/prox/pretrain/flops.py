"""What training and refining cost in floating-point operations, and when refining pays (ProX, arXiv 2409.17115).

A matrix of N weights takes N multiplications and N additions for each token, so a forward pass costs about 2·N FLOPs a
token. A backward pass costs twice as much: it multiplies once for the gradient of the weights and once for that of the
inputs. Training is both passes, 6·N a token.

N is without the matrix of input embeddings, which is looked up and not multiplied with. Left out on both sides are
attention's products of queries, keys and values, which grow with the square of the context and are small beside 2·N for
short contexts, and norms, activations and the optimizer.
"""

from fractions import Fraction
from math import ceil

from prox.runs.costs import inference_flops

PARAMETERS = {
    "tlm-nano": 2_361_024,
    "tlm-xs": 313_324_800,
    "tlm-s": 709_830_144,
    "tlm-m": 1_676_249_088,
    "pythia-410m": 353_822_720,
    "pythia-1b": 908_759_040,
}
"""Without embeddings: of tlm-nano with 4,096 tokens, and of the models that ProX trains from scratch."""

PEAKS = {"a100": 312 * 10**12, "h100": 989 * 10**12}
"""FLOPs a second in bfloat16 without sparsity, by NVIDIA's data sheets of the A100 and of the H100 SXM."""


def training_flops(parameters: int, tokens: int) -> int:
    """About 6·N·D."""
    return 6 * parameters * tokens


def refining_flops(parameters: int, raw_tokens: int, tokens_after_document_stage: int = 0) -> tuple[int, int]:
    """Of the document stage and of the chunk stage: together about 2·N·(D_raw + D_after_document_stage).

    The document stage reads every raw token, the chunk stage those of the documents that were kept. Left out are the
    tokens of prompts and line numbers around the text, and of the programs that are written.
    """
    return inference_flops(parameters, raw_tokens, 0), inference_flops(parameters, tokens_after_document_stage, 0)


def break_even(flops: int, other: int, share: Fraction = Fraction(1)) -> int:
    """The least D for a model of N parameters, or N for D tokens, of whose training `share` costs `flops` or more.

    6·N·D·share ≥ flops is solved for D or N; the formula does not tell them apart. For refining that costs `flops`,

    * share 1 gives the training tokens that the same FLOPs would buy at N parameters;
    * share x gives the training beside which refining is the share x;
    * share f, where refined text reaches the quality of raw text with f fewer tokens of training (0.2: with four fifths
      of them), gives the training on raw text from which on the saving, 6·N·D·f, is no less than what refining costs.
    """
    return ceil(flops / (6 * other * share))
