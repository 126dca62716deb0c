"""What writes programs."""

from prox.refiners.draft import Draft, Level, Refiner
from prox.refiners.specs import load_refiner

__all__ = ["Draft", "Level", "Refiner", "load_refiner"]
