"""Several entries' results -> their ranking by the challenge's score, with plain means and how firm the order is.

    python -m eval.rank runs/a runs/b [--table results.csv] [--json ranking.json]
    python -m eval.rank --table win_rates.csv

A RUN is a run folder, for its tuned model, or a folder of HELM's output; NAME=FOLDER names the entry. The table has
entry, scenario, metric and value, or entry, scenario and win_rate. Prints Markdown; --json writes all numbers in full
precision.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from eval.config import Bootstrap
from eval.ranking.challenge import CHALLENGE
from eval.ranking.records import Ranking
from eval.ranking.scenario import Entry, Scenario
from oneday.console import run_command, typer_main
from oneday.files import atomic_write

HELP = """Rank entries as the judges of the challenge did: mean win rates, open, hidden and full score.

RUNS are one an entry: a run folder, of which the tuned model is ranked (for the base model, RUN/helm/base), or a
folder of HELM's output, benchmark_output/runs/SUITE or above it. NAME=FOLDER names the entry, else the folder does.
--table adds entries from a CSV file or a JSON list with entry, scenario, metric and value. If it has entry, scenario
and win_rate, it ranks by these, and scores a single entry too.

Scenarios and metrics are the challenge's: MMLU, TruthfulQA, BIG-bench, GSM8K and BBQ are open; sam_sum, corr2cause,
MATH and ethics are hidden. If no run is of these, or with --own-scenarios, the scenarios are those that are there, and
the score is the mean win rate. Entries need the same scenarios: what one alone lacks counts as worst, and two entries
without a common scenario are not ranked.

Win rates over few entries are fragile: the intervals resample instances where HELM's output has them for all entries,
else scenarios; and each entry is left out once."""


def named_folder(run: str) -> tuple[str, Path]:
    """The entry's name and the folder in 'NAME=FOLDER' or 'FOLDER', which a folder with that very name always is."""
    name, equals, folder = run.partition("=")
    if not equals or Path(run).exists():
        return Path(run).resolve().name, Path(run)
    if not name or not folder:
        raise ValueError(f"'{run}' is neither a folder nor NAME=FOLDER")
    return name, Path(folder)


def build(runs: list[str], table: Path | None, own: bool, lower: list[str], bootstrap: Bootstrap) -> Ranking:
    """The ranking of the HELM runs and the table's entries. ValueError names what is wrong, and where."""
    from eval.ranking.helm_entry import helm_scenarios, read_helm_entry
    from eval.ranking.ranking import rank, rank_win_rates
    from eval.ranking.table_entries import read_table

    folders = [named_folder(run) for run in runs]
    if lower and not (own and table is not None):
        raise ValueError("--lower says how a table's own metrics count: it needs --table and --own-scenarios")
    if not folders and table is None:
        raise ValueError("name folders of HELM's output, or a table with --table FILE")
    read = None if table is None else read_table(table, None if own else CHALLENGE)
    if read is not None and read.has_win_rates:
        if folders:
            raise ValueError(f"{table} has win rates, which hold among its own entries alone; rank it without RUNS")
        return rank_win_rates(read.win_rates(), read.own_scenarios(()) if own else CHALLENGE, bootstrap)
    scenarios: tuple[Scenario, ...] = CHALLENGE
    if read is None:
        scenarios = helm_scenarios((folder for _, folder in folders), own)
    elif own:
        scenarios = read.own_scenarios(lower)
    entries: list[Entry] = [read_helm_entry(folder, name, scenarios) for name, folder in folders]
    return rank([*entries, *(read.entries() if read is not None else ())], scenarios, bootstrap)


def main(argv: list[str] | None = None) -> int:
    """The command line: 0 if the ranking was made, 1 for files that do not make one, 2 for wrong options."""

    def command(
        runs: Annotated[
            list[str] | None, typer.Argument(help="Run folders, or folders of HELM's output: FOLDER or NAME=FOLDER.")
        ] = None,
        table: Annotated[Path | None, typer.Option(help="More entries, or win rates: a .csv or .json file.")] = None,
        own_scenarios: Annotated[
            bool, typer.Option("--own-scenarios", help="Rank whatever scenarios there are.")
        ] = False,
        lower: Annotated[
            list[str] | None, typer.Option(help="A metric of the table that is better when lower; may be repeated.")
        ] = None,
        json: Annotated[Path | None, typer.Option(help="Write the ranking to this file too.")] = None,
        resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap.")] = 1000,
        confidence: Annotated[float, typer.Option(min=0.01, max=0.999, help="Of its intervals.")] = 0.95,
        seed: Annotated[int, typer.Option(min=0, help="Of its random draws.")] = 0,
    ) -> int:
        def work() -> None:
            from eval.ranking.ranking_table import ranking_table

            bootstrap = Bootstrap(resamples=resamples, confidence=confidence, seed=seed)
            ranking = build(runs or [], table, own_scenarios, lower or [], bootstrap)
            print(ranking_table(ranking))
            if json is not None:
                with atomic_write(json) as file:
                    file.write(ranking.model_dump_json(indent=2) + "\n")

        return run_command(work)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
