"""Stage translate: fields of a data set -> the same rows in another language, by a machine translation model.

    python -m data_prep.translate recipes/inkuba-50m [--out DIR] [--dry-run]

Writes 04a_translate/translated.jsonl (the rows with their other columns as they were) and dropped.jsonl (the first rows
of each reason, to look at). Equal texts are translated once. A run that is cut off goes on at the batch it had reached;
the translations are kept in work/, so that another quality filter needs no new ones.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

from data_prep.mixing.plan import reasons
from data_prep.sources.data_set import fingerprint, told_of
from data_prep.sources.mix_config import DataSet
from data_prep.translating.config import Translate
from data_prep.translating.model_folder import file_hashes, model_fingerprint, model_folder
from data_prep.translating.quality import Translation, reason_to_drop
from data_prep.translating.rows import Selection, SourceRow, select_rows
from data_prep.translating.translator import device, load_translator
from oneday.console import progress, stage_main
from oneday.files import atomic_write, sha256_json
from oneday.recipe import Recipe
from oneday.run_paths import stage_input
from oneday.stage import Outcome, Stage, StageError
from serve.batch import Group, answer_groups, journaled_answers

DECODING = 1  # raise it when a change to the translator alters what it writes: no journal is then taken up
EXAMPLES = 20  # rows of each reason in dropped.jsonl
LIBRARIES = ("torch", "transformers", "tokenizers")
SHAPES_TEXT = ("source_language", "target_language", "beams", "batch_size", "max_input_tokens", "max_new_tokens")


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Translate the rows, and drop those whose translation is no good."""
    settings = _settings_of(recipe)
    work = output_dir / "work"
    selection = select_rows(settings, run_dir, work / "downloads")
    if not selection.rows:
        raise StageError(
            f"translate: there is no row to translate of {selection.read:,} ({reasons(selection.dropped)})"
        )
    folder = model_folder(settings, run_dir)
    translations = translate_texts(selection.texts, settings, folder, work)
    fates = [(row, _reason(row, translations, settings)) for row in selection.rows]
    dropped = Counter(reason for _, reason in fates if reason is not None)
    if dropped.total() == len(fates):
        raise StageError(
            f"translate: none of {len(fates):,} rows has a translation that may be used ({reasons(dropped)}); look at "
            "model, languages and quality"
        )
    kept = [row for row, reason in fates if reason is None]
    _write_lines(output_dir / "translated.jsonl", (_translated(row, translations) for row in kept))
    _write_lines(output_dir / "dropped.jsonl", _examples(fates, translations))
    return _outcome(selection, kept, dropped, translations, folder)


def translate_texts(texts: list[str], settings: Translate, folder: Path, work: Path) -> dict[str, Translation]:
    """The translation of each text; those that the journal in `work` holds are not made again.

    The journal is named after all that shapes a translation: texts (which make the batches), model, settings, libraries
    and device. Journals of other names are deleted at the end.
    """
    shape = settings.model_dump(include=set(SHAPES_TEXT))
    versions = {name: metadata.version(name) for name in LIBRARIES}
    key = sha256_json([DECODING, texts, file_hashes(folder), shape, versions, device()])
    journal = work / f"translations-{key[:16]}.jsonl"
    group = Group("translate", [str(number) for number in range(len(texts))], texts, settings.max_new_tokens)
    answered = journaled_answers([group], journal)
    with progress(len(texts), "translate", "text", len(answered)) as bar:
        answers = answer_groups([group], answered, lambda: load_translator(folder, settings), journal, bar.update)
    for other in work.glob("translations-*.jsonl"):
        if other != journal:
            other.unlink()
    return {
        text: Translation.model_validate_json(answers["translate", number])
        for number, text in zip(group.ids, texts, strict=True)
    }


def _reason(row: SourceRow, translations: Mapping[str, Translation], settings: Translate) -> str | None:
    """Why a row is dropped: the reason of its first text that has one."""
    found = (reason_to_drop(text, translations[text], settings.quality) for text in row.texts.values())
    return next((reason for reason in found if reason is not None), None)


def _translated(row: SourceRow, translations: Mapping[str, Translation]) -> dict[str, Any]:
    """The row in the other language; its place serves as `id` where it has none."""
    values = {**row.values, **{name: translations[text].text for name, text in row.texts.items()}}
    if values.get("id") is None:
        values["id"] = row.place
    return values


def _examples(
    fates: Iterable[tuple[SourceRow, str | None]], translations: Mapping[str, Translation]
) -> Iterator[dict[str, Any]]:
    """The first EXAMPLES rows of each reason, each text beside its translation."""
    shown: Counter[str] = Counter()
    for row, reason in fates:
        if reason is not None and shown[reason] < EXAMPLES:
            shown[reason] += 1
            pairs = {name: {"source": text, "translation": translations[text].text} for name, text in row.texts.items()}
            yield {"reason": reason, "place": row.place, "label": row.label, **pairs}


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with atomic_write(path) as file:
        for row in rows:
            try:
                file.write(orjson.dumps(row).decode() + "\n")
            except orjson.JSONEncodeError as error:
                place = f"translate.data: row {row['id'] if 'id' in row else row['place']}"
                message = f"{place}: a column cannot be written as JSON ({error}); leave it out of the data"
                raise ValueError(message) from error


def _outcome(
    selection: Selection,
    kept: list[SourceRow],
    dropped: Counter[str],
    translations: Mapping[str, Translation],
    folder: Path,
) -> Outcome:
    """What the stage reports: rows by label, in and out, and each reason."""
    kept_of_label = Counter(row.label for row in kept)
    labels = {
        label: {"read": read, "taken": selection.taken_of_label[label], "translated": kept_of_label[label]}
        for label, read in sorted(selection.read_of_label.items())
    }
    counts = {
        "read": selection.read,
        "taken": len(selection.rows),
        "texts": len(translations),
        "texts_cut": sum(translation.source_cut for translation in translations.values()),
        "translated": len(kept),
    }
    all_dropped = selection.dropped + dropped
    return Outcome(
        counts, dict(sorted(all_dropped.items())), {"labels": labels, "model": folder.name, "device": device()}
    )


def _settings_of(recipe: Recipe) -> Translate:
    if recipe.data.translate is None:
        raise StageError(f"{recipe.folder}: there is no translate in {recipe.data_file}, so there is nothing to do")
    return recipe.data.translate


def _data_sets(settings: Translate) -> dict[str, DataSet]:
    """Every data set that is read, by its place in the recipe."""
    tables = {f"translate.competition_rows: {table.name}": table.data_set() for table in settings.competition_rows}
    return {"translate.data": settings.data} | tables


def _inputs(recipe: Recipe) -> tuple[str, ...]:
    """What is read of earlier stages."""
    settings = recipe.data.translate
    if settings is None:
        return ()
    paths = [data_set.path for data_set in _data_sets(settings).values()]
    below = (stage_input(path) for path in (*paths, settings.model))
    return tuple(dict.fromkeys(path for path in below if path is not None))


def _fingerprints(settings: Translate) -> dict[str, Any]:
    """What each data set is that no earlier stage wrote."""
    prints = {}
    for place, data_set in _data_sets(settings).items():
        if stage_input(data_set.path) is None:
            with told_of(place):
                prints[place] = fingerprint(data_set)
    return prints


def _stage_settings(recipe: Recipe) -> dict[str, Any]:
    settings = recipe.data.translate
    if settings is None:
        return {}
    return {
        "translate": settings.model_dump(mode="json"),
        "data": _fingerprints(settings),
        "model": model_fingerprint(settings),
        "versions": {name: metadata.version(name) for name in LIBRARIES},
    }


def preview(recipe: Recipe, run_dir: Path) -> str:
    """How many texts there are to translate; the model is not loaded. What is on a hub is not read."""
    settings = _settings_of(recipe)
    direction = f"{settings.source_language} -> {settings.target_language} by {settings.model}"
    if any("hub" in found for found in _fingerprints(settings).values()):
        return f"  {direction}: data of the hub, which is counted once it is downloaded"
    if any(not (run_dir / path).exists() for path in _inputs(recipe)):
        return f"  {direction}: rows of an earlier stage, which is to run first"
    selection = select_rows(settings, run_dir, run_dir / STAGE.folder / "work" / "downloads")
    by_label = ", ".join(f"{label}: {count:,}" for label, count in sorted(selection.taken_of_label.items()))
    dropped = f"; not taken: {reasons(selection.dropped)}" if selection.dropped else ""
    return f"  {direction}: {len(selection.texts):,} texts of {len(selection.rows):,} rows ({by_label}){dropped}"


STAGE = Stage(
    name="translate",
    folder="04a_translate",
    module="data_prep.translate",
    summary="Translate fields of a data set by a machine translation model, and drop bad translations.",
    inputs=_inputs,
    settings=_stage_settings,
    run=run,
    keeps_folder=True,
    artefacts=("translated.jsonl", "dropped.jsonl"),
    preview=preview,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
