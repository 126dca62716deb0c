"""Rules of known corpora as programs: Gopher, C4, FineWeb and RefinedWeb."""

from prox.refiners.rules.meanings import MEANINGS
from prox.refiners.rules.refiner import SETS, RulesRefiner, check_names, levels_of_rules

__all__ = ["MEANINGS", "SETS", "RulesRefiner", "check_names", "levels_of_rules"]
