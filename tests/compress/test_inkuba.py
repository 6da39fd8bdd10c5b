"""InkubaLM's class and checkpoints, on a random model of its shape that the real generator writes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from benchmarks.random_inkuba import make_random_inkuba
from compress.inkuba import expand, from_hub_layout, is_hub_layout, main, register
from compress.inkuba_model import InkubaConfig, InkubaForCausalLM
from oneday.files import write_json

LAYERS = 3
SIZES = {"vocabulary": 600, "hidden_size": 32, "intermediate_size": 48, "layers": LAYERS, "heads": 4}
IDS = torch.arange(3, 23)[None]
Edit = Callable[[dict[str, torch.Tensor]], None]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model in the hub's layout, as pytorch_model.bin."""
    return make_random_inkuba(tmp_path_factory.mktemp("hub") / "model", **SIZES)


@pytest.fixture(scope="module")
def inkuba(hub: Path) -> Path:
    """The same, converted."""
    return from_hub_layout(hub, hub.parent / "inkuba")


def spoilt(source: Path, target: Path, edit: Edit | None = None, **config: Any) -> Path:
    """A copy of a folder in the hub's layout with other tensors or settings."""
    shutil.copytree(source, target)
    if edit is not None:
        tensors = torch.load(target / "pytorch_model.bin", weights_only=True)
        edit(tensors)
        torch.save(tensors, target / "pytorch_model.bin")
    values = json.loads((target / "config.json").read_text())
    write_json(target / "config.json", values | config)
    return target


def load(folder: Path) -> Any:
    register()
    model, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    return model.eval()


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found


def small_model(tied: bool) -> InkubaForCausalLM:
    torch.manual_seed(0)
    return InkubaForCausalLM(
        InkubaConfig(
            vocab_size=100,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=12,
            num_attention_heads=4,
            tie_word_embeddings=tied,
            initializer_range=0.2,
        )
    ).eval()


@pytest.mark.parametrize("tied", [True, False])
def test_saving_writes_the_shared_mlp_once_and_loading_restores_every_bit(tmp_path: Path, tied: bool) -> None:
    model = small_model(tied)
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        names = list(file.keys())
    assert [name for name in names if ".mlp." in name] == [
        f"model.layers.0.mlp.{part}_proj.weight" for part in ("down", "gate", "up")
    ]
    assert ("lm_head.weight" in names) is not tied
    again = load(tmp_path)
    assert type(again) is InkubaForCausalLM
    assert all(layer.mlp is again.model.layers[0].mlp for layer in again.model.layers)
    assert (again.lm_head.weight is again.model.embed_tokens.weight) is tied
    assert len(again.all_tied_weights_keys) == 11 * 3 + tied
    assert torch.equal(logits(again), logits(model))
    unique = 100 * 32 * (1 if tied else 2) + 12 * 4 * 32 * 32 + 3 * 32 * 48 + 25 * 32
    assert again.num_parameters() == unique


def test_registering_twice_does_no_harm_and_the_auto_classes_know_the_type(inkuba: Path) -> None:
    register()
    register()
    assert type(AutoConfig.from_pretrained(inkuba)) is InkubaConfig


def test_the_tokenizer_is_read_as_tokenizer_json_says(hub: Path, inkuba: Path) -> None:
    """transformers' LlamaTokenizer would build another one; the ids are compared with the tokenizers library's own."""
    from tokenizers import Tokenizer

    register()
    tokenizer, raw = AutoTokenizer.from_pretrained(inkuba), Tokenizer.from_file(str(hub / "tokenizer.json"))
    for text in ("Habari ya dunia", "ina  mbili</s> na", "ƙasa 日本", ""):
        assert tokenizer(text)["input_ids"] == raw.encode(text).ids
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id == 1
    assert json.loads((inkuba / "tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_gradient_checkpointing_gives_the_shared_mlp_the_same_gradient() -> None:
    model = small_model(tied=False).train()
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            model.gradient_checkpointing_enable()
        model.zero_grad()
        model(IDS, labels=IDS, use_cache=False).loss.backward()
        gradients.append(model.model.layers[7].mlp.up_proj.weight.grad.clone())
    assert gradients[0].abs().max() > 0
    assert torch.equal(*gradients)


def test_generating_with_a_cache_gives_what_the_whole_text_gives() -> None:
    model = small_model(tied=False)
    settings = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    cached = model.generate(IDS, use_cache=True, **settings)
    assert torch.equal(cached, model.generate(IDS, use_cache=False, **settings))
    assert cached.shape[1] == IDS.shape[1] + 8


def test_rows_packed_by_position_ids_do_not_see_each_other() -> None:
    model = small_model(tied=True)
    positions = torch.cat([torch.arange(12), torch.arange(8)])[None]
    with torch.no_grad():
        packed = model(IDS, position_ids=positions, use_cache=False).logits
        alone = model(IDS[:, 12:], use_cache=False).logits
        unpacked = model(IDS, use_cache=False).logits
    assert (packed[:, 12:] - alone).abs().max() < 1e-4
    assert (unpacked[:, 12:] - alone).abs().max() > 1e-2


def test_a_pointer_to_remote_code_is_neither_needed_nor_run_nor_saved(inkuba: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(inkuba, tmp_path / "model"))
    values = json.loads((folder / "config.json").read_text())
    pointers = {"AutoConfig": "vulavulaslm.X", "AutoModelForCausalLM": "vulavulaslm.VulavulaLlamaForCausalLM"}
    write_json(folder / "config.json", values | {"auto_map": pointers})
    (folder / "vulavulaslm.py").write_text("raise RuntimeError('remote code was run')")
    model = load(folder)
    model.save_pretrained(tmp_path / "saved")
    assert type(model) is InkubaForCausalLM
    assert "auto_map" not in json.loads((tmp_path / "saved" / "config.json").read_text())


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"architectures": ["VulavulaLlamaForCausalLM"]}, True),
        ({"architectures": None, "auto_map": {"AutoModelForCausalLM": "vulavulaslm.VulavulaLlamaForCausalLM"}}, True),
        ({"architectures": ["LlamaForCausalLM"], "auto_map": {"AutoModelForCausalLM": "other.Model"}}, False),
        ({"architectures": ["LlamaForCausalLM"]}, False),
        ({}, False),
    ],
)
def test_the_config_decides_what_is_the_hubs_layout(tmp_path: Path, config: dict[str, Any], expected: bool) -> None:
    write_json(tmp_path / "config.json", config)
    assert is_hub_layout(tmp_path) is expected


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json is absent.*not a model folder"):
        is_hub_layout(tmp_path)


def test_converted_logits_are_those_of_the_eight_copies(hub: Path, inkuba: Path) -> None:
    tensors = torch.load(hub / "pytorch_model.bin", weights_only=True)
    model = load(inkuba)
    reference = LlamaForCausalLM(AutoConfig.for_model("llama", **plain_values(hub))).eval()
    reference.load_state_dict(tensors)
    assert torch.equal(logits(model), logits(reference))
    assert sorted(path.name for path in inkuba.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    written = json.loads((inkuba / "config.json").read_text())
    assert written["architectures"] == ["InkubaForCausalLM"] and written["head_dim"] == 8
    assert written["rope_parameters"]["rope_theta"] == 10000.0 and written["dtype"] == "float32"


def plain_values(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return {key: value for key, value in values.items() if key not in ("model_type", "auto_map", "architectures")}


def test_neither_code_nor_the_sentencepiece_model_is_copied(hub: Path, tmp_path: Path) -> None:
    source = spoilt(hub, tmp_path / "hub")
    (source / "tokenizer.model").write_bytes(b"pieces")
    assert (source / "vulavulaslm.py").is_file()
    written = {path.name for path in from_hub_layout(source, tmp_path / "out").iterdir()}
    assert not written & {"tokenizer.model", "vulavulaslm.py"}


@pytest.mark.parametrize("layout", ["safetensors", "sharded bin", "sharded safetensors", "once"])
def test_every_layout_of_the_weights_gives_the_same_folder(
    hub: Path, inkuba: Path, tmp_path: Path, layout: str
) -> None:
    source = Path(shutil.copytree(hub, tmp_path / "hub"))
    tensors = torch.load(source / "pytorch_model.bin", weights_only=True)
    (source / "pytorch_model.bin").unlink()
    names = sorted(tensors)
    if layout == "once":
        tensors = {name: tensors[name] for name in names if ".mlp." not in name or ".layers.0." in name}
        save_file(tensors, source / "model.safetensors")
    elif layout == "safetensors":
        save_file(tensors, source / "model.safetensors")
    else:
        whole, save = ("pytorch_model.bin", torch.save) if "bin" in layout else ("model.safetensors", save_file)
        places = {}
        for number, part in enumerate((names[::2], names[1::2]), start=1):
            shard = whole.replace(".", f"-{number:05}-of-00002.")
            save({name: tensors[name] for name in part}, source / shard)
            places |= dict.fromkeys(part, shard)
        write_json(source / f"{whole}.index.json", {"weight_map": places})
    out = from_hub_layout(source, tmp_path / "out")
    assert (out / "model.safetensors").read_bytes() == (inkuba / "model.safetensors").read_bytes()


def test_rotary_buffers_of_old_checkpoints_are_left_out(hub: Path, inkuba: Path, tmp_path: Path) -> None:
    def edit(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)

    out = from_hub_layout(spoilt(hub, tmp_path / "hub", edit), tmp_path / "out")
    assert (out / "model.safetensors").read_bytes() == (inkuba / "model.safetensors").read_bytes()


def bump(name: str) -> Edit:
    """Change one number of a tensor by one bit."""

    def edit(tensors: dict[str, torch.Tensor]) -> None:
        tensors[name].view(torch.int32).view(-1)[5] ^= 1

    return edit


def drop(name: str) -> Edit:
    return lambda tensors: tensors.__delitem__(name)


def put(name: str, *shape: int) -> Edit:
    return lambda tensors: tensors.__setitem__(name, torch.zeros(shape))


@pytest.mark.parametrize(
    ("edit", "config", "message"),
    [
        (
            bump("model.layers.2.mlp.up_proj.weight"),
            {},
            r"model\.layers\.2\.mlp\.up_proj\.weight differs from model\.layers\.0\.mlp\.up_proj\.weight.*plain Llama: "
            r'set architectures to \["LlamaForCausalLM"\]',
        ),
        (None, {"head_dim": 16}, r"head_dim: 16 does not fit.*q_proj has 32 rows, not 64; set head_dim to 8"),
        (None, {"num_key_value_heads": 2}, r"head_dim: 8 does not fit.*k_proj has 32 rows, not 16; set head_dim to 16"),
        (None, {"hidden_size": 64}, r"head_dim|has shape \(600, 32\), by config\.json it should be \(600, 64\)"),
        (drop("model.norm.weight"), {}, r"the weights lack model\.norm\.weight \(1 in all\)"),
        (drop("lm_head.weight"), {}, r"lack lm_head\.weight .*; if the head is tied, set tie_word_embeddings to true"),
        (None, {"num_hidden_layers": 2}, r"hold model\.layers\.2\.\S+ \(9 in all\).*num_hidden_layers: 2"),
        (put("model.extra.weight", 2), {}, r"hold model\.extra\.weight \(1 in all\)"),
        (None, {"tie_word_embeddings": True}, r"lm_head\.weight differs from .*set tie_word_embeddings to false"),
        (None, {"architectures": ["LlamaForCausalLM"], "auto_map": None}, r"names LlamaForCausalLM, not Vulavula"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    hub: Path, tmp_path: Path, edit: Edit | None, config: dict[str, Any], message: str
) -> None:
    source = spoilt(hub, tmp_path / "hub", edit, **config)
    with pytest.raises(ValueError, match=message):
        from_hub_layout(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["hub"]


class RunsCode:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code in a pickle was run",)


def test_a_bin_file_that_is_absent_cut_off_or_no_bin_file_is_refused(
    hub: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = spoilt(hub, tmp_path / "hub")
    weights = source / "pytorch_model.bin"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"pytorch_model\.bin is cut off .*download it again"):
        from_hub_layout(source, tmp_path / "out")
    weights.write_bytes(b"")
    with pytest.raises(ValueError, match="is cut off"):
        from_hub_layout(source, tmp_path / "out")
    torch.save({"a": RunsCode()}, weights)
    with pytest.raises(ValueError, match="holds more than tensors"):
        from_hub_layout(source, tmp_path / "out")
    torch.save({"a": 1}, weights)
    with pytest.raises(ValueError, match="not a mapping of names to tensors"):
        from_hub_layout(source, tmp_path / "out")
    torch.save({"a": torch.ones(1)}, weights, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"before torch 1\.6"):
        from_hub_layout(source, tmp_path / "out")
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no weights: looked for model\.safetensors and pytorch_model"):
        from_hub_layout(source, tmp_path / "out")
    assert "code in a pickle" not in capfd.readouterr().out


def test_shards_that_are_absent_or_elsewhere_are_refused(hub: Path, tmp_path: Path) -> None:
    source = spoilt(hub, tmp_path / "hub")
    (source / "pytorch_model.bin").unlink()
    index = source / "model.safetensors.index.json"
    for content, message in (
        ({"weight_map": {"a": "model-00001-of-00001.safetensors"}}, "00001.safetensors is absent, though .* lists it"),
        ({"weight_map": {"a": "../other.safetensors"}}, "outside of its own folder"),
        ({"weight_map": {}}, "lists no shards under weight_map"),
    ):
        write_json(index, content)
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            from_hub_layout(source, tmp_path / "out")
    index.write_text("[1")
    with pytest.raises(ValueError, match="is not valid JSON"):
        from_hub_layout(source, tmp_path / "out")
    index.write_text("[1]")
    with pytest.raises(ValueError, match="holds no JSON object"):
        from_hub_layout(source, tmp_path / "out")


def test_safetensors_that_are_cut_off_are_refused(inkuba: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(inkuba, tmp_path / "model"))
    content = (inkuba / "model.safetensors").read_bytes()
    for length in (len(content) - 1, 200, 4):
        (folder / "model.safetensors").write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"model\.safetensors is cut off"):
            expand(folder, tmp_path / "out")


@pytest.mark.parametrize("tied", [True, False])
def test_the_expanded_copy_is_a_plain_llama_with_the_same_logits(tmp_path: Path, tied: bool) -> None:
    model = small_model(tied)
    model.config.rope_parameters["rope_theta"] = 5000.0
    model.save_pretrained(tmp_path / "inkuba")
    model = load(tmp_path / "inkuba")
    plain = load(expand(tmp_path / "inkuba", tmp_path / "plain"))
    assert type(plain) is LlamaForCausalLM
    assert torch.equal(logits(plain), logits(model))
    mlps = {layer.mlp.up_proj.weight.data_ptr() for layer in plain.model.layers}
    assert len(mlps) == 12
    values = json.loads((tmp_path / "plain" / "config.json").read_text())
    assert (values["model_type"], values["rope_theta"], values["head_dim"]) == ("llama", 5000.0, 8)
    assert len(load_file(tmp_path / "plain" / "model.safetensors")) == 12 * 9 + 2 + (not tied)


@pytest.mark.slow
def test_the_expanded_copy_loads_where_nothing_of_this_project_is_known(inkuba: Path, tmp_path: Path) -> None:
    plain = expand(inkuba, tmp_path / "plain")
    code = (
        "import sys, torch; from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "model = AutoModelForCausalLM.from_pretrained(sys.argv[1])\n"
        "AutoTokenizer.from_pretrained(sys.argv[1])\n"
        "print(float(model(torch.arange(3, 23)[None]).logits.double().sum()))\n"
        "assert 'compress' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(plain)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert float(done.stdout) == float(logits(load(inkuba)).double().sum())


def test_expanding_another_model_says_what_would_work(hub: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"in the hub's layout; run python -m compress\.inkuba convert first"):
        expand(hub, tmp_path / "out")
    with pytest.raises(ValueError, match="names LlamaForCausalLM, not InkubaForCausalLM: nothing to expand"):
        expand(tiny_model_dir, tmp_path / "out")


def test_a_target_that_exists_is_left_alone(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists already; remove it, or name another folder"):
        from_hub_layout(hub, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_converts_expands_and_reports_errors_in_a_line(
    hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(hub), str(tmp_path / "inkuba")]) == 0
    assert main(["expand", str(tmp_path / "inkuba"), str(tmp_path / "plain")]) == 0
    assert "plain is ready" in capsys.readouterr().out
    assert main(["expand", str(tmp_path / "absent"), str(tmp_path / "out")]) == 1
    assert "Error: " in capsys.readouterr().err
    assert main(["shrink"]) == 2


def test_the_help_says_which_command_one_needs_without_loading_torch() -> None:
    code = (
        "import sys; from compress.inkuba import main; main(['--help']); "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "vLLM, llama.cpp, HELM" in done.stdout and "weights from the hub" in done.stdout
