import sys
from types import SimpleNamespace

import pytest

pytest.importorskip("accelerate", reason="needs the extra pretrain")

from small_corpus import small

from prox.errors import UsageError
from prox.pretrain.training import pretrain


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_every_step_is_sent_to_the_tracker_under_the_name_of_the_folder(corpus, tmp_path, monkeypatch, capsys, name):
    """Against a module with the calls that both packages share; neither is called over the network here."""
    calls = []
    fake = SimpleNamespace(
        init=lambda **given: calls.append(("init", given)) or print("a greeting"),
        log=lambda figures, step: calls.append(("log", figures, step)),
        finish=lambda: calls.append(("finish",)),
    )
    monkeypatch.setitem(sys.modules, name, fake)
    result = pretrain(small(corpus, tmp_path / "my-model", track=name, tokens=24 * 4 * 2))
    (_, given), *logged, last = calls
    assert given["name"] == "my-model" and given["resume"] == "allow" and given["config"]["seed"] == 0
    assert [(figures["loss"], step) for _, figures, step in logged] == [
        (line["loss"], line["step"]) for line in result.losses
    ]
    assert last == ("finish",)
    assert capsys.readouterr().out == "", "standard output is for figures"


def test_a_tracker_that_is_not_installed_is_told(corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match="pip install wandb"):
        pretrain(small(corpus, tmp_path / "new", track="wandb"))
    with pytest.raises(UsageError, match="none of trackio, wandb"):
        pretrain(small(corpus, tmp_path / "new", track="mlflow"))
