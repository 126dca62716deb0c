"""Tiny models for the tests of this room, and the way to what stands beside them (`tiny_models.py`)."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def _make(folder: Path, **options: bool) -> Path:
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            pytest.skip(f"tiny models are made with torch and transformers, and {package} is not installed")
    from tiny_models import make_tiny_llama

    return make_tiny_llama(folder, **options)


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny Llama without a chat template."""
    return _make(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(scope="session")
def tiny_chat_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a chat template."""
    return _make(tmp_path_factory.mktemp("tiny-chat-llama"), chat_template=True)
