"""Write what was trained as one weights file for `prox.refiners.tagger`."""

from pathlib import Path

import numpy as np
from torch import nn

from prox.adapt.tagger.network import LineNetwork
from prox.refiners.tagger.weights import LAYOUT


def line_arrays(network: LineNetwork, threshold: float) -> dict[str, np.ndarray]:
    """The line network: embeddings in 8 bits with a scale per column, matrices in 16."""
    table = (network.embedding.weight * network.known[:, None]).detach().numpy()
    scale = np.maximum(np.abs(table).max(axis=0) / 127, 1e-12)
    arrays = {
        "layout": np.array(LAYOUT),
        "lines.embedding": np.rint(table / scale).astype(np.int8),
        "lines.embedding_scale": scale.astype(np.float32),
        "lines.dilations": np.array(network.shape.dilations),
        "lines.context_after": np.array(network.shape.context_after),
        "lines.threshold": np.array(threshold),
        "lines.leave.weight": network.leave.weight.detach().numpy()[0],
        "lines.leave.bias": network.leave.bias.detach().numpy()[0],
    }
    layers = {"enter": network.enter, "gather": network.gather, "spread": network.spread}
    layers |= {f"mix.{i}": layer for i, layer in enumerate(network.mix)}
    layers |= {f"back.{i}": layer for i, layer in enumerate(network.back)}
    for name, layer in layers.items():
        arrays |= _dense(f"lines.{name}", layer)
    return arrays


def _dense(name: str, layer: nn.Linear) -> dict[str, np.ndarray]:
    weight = layer.weight.detach().numpy().T
    return {f"{name}.weight": weight.astype(np.float16), f"{name}.bias": layer.bias.detach().numpy()}


def write_weights(path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez_compressed(path, allow_pickle=False, **arrays)
