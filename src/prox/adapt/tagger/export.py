"""From a trained line network to the arrays of a weights file for `prox.refiners.tagger`, and back."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from prox.adapt.tagger.network import LineNetwork, Shape
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
        "lines.context_before": np.array(network.shape.context_before),
        "lines.mixed": np.array(network.shape.mixed),
        "lines.near": np.array(network.shape.near),
        "lines.context": np.array(network.shape.context),
        "lines.threshold": np.array(threshold),
        "lines.leave.weight": network.leave.weight.detach().numpy()[0],
        "lines.leave.bias": network.leave.bias.detach().numpy()[0],
    }
    for name, layer in _layers(network).items():
        arrays |= _dense(f"lines.{name}", layer)
    return arrays


def line_network(arrays: dict[str, np.ndarray]) -> LineNetwork:
    """The network that `line_arrays` wrote, as far as 8 and 16 bits hold it; the words that it knew have weights."""
    embedding = arrays["lines.embedding"]
    shape = Shape(
        embedding=embedding.shape[1],
        hidden=len(arrays["lines.enter.bias"]),
        near=int(arrays["lines.near"]),
        mixed=int(arrays["lines.mixed"]),
        context=int(arrays["lines.context"]),
        dilations=tuple(map(int, arrays["lines.dilations"])),
        context_before=tuple(map(int, arrays["lines.context_before"])),
    )
    network = LineNetwork(shape)
    with torch.no_grad():
        network.embedding.weight.copy_(torch.from_numpy(embedding * arrays["lines.embedding_scale"]))
        network.known.copy_(torch.from_numpy(embedding.any(axis=1)))
        network.leave.weight.copy_(torch.from_numpy(arrays["lines.leave.weight"])[None])
        network.leave.bias.fill_(float(arrays["lines.leave.bias"]))
        for name, layer in _layers(network).items():
            layer.weight.copy_(torch.from_numpy(arrays[f"lines.{name}.weight"].T.astype(np.float32)))
            layer.bias.copy_(torch.from_numpy(arrays[f"lines.{name}.bias"]))
    return network


def _layers(network: LineNetwork) -> dict[str, nn.Linear]:
    stacks = {"mix": network.mix, "back": network.back, "gather": network.gather, "spread": network.spread}
    layers = {f"{name}.{i}": layer for name, stack in stacks.items() for i, layer in enumerate(stack)}
    return {"enter": network.enter} | layers


def _dense(name: str, layer: nn.Linear) -> dict[str, np.ndarray]:
    weight = layer.weight.detach().numpy().T
    return {f"{name}.weight": weight.astype(np.float16), f"{name}.bias": layer.bias.detach().numpy()}


def write_weights(path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez_compressed(path, allow_pickle=False, **arrays)
