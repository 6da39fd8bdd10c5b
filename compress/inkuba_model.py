"""InkubaLM in today's transformers: a Llama whose decoder layers all use one and the same MLP module.

The published model brings code of its own that no longer runs. Here it is a configuration and a model class; made
known to the Auto classes by `compress.inkuba.register`. Saving writes the shared weights once.
"""

from typing import Any

from transformers import LlamaConfig, LlamaForCausalLM

MODEL_TYPE = "inkuba"


class InkubaConfig(LlamaConfig):  # type: ignore[misc]  # transformers is untyped
    """Llama's settings under a model type of their own. A pointer to remote code is dropped, and so never saved."""

    model_type = MODEL_TYPE

    def __post_init__(self, **kwargs: Any) -> None:
        kwargs.pop("auto_map", None)
        super().__post_init__(**kwargs)


class InkubaForCausalLM(LlamaForCausalLM):  # type: ignore[misc]
    """A Llama with one MLP: `model.layers[i].mlp` is the same module for every i, the head tied or not.

    Parameters are counted once. `state_dict` names the MLP in every layer; `save_pretrained` writes layer 0's alone.
    """

    config_class = InkubaConfig

    def __init__(self, config: InkubaConfig) -> None:
        super().__init__(config)
        shared = self.model.layers[0].mlp
        for layer in self.model.layers[1:]:
            layer.mlp = shared
        names = [name for name, _ in shared.named_parameters()]
        self._mlp_copies = {
            f"model.layers.{layer}.mlp.{name}": f"model.layers.0.mlp.{name}"
            for layer in range(1, config.num_hidden_layers)
            for name in names
        }
        self._tied_weights_keys: dict[str, str] = LlamaForCausalLM._tied_weights_keys | self._mlp_copies
        self.all_tied_weights_keys = self.get_expanded_tied_weights_keys()

    def get_expanded_tied_weights_keys(self, all_submodels: bool = False) -> dict[str, str]:
        """Which parameters are which other ones: the MLP's too where the head is not tied."""
        tied: dict[str, str] = super().get_expanded_tied_weights_keys(all_submodels)
        return tied | getattr(self, "_mlp_copies", {})
