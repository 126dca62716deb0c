"""The order in which the sequences of a corpus are trained on: that of a seed, without a list of them."""

import hashlib

import numpy as np
import numpy.typing as npt

_ROUNDS = 4
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # of SplitMix64


def shuffled(places: npt.NDArray[np.int64], count: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Which of `count` sequences stand at these places of an epoch.

    Over all places from 0 to `count` it is a permutation: a Feistel network over a power of four that holds them, gone
    through again by what falls outside. So no list grows with the corpus, and any place can be asked for at any time.
    """
    half = np.uint64(max(1, ((count - 1).bit_length() + 1) // 2))
    mask = (np.uint64(1) << half) - np.uint64(1)
    keys = [_key(seed, epoch, number) for number in range(_ROUNDS)]
    values = places.astype(np.uint64)
    pending = np.ones(len(values), bool)
    while pending.any():
        left, right = values[pending] >> half, values[pending] & mask
        for key in keys:
            left, right = right, left ^ (_mixed(right ^ key) & mask)
        values[pending] = (left << half) | right
        pending = values >= count
    return values.astype(np.int64)


def _key(seed: int, epoch: int, number: int) -> np.uint64:
    digest = hashlib.blake2b(f"{seed} {epoch} {number}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * _MULTIPLIERS[0]
    values = (values ^ (values >> np.uint64(27))) * _MULTIPLIERS[1]
    return values ^ (values >> np.uint64(31))
