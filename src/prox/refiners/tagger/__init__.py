"""The embedded default refiner: a line tagger with its weights, on numpy alone."""

from prox.refiners.tagger.refiner import TaggerRefiner

__all__ = ["TaggerRefiner"]
