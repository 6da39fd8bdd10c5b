"""The keys that `training.plugin.OneDayPlugin` adds to an Axolotl file."""

from pydantic import BaseModel, Field


class OneDayArgs(BaseModel):
    """Arguments of the plugin; Axolotl mixes this class into its own schema."""

    oneday_base_model_from: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]+:[^:]+\.gguf$",
        description="package:file.gguf: an installed Python package that carries the base model.",
    )
