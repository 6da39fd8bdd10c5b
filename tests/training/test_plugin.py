"""The plugin inside Axolotl's process."""

import gc
import sys
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from training.running.processes import Refused


@pytest.fixture
def plugin() -> Any:
    from training.plugin import OneDayPlugin

    return OneDayPlugin()


def test_a_4_bit_layer_still_has_a_gradient_after_an_evaluation(plugin: Any) -> None:
    """On a CPU with AVX512-BF16 it has none without the plugin; on others bitsandbytes 0.50.2 is right by itself."""
    import torch
    from bitsandbytes.nn import Linear4bit

    torch.manual_seed(0)
    layer = Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4").to("cpu")
    model = torch.nn.Sequential(layer)
    plugin.post_model_load(SimpleNamespace(), model)
    layer.weight.requires_grad_(False)
    model.eval()
    with torch.no_grad():
        model(torch.ones(2, 64))
    model.train()
    inputs = torch.ones(2, 64, requires_grad=True)
    model(inputs).sum().backward()
    assert inputs.grad is not None
    assert torch.count_nonzero(inputs.grad) > 0


def test_a_finished_training_is_left_as_it_is(plugin: Any, tmp_path: Any, capsys: Any) -> None:
    from training.running.checkpoints import write_start

    plugin.register({"base_model": "some/model", "learning_rate": 1})
    write_start(tmp_path, plugin._record, finished=True)
    with pytest.raises(SystemExit) as end:
        plugin.load_datasets(SimpleNamespace(output_dir=str(tmp_path)))
    assert end.value.code == 0
    assert "finished; move it away to train again" in capsys.readouterr().out


def test_the_token_cache_is_keyed_by_the_content_of_the_data(plugin: Any, tmp_path: Any) -> None:
    data = tmp_path / "train.jsonl"
    paths = []
    for content in ("one", "two"):
        data.write_text(content)
        cfg = {"base_model": "some/model", "datasets": [{"path": str(data)}], "dataset_prepared_path": "prepared"}
        plugin.register(cfg)
        paths.append(cfg["dataset_prepared_path"])
    assert paths[0] != paths[1]


def test_a_second_training_in_the_same_folder_is_refused(plugin: Any, tmp_path: Any) -> None:
    from axolotl.utils.dict import DictDefault

    from training.plugin import OneDayPlugin

    cfg = DictDefault({"output_dir": str(tmp_path), "rl": "dpo"})  # whose rows are not looked at
    plugin.load_datasets(cfg)
    with pytest.raises(Refused, match="another training is at work"):
        OneDayPlugin().load_datasets(cfg)


def test_garbage_is_looked_for_only_among_what_is_made_after_the_start(plugin: Any, tmp_path: Any) -> None:
    from axolotl.utils.dict import DictDefault

    gc.unfreeze()
    plugin.load_datasets(DictDefault({"output_dir": str(tmp_path), "rl": "dpo"}))
    try:
        assert gc.get_freeze_count() > 100_000, "the modules of torch, transformers and Axolotl"
        cycle: Any = type("Cycle", (), {})()
        cycle.itself, made_later = cycle, weakref.ref(cycle)
        del cycle
        gc.collect()
        assert made_later() is None
    finally:
        gc.unfreeze()


def test_the_shuffles_that_steps_are_counted_of_are_those_of_the_seed(
    plugin: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Axolotl counts the steps while it loads the rows: unseeded, 59 or 60 for the quickstart, and another schedule.

    What loads them is not imported here: its imports take streams from pytest that it still needs.
    """
    import torch
    from axolotl.utils.dict import DictDefault

    class Counted(Exception):
        pass

    def count(cfg: Any) -> None:
        raise Counted(torch.rand(3).tolist())

    monkeypatch.setitem(sys.modules, "axolotl.common.datasets", SimpleNamespace(load_datasets=count))
    monkeypatch.setitem(sys.modules, "axolotl.loaders", SimpleNamespace(load_tokenizer=None))
    drawn = []
    for state in (1, 2):
        torch.manual_seed(state)
        with pytest.raises(Counted) as counted:
            type(plugin)().load_datasets(DictDefault({"output_dir": str(tmp_path / str(state)), "seed": 42}))
        drawn.append(counted.value.args[0])
    gc.unfreeze()
    assert drawn[0] == drawn[1]


def test_checkpoints_of_other_settings_are_refused_not_resumed(plugin: Any, tmp_path: Any) -> None:
    from training.plugin import OneDayPlugin
    from training.running.checkpoints import write_start

    (tmp_path / "checkpoint-5").mkdir()
    write_start(tmp_path, {"settings": "other"}, finished=False)
    plugin.register({"base_model": "some/model", "learning_rate": 1})
    with pytest.raises(Refused, match="other settings or data"):
        plugin.load_datasets(SimpleNamespace(output_dir=str(tmp_path)))
    assert (tmp_path / "checkpoint-5").is_dir()
    assert OneDayPlugin().get_training_args({}) == {"eval_on_start": False}
