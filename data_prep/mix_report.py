"""Write what the stage mix says of its result: manifest.json, the dataset card README.md, report.html."""

from importlib import metadata
from pathlib import Path

import yaml

from data_prep import mix_page
from data_prep.mixing import card
from data_prep.mixing.records import Manifest
from data_prep.mixing.rules import rules_in_words
from oneday.files import atomic_write, write_json
from oneday.recipe import Recipe


def write_reports(recipe: Recipe, manifest: Manifest, output_dir: Path) -> None:
    """Write all three below `output_dir`."""
    write_json(output_dir / "manifest.json", manifest.model_dump())
    settings = recipe.data.mix.model_dump(mode="json", exclude_unset=True)
    shown = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=100)
    rules = rules_in_words(recipe.data.mix)
    page = mix_page.render_mix_page(f"Training set of {recipe.name}", manifest, page_facts(recipe), shown, rules)
    language = recipe.data.mix.language
    text_of_card = card.render_card(manifest, rules, () if language is None else language.keep)
    for name, text in (("report.html", page), ("README.md", text_of_card)):
        with atomic_write(output_dir / name) as file:
            file.write(text)


def template_hashes() -> dict[str, str]:
    """The hash of every file that shapes page and card beside the code, for the settings of the stage."""
    return mix_page.template_hashes() | card.template_hashes()


def page_facts(recipe: Recipe) -> dict[str, str]:
    """What the head of the page states of the recipe."""
    return {
        "Tokenizer": recipe.base_model,
        "Seed": str(recipe.data.seed),
        "Versions": ", ".join(f"{name} {metadata.version(name)}" for name in ("polars", "numpy", "rapidfuzz")),
    }
