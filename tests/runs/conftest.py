"""Lets these tests talk to faulty servers: that of the engines' tests, and one for S3."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "refiners/language_model"), str(Path(__file__).parent)]
