"""Shapes have exactly the published counts, and a published model really takes a step."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra pretrain")
pytest.importorskip("transformers", reason="needs the extra pretrain")

from accelerate import Accelerator
from tiny_models import make_tiny_llama
from transformers import AutoModelForCausalLM, GPTNeoXConfig, MistralConfig

from prox.errors import UsageError
from prox.pretrain.models import Size, check_fits, config_of, load_model, new_model, size_of, vocabulary_for
from prox.pretrain.presets import get_preset
from prox.pretrain.schedule import Schedule
from prox.pretrain.tokens import Sequences
from prox.pretrain.training import _Loop

PUBLISHED = {
    "tlm-xs": (354_284_800, 313_324_800),
    "tlm-s": (758_982_144, 709_830_144),
    "tlm-m": (1_741_785_088, 1_676_249_088),
    "pythia-410m": (405_334_016, 353_822_720),
    "pythia-1b": (1_011_781_632, 908_759_040),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_model_has_the_published_parameters(name):
    preset = get_preset(name)
    config = config_of(preset.shape, preset.schedule.context, vocabulary_for(preset.shape, 32_000))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert size_of(model) == Size(*PUBLISHED[name])
    assert config.max_position_embeddings == preset.schedule.context


def test_tlm_xs_is_built_and_takes_a_step_that_lowers_its_loss():
    preset = get_preset("tlm-xs")
    model = new_model(config_of(preset.shape, 2048, 32_000, end=2), seed=0)
    assert size_of(model) == Size(354_284_800, 313_324_800)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    sequences = Sequences(np.arange(9, dtype=np.uint16), 8, 1, 0)
    loop = _Loop(Accelerator(cpu=True), model.train(), optimizer, sequences, Schedule(8, 1, 1, 1e-4, 1e-4), 1, 1)
    first = loop.step(1)
    assert 10 < first["loss"] < 11 and first["tokens"] == 8
    ids = torch.arange(9)[None]
    with torch.no_grad():
        after = torch.nn.functional.cross_entropy(model(input_ids=ids[:, :-1]).logits[0], ids[0, 1:])
    assert after < first["loss"] - 0.5


def test_the_small_model_is_small():
    preset = get_preset("tlm-nano")
    size = size_of(new_model(config_of(preset.shape, 256, vocabulary_for(preset.shape, 4096)), 0))
    assert 2e6 < size.parameters < 6e6


def test_first_weights_follow_from_the_seed_and_leave_the_callers_chance_alone():
    config = config_of(get_preset("tlm-nano").shape, 16, 300)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (new_model(config, seed).lm_head.weight for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.rand(1), expected)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return str(make_tiny_llama(tmp_path_factory.mktemp("models") / "llama"))


def test_a_model_is_loaded_in_32_bits_whatever_it_is_stored_in(tmp_path):
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    for config in (
        MistralConfig(vocab_size=300, num_key_value_heads=1, **small),
        GPTNeoXConfig(vocab_size=300, **small),
    ):
        folder = tmp_path / config.model_type
        AutoModelForCausalLM.from_config(config).to(torch.bfloat16).save_pretrained(folder)
        check_fits(str(folder), 128, 300)
        model = load_model(str(folder))
        assert model.config.model_type == config.model_type
        assert {each.dtype for each in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("context", "tokens", "message"), [(4096, 400, "contexts of up to 2,048"), (64, 50_000, "50,000 tokens")]
)
def test_a_model_that_is_not_for_the_training_is_refused(llama, context, tokens, message):
    with pytest.raises(UsageError, match=message):
        check_fits(llama, context, tokens)


def test_a_model_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        check_fits(str(tmp_path / "none"), 8, 8)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UsageError, match="cannot load the model"):
        load_model(str(tmp_path / "broken"))
    (tmp_path / "broken/config.json").write_text("{")
    with pytest.raises(UsageError, match="cannot load the model"):
        check_fits(str(tmp_path / "broken"), 8, 8)
