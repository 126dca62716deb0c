import pytest

from prox.errors import UsageError
from prox.pretrain.presets import PRESETS, get_preset
from prox.pretrain.schedule import Schedule
from prox.pretrain.settings import Settings


def test_a_cosine_rises_to_the_highest_rate_and_ends_at_the_last_one():
    schedule = get_preset("tlm-xs").schedule
    assert schedule.rate(1) == 5e-4 / 500
    assert schedule.rate(500) == 5e-4
    assert schedule.rate(6500) == pytest.approx((5e-4 + 5e-5) / 2)
    assert schedule.rate(12_500) == pytest.approx(5e-5)


def test_warm_up_stable_and_decay_follow_the_published_formula():
    schedule = get_preset("pythia-1b").schedule
    warm_up, stable, decay = 2000, 50_000, 200
    for step in (1, 700, 2000, 2001, 31_234, 50_000, 50_001, 50_100, 50_200):
        if step <= warm_up:
            wanted = 1e-3 * step / warm_up
        elif step <= stable:
            wanted = 1e-3
        else:
            wanted = 1e-3 * 0.5 ** (4 * (step - stable) / decay)
        assert schedule.rate(step) == pytest.approx(wanted, rel=1e-12), step
    assert schedule.rate(50_200) == pytest.approx(6.25e-5)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("tlm-xs", 12_500 * 1024 * 2048),
        ("pythia-410m", 50_200 * 512 * 1024),
        ("tinyllama-1.1b", 7500 * 1024 * 2048),
        ("llama-2-7b", 10_000 * 256 * 4096),
        ("codellama-7b", 2500 * 1024 * 4096),
        ("mistral-7b", 10_000 * 256 * 4096),
    ],
)
def test_the_published_trainings_have_the_published_tokens(name, tokens):
    assert get_preset(name).schedule.tokens == tokens == Settings(("in",), "out", preset=name).schedule().tokens


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_shorter_training_has_the_same_course(preset):
    published = preset.schedule
    tenth = published.for_tokens(published.tokens // 10)
    assert tenth.tokens == pytest.approx(published.tokens / 10, rel=0.02)
    for share in (0.1, 0.5, 0.95, 1.0):
        step, short = round(published.last_step * share), round(tenth.last_step * share)
        assert tenth.rate(short) == pytest.approx(published.rate(step), rel=0.05)
    assert published.for_tokens(published.tokens) == published


def test_a_training_of_less_than_a_batch_is_one_step():
    assert get_preset("pythia-1b").schedule.for_tokens(1).last_step == 1


def test_another_batch_has_the_same_tokens_and_another_rate_the_same_relation():
    schedule = Settings(("in",), "out", preset="tlm-s", batch=512, learning_rate=1e-3).schedule()
    assert schedule.tokens == get_preset("tlm-s").schedule.tokens and schedule.steps == 25_000
    assert schedule.last_learning_rate == pytest.approx(1e-5)
    assert schedule.warm_up == 1000


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"batch": 0}, "batch is 0"),
        ({"context": 0}, "context is 0"),
        ({"learning_rate": float("nan")}, "learning rate is nan"),
        ({"last_learning_rate": 1.0}, "last learning rate is 1.0"),
        ({"warm_up": 2000}, "warm-up takes 2,000 of 1,953 steps"),
        ({"tokens": 0}, "tokens is 0"),
        ({"preset": "tlm-xl"}, 'no preset "tlm-xl" to train by. Did you mean "tlm-xs"'),
        ({"preset": "pythia-1b", "last_learning_rate": 0.0}, "it must be above 0"),
    ],
)
def test_figures_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(UsageError, match=message):
        Settings(("in",), "out", **fields).schedule()


def test_a_stopped_cosine_does_not_go_to_its_end():
    schedule = Schedule(8, 1, 300, 1.0, 0.0, stop=200)
    assert schedule.rate(200) == pytest.approx(0.25)
