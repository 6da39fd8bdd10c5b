"""Does a manifest add up? Its page and its card show its numbers as sums."""

from collections.abc import Iterator

from data_prep.mixing.records import TOKEN_EDGES, Manifest, SourceResult


def check_sums(manifest: Manifest) -> None:
    """Raise ValueError, with the names of the sources, for numbers that are no sums of their parts."""
    faults = [fault for source in manifest.sources for fault in _faults(source)]
    used = sum(source.train + source.eval for source in manifest.sources)
    written = sum(file.rows for file in manifest.files)
    if written != used:
        names = ", ".join(file.name for file in manifest.files) or "no file"
        faults.append(f"{names}: {written:,} rows, but the sources gave {used:,}")
    if not used:
        faults.append("no source gave a row")
    if faults:
        raise ValueError(f"the manifest does not add up: {'; '.join(faults)}. Run the stage 'mix' again")


def _faults(source: SourceResult) -> Iterator[str]:
    used, dropped = source.train + source.eval, sum(source.dropped.values())
    if source.read != used + dropped:
        yield (
            f"source '{source.name}': {source.read:,} rows read, but {used + dropped:,} accounted for "
            f"({source.train:,} to train, {source.eval:,} to evaluate, {dropped:,} dropped)"
        )
    in_tasks = sum(task.rows for task in source.tasks)
    if in_tasks != used:
        yield f"source '{source.name}': {used:,} rows used, but {in_tasks:,} in its tasks"
    bins = source.token_histogram
    if len(bins) != len(TOKEN_EDGES) or sum(bins) != used:
        yield (
            f"source '{source.name}': {used:,} rows used, but {sum(bins):,} in {len(bins)} bins of its token "
            f"histogram (which should have {len(TOKEN_EDGES)})"
        )
