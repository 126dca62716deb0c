import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "refiners/language_model"))
sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums in another order round otherwise."""
    try:
        import torch
    except ImportError:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    from small_corpus import write_corpus

    return str(write_corpus(tmp_path_factory.mktemp("corpus") / "pages.jsonl"))


@pytest.fixture
def write_jsonl(tmp_path):
    def write(name, *records):
        path = tmp_path / name
        lines = [each if isinstance(each, str) else json.dumps(each) for each in records]
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    return write
