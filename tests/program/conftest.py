"""Lets the tests of this room import their strategies (`program_strategies.py`) from beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
