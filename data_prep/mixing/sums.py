"""Does a manifest add up? Its page and its card show its numbers as sums."""

from collections.abc import Iterator, Sequence

from data_prep.mixing.records import TOKEN_EDGES, Manifest, SourceResult, TaskRows

SPLITS = ("train", "eval", "test")
MOST_SUMMED = 40  # different tasks that a table shows


def check_sums(manifest: Manifest) -> None:
    """Raise ValueError, with the names of the sources, for numbers that are no sums of their parts."""
    faults = [fault for source in manifest.sources for fault in _faults(source)]
    for subset in (None, *manifest.subsets):
        names = None if subset is None else manifest.subsets[subset]
        used = sum(source.used for source in manifest.sources if names is None or source.name in names)
        files = [file for file in manifest.files if file.subset == subset]
        written = sum(file.rows for file in files)
        if written != used:
            named = ", ".join(file.name for file in files) or "no file"
            faults.append(f"{named}: {written:,} rows, but the sources gave {used:,}")
    if not any(source.used for source in manifest.sources):
        faults.append("no source gave a row")
    if faults:
        raise ValueError(f"the manifest does not add up: {'; '.join(faults)}. Run the stage 'mix' again")


def tasks_of_all(manifest: Manifest) -> list[TaskRows]:
    """The tasks of all sources together, the largest first; none where there is one, or more than MOST_SUMMED."""
    tasks = [task for source in manifest.sources for task in source.tasks]
    names = {task.task for task in tasks}
    if not 1 < len(names) <= MOST_SUMMED:
        return []
    return sorted((_sum(name, tasks) for name in sorted(names)), key=lambda task: -task.rows)


def _sum(name: str, tasks: Sequence[TaskRows]) -> TaskRows:
    own = [task for task in tasks if task.task == name]
    numbers = [number for number in TaskRows.model_fields if number != "task"]
    return TaskRows(task=name, **{number: sum(getattr(task, number) for task in own) for number in numbers})


def _faults(source: SourceResult) -> Iterator[str]:
    used, dropped = source.used, sum(source.dropped.values())
    if source.read != used + dropped:
        tested = f"{source.test:,} to test, " if source.test else ""
        yield (
            f"source '{source.name}': {source.read:,} rows read, but {used + dropped:,} accounted for "
            f"({source.train:,} to train, {source.eval:,} to evaluate, {tested}{dropped:,} dropped)"
        )
    in_tasks = sum(task.rows for task in source.tasks)
    if in_tasks != used:
        yield f"source '{source.name}': {used:,} rows used, but {in_tasks:,} in its tasks"
    for split in SPLITS:
        own, in_tasks = getattr(source, split), sum(getattr(task, split) for task in source.tasks)
        if own != in_tasks:
            yield f"source '{source.name}': {own:,} rows in {split}, but {in_tasks:,} of its tasks"
    bins = source.token_histogram
    if len(bins) != len(TOKEN_EDGES) or sum(bins) != used:
        yield (
            f"source '{source.name}': {used:,} rows used, but {sum(bins):,} in {len(bins)} bins of its token "
            f"histogram (which should have {len(TOKEN_EDGES)})"
        )
