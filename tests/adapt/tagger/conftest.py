"""Made gold pages; also lets the tests of this room import `made_pages.py` from beside them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def pages():
    from made_pages import make_page

    return [make_page(number) for number in range(30)]
