"""Lets the tests of this room import their texts (`rule_texts.py`) from beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
