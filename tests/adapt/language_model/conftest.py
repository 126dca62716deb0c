import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "refiners/language_model"))
sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A base model that nothing has been taught."""
    pytest.importorskip("trl", reason="needs the extra adapt")
    from pages import make_blank_llama

    return str(make_blank_llama(tmp_path_factory.mktemp("base") / "blank"))


@pytest.fixture(scope="session")
def tokens(base):
    from prox.refiners.language_model.model_files import load_tokens

    return load_tokens(base, None)[0]
