"""What writes programs."""

from prox.refiners.draft import DecidesByScore, Draft, Level, Refiner
from prox.refiners.specs import load_refiner

__all__ = ["DecidesByScore", "Draft", "Level", "Refiner", "load_refiner"]
