"""Several processes, on CPUs and over gloo: as GPUs train together, but for what computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the extra adapt")

import together
import torch
from safetensors.torch import load_file

import prox
from prox.adapt.language_model.fine_tuning import Settings, keep_settings, last_checkpoint, steps_for
from prox.errors import UsageError

HERE = Path(__file__).resolve().parent
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def launch(*arguments, **environment):
    known = {name: value for name, value in os.environ.items() if not name.startswith("TOGETHER_")}
    known |= {"OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [*TORCHRUN, *map(str, arguments)], env=known, capture_output=True, text=True, errors="replace", timeout=1200
    )


@pytest.fixture(scope="module")
def alone(base, tmp_path_factory):
    """The same training in this one process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("alone") / "refiner"
    adapted = together.train(base, folder, {})
    torch.set_num_threads(before)
    return folder, adapted


def apart(base, folder, other):
    """How far two trainings ended from each other, as a share of the way that they went."""
    start, one, two = (load_file(Path(each) / "model.safetensors") for each in (base, folder, other))
    assert one.keys() == two.keys()
    way = sum((one[name] - start[name]).norm() ** 2 for name in one)
    return float((sum((one[name] - two[name]).norm() ** 2 for name in one) / way) ** 0.5)


def killed_and_gone_on(base, folder, **environment):
    process = launch(HERE / "together.py", base, folder, "{}", TOGETHER_KILL="1", **environment)
    assert process.returncode != 0 and "Signal 9" in process.stderr, process.stderr
    assert (folder / "training/checkpoints").is_dir() and not (folder / "config.json").exists()
    process = launch(HERE / "together.py", base, folder, "{}", **environment)
    assert process.returncode == 0, process.stderr
    found = [json.loads(Path(f"{folder}-{rank}.json").read_text()) for rank in range(2)]
    assert found[0]["steps"] and min(found[0]["steps"]) > 1, "it began anew"
    return found


def test_two_processes_that_are_killed_go_on_to_the_weights_of_one(alone, base, tmp_path):
    main, other = killed_and_gone_on(base, tmp_path / "two")
    assert apart(base, alone[0], tmp_path / "two") < 1e-3
    assert json.loads(json.dumps(alone[1].before)) == main["before"]
    for name in ("scores", "before", "validations"):
        assert main[name] == other[name]
    assert other["steps"] == [], "the other process reported"
    assert all(path.endswith("rng_state_1.pth") for path in other["written"]), "the other process wrote"
    assert {"prox.json", "README.md"} <= set(main["written"])


def test_a_model_in_shards_is_judged_saved_and_gone_on_with_as_a_whole(base, tmp_path):
    process = launch(HERE / "together.py", base, tmp_path / "unbroken", "{}", TOGETHER_SHARDED="1")
    assert process.returncode == 0, process.stderr
    main, other = killed_and_gone_on(base, tmp_path / "sharded", TOGETHER_SHARDED="1")
    assert apart(base, tmp_path / "unbroken", tmp_path / "sharded") < 1e-3
    assert main["scores"] == other["scores"] and main["validations"] == other["validations"]
    first, last = main["validations"]
    kept = max(
        first["eval_choice"], last["eval_choice"]
    )  # whether the second half of it gains depends on the processor
    assert main["scores"]["choice"] == kept, "the best checkpoint was not kept"
    assert json.loads((tmp_path / "sharded/prox.json").read_text())["scores"] == main["scores"]
    [result] = prox.refine(["Home | Log in\nPage 99 is about moss."], refiner=f"transformers:{tmp_path / 'sharded'}")
    assert result.text


AGREEMENT = """
import os, sys, random
from prox.adapt.language_model import processes
from prox.errors import ProxError, RunError, UsageError

rank = int(os.environ["RANK"])
processes.join()
assert processes.of_main(lambda: ("of", rank)) == ("of", 0)
for kind in (UsageError, RunError, KeyError):
    def fail():
        raise kind("too few pages")
    try:
        processes.of_main(fail)
    except Exception as error:
        assert "too few pages" in str(error) and isinstance(error, kind if rank == 0 or kind != KeyError else RunError)
    else:
        raise AssertionError("no error")
order = list(range(50))
random.seed(rank)
random.shuffle(order)
drawn = list(processes.SameOrder(order))
processes.check_same("examples", str(drawn))
try:
    processes.check_same("examples", str(rank))
except RunError as error:
    assert rank == 1 and "process 1 has other examples" in str(error)
else:
    assert rank == 0
processes.leave()
"""


def test_what_the_main_process_finds_or_fails_at_is_told_to_all(tmp_path):
    (tmp_path / "agreement.py").write_text(AGREEMENT)
    process = launch(tmp_path / "agreement.py")
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize(
    ("batch", "device_batch", "devices", "steps"),
    [
        (64, 8, 1, (8, 8, 64)),
        (64, 8, 4, (8, 2, 64)),
        (8, 8, 4, (2, 1, 8)),
        (4, 8, 1, (8, 1, 8)),
        (2, 8, 4, (1, 1, 4)),
        (64, 8, 3, (8, 3, 72)),
    ],
)
def test_a_batch_is_shared_by_the_devices_and_says_what_it_is_where_it_cannot_be_reached(
    batch, device_batch, devices, steps
):
    found = steps_for(Settings(batch=batch, device_batch=device_batch), devices)
    assert (found.device_batch, found.accumulation, found.batch) == steps


def test_checkpoints_are_not_gone_on_with_by_another_number_of_processes(tmp_path, monkeypatch):
    keep_settings(tmp_path, Settings(), {})
    stored = json.loads((tmp_path / "settings.json").read_text())
    del stored["processes"]  # as it was written before there could be several
    (tmp_path / "settings.json").write_text(json.dumps(stored))
    keep_settings(tmp_path, Settings(), {})
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="holds a training with processes '1', not '2'"):
        keep_settings(tmp_path, Settings(), {})
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UsageError, match="not '2, sharded'"):
        keep_settings(tmp_path, Settings(), {})


def test_a_checkpoint_that_was_not_finished_is_not_gone_on_from(tmp_path):
    assert last_checkpoint(tmp_path) is None
    for step in (90, 120, 1000):
        (tmp_path / f"checkpoints/checkpoint-{step}").mkdir(parents=True)
        (tmp_path / f"checkpoints/checkpoint-{step}/model.safetensors").touch()
    assert last_checkpoint(tmp_path) is None
    for step, state in ((90, "{}"), (120, '{"global_step": 120}'), (1000, '{"global_st')):
        (tmp_path / f"checkpoints/checkpoint-{step}/trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoints/checkpoint-120")


@pytest.mark.parametrize(
    ("variable", "advice"), [("ACCELERATE_USE_DEEPSPEED", "DDP or FSDP"), ("ACCELERATE_USE_FSDP", "fsdp_version: 2")]
)
def test_what_a_launcher_can_do_and_training_cannot_is_refused_at_once(monkeypatch, tmp_path, variable, advice):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv(variable, "true")
    with pytest.raises(UsageError, match=advice):
        together.train("no-model", tmp_path / "new", {})
    assert not (tmp_path / "new").exists()


def test_one_process_has_nobody_to_share_a_model_with(monkeypatch, tmp_path):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UsageError, match="two processes or more"):
        together.train("no-model", tmp_path / "new", {})
