"""How much a model loses when the same rows come with typos, in lower case, with other names: HELM's robustness.

    python -m eval.robustness FILE... --model MODEL [--adapter ADAPTER] --out DIR [--perturbations typos,gender]

HELM's own library perturbs the rows, in its virtual environment. Writes DIR/robustness.json and DIR/rows.jsonl, every
text and answer; prints drops with intervals, HELM's worst cases and examples. A killed run goes on where it stopped.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from eval.config import Bootstrap
from eval.examples.answers import Answering
from eval.examples.models import named_models
from eval.examples.options import (
    AnswerField,
    AnswerKind,
    BatchSize,
    Confidence,
    Delimiter,
    Demonstrations,
    LabelsField,
    LengthOption,
    MaxNewTokens,
    MaxRows,
    OptionsFields,
    OutFolder,
    PromptField,
    RecipeOfRows,
    Resamples,
    Rules,
    Seed,
    TaskField,
    Template,
    WeightPrecision,
)
from eval.examples.reading import TaskPrompts, read_rows, template_prompts
from eval.examples.row import ExampleRow
from eval.helm.running import HelmEnvironment
from eval.perturbing.answering import ROW_METRICS, Answerer, answer_all, check_metric, usual_metric
from eval.perturbing.drops import compare
from eval.perturbing.input_fields import USUAL, InputFields, is_repeated
from eval.perturbing.perturbations import NAMES, Ready, choose, make_ready
from eval.perturbing.perturbed import Perturbed, perturb
from eval.perturbing.records import Robustness, RowUnder
from eval.perturbing.table import REPEATED, examples, render
from eval.quick import rules_of
from eval.table import markdown_table
from oneday.console import quiet_libraries, run_command, typer_main
from oneday.files import sha256_file, write_json, write_jsonl
from oneday.options import DryRun
from oneday.recipe import load_recipe
from oneday.stage import exclusive
from postprocess.apply import load_rules

RESULT, ROWS = "robustness.json", "rows.jsonl"
SHOWN = 160  # characters of a text in the plan
HELP = f"""The drop of a model's score when HELM's perturbations change the rows.

FILE is JSON Lines, JSON, TSV, CSV or Parquet, or a task of Natural Instructions. A row with options is answered by
choice, one without by greedy decoding. HELM perturbs a row's input, not its instructions, demonstrations or letters
of options: --input names the field that has it, else the first of {", ".join(USUAL)} that the prompt holds is taken.

HELM lives in a virtual environment of its own, .venv-helm; `make helm-smoke` makes it. Its perturbations are made for
English. The dialect needs a file of HELM's, see --perturbation-files; what cannot run is told.

Perturbations: {", ".join(NAMES)}.

Metrics: {", ".join(ROW_METRICS)}."""


@dataclass(frozen=True)
class Plan:
    """The rows, what perturbs them, and what cannot, with the reason by name. `inputs`: the files they are from."""

    rows: Sequence[ExampleRow]
    ready: Sequence[Ready]
    not_run: dict[str, str]
    environment: HelmEnvironment
    inputs: Sequence[Path]

    @property
    def repeated_inputs(self) -> int:
        """How many rows have their input more than once in the prompt."""
        return sum(map(is_repeated, self.rows))

    def perturbed(self) -> Perturbed:
        """The rows as HELM changes them."""
        return perturb(self.rows, self.ready, self.environment)


def make_plan(
    rows: Sequence[ExampleRow], inputs: Sequence[Path], names: str, files: Path | None, helm_env: Path
) -> Plan:
    """What the options ask for; `files` is the folder with those of perturbations.

    ValueError if none of the perturbations can run; FileNotFoundError, with what makes it, without HELM's environment.
    """
    ready, missing = make_ready(choose(name.strip() for name in names.split(",")), files)
    if not ready:
        raise ValueError("no perturbation can run: " + "; ".join(f"{name} {why}" for name, why in missing.items()))
    environment = HelmEnvironment(helm_env)
    environment.command("python")
    used = [each.file for each in ready if each.file is not None]
    return Plan(rows, ready, missing, environment, [*inputs, *used])


def study(plan: Plan, answerer: Answerer, config: Bootstrap, out: Path) -> tuple[Robustness, list[RowUnder]]:
    """Perturb, answer, score and compare; the two files are written below `out`."""
    perturbed = plan.perturbed()
    scored = answer_all(plan.rows, perturbed.variants, answerer, out)
    drops = compare(scored.row_scores([each.perturbation.name for each in plan.ready]), plan.ready, config)
    kept = Counter(variant.perturbation for variant in perturbed.variants if variant.options_kept)
    result = Robustness(
        model=answerer.model.name,
        metric=answerer.metric,
        settings=answerer.settings(),
        files=answerer.model.files(),
        inputs={str(path): sha256_file(path) for path in plan.inputs},
        helm=perturbed.helm,
        rows=dict(Counter(row.task for row in plan.rows)),
        whole_prompts=sum(not row.input for row in plan.rows),
        repeated_inputs=plan.repeated_inputs,
        bootstrap=config,
        original=drops.original.estimate(config.confidence),
        perturbations=tuple(drops.perturbation(each, kept[each.perturbation.name]) for each in plan.ready),
        worst_cases=tuple(map(drops.worst_case, drops.groups)),
        not_run=plan.not_run,
    )
    lines = scored.lines()
    write_jsonl(out / ROWS, lines)
    write_json(out / RESULT, result.model_dump(mode="json"))
    return result, lines


def preview(plan: Plan) -> str:
    """How many rows each perturbation changes, and the first of them as it would be asked."""
    variants = plan.perturbed().variants
    rows = []
    for each in plan.ready:
        own = [variant for variant in variants if variant.perturbation == each.perturbation.name]
        first = repr(own[0].input)[1:-1] if own else "-"
        rows.append((each.perturbation.name, each.perturbation.what, f"{len(own)} of {len(plan.rows)}", first[:SHOWN]))
    notes = [f"\nNot run: {name}: {why}." for name, why in plan.not_run.items()]
    if plan.repeated_inputs:
        notes.append(f"\n{REPEATED} {plan.repeated_inputs}.")
    return "\n".join([markdown_table(("perturbation", "what", "rows changed", "the first"), rows), *notes])


def main(argv: list[str] | None = None) -> int:
    """The command line: 0 if all is written, 1 if not, 2 for wrong options."""

    def command(
        files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Example files.")],
        out: OutFolder,
        model: Annotated[str, typer.Option(help="[NAME=]MODEL[+ADAPTER], folders or a hub id.")],
        adapter: Annotated[Path | None, typer.Option(help="An adapter's folder.")] = None,
        helm_env: Annotated[Path, typer.Option(help="HELM's virtual environment.")] = Path(".venv-helm"),
        perturbations: Annotated[
            str, typer.Option(help="Some of them, parted by commas.", show_default="all")
        ] = ",".join(NAMES),
        perturbation_files: Annotated[
            Path | None, typer.Option(help="A folder with HELM's SAE_to_AAVE_mapping.json and person_names.txt.")
        ] = None,
        field: Annotated[
            str | None, typer.Option("--input", help="The input's field, or those it spans: context,question.")
        ] = None,
        prompt: PromptField = None,
        template: Template = None,
        answer: AnswerField = None,
        answer_is: AnswerKind = None,
        options: OptionsFields = None,
        labels: LabelsField = None,
        task: TaskField = None,
        recipe: RecipeOfRows = None,
        rules: Rules = None,
        demonstrations: Demonstrations = 0,
        max_rows: MaxRows = None,
        metric: Annotated[
            str | None,
            typer.Option(help="See above [default: exact_match if all rows have options, else rouge_l]."),
        ] = None,
        length: LengthOption = "none",
        delimiter: Delimiter = None,
        max_new_tokens: MaxNewTokens = 64,
        batch_size: BatchSize = 8,
        precision: WeightPrecision = None,
        resamples: Resamples = 10_000,
        confidence: Confidence = 0.95,
        seed: Seed = 42,
        show: Annotated[int, typer.Option(min=0, help="Examples that got worse to print for each perturbation.")] = 1,
        dry_run: DryRun = False,
    ) -> int:
        def work() -> None:
            quiet_libraries()
            loaded = None if recipe is None else load_recipe(recipe)
            made = None if template is None else template_prompts(template)
            fields = InputFields(
                prompt=prompt,
                answer=answer,
                options=_parts(options),
                labels=labels,
                task=task,
                make_prompt=made,
                answer_is=answer_is,
                input=_parts(field),
            )
            prompts = TaskPrompts("" if loaded is None else loaded.data.preamble, demonstrations)
            rows = read_rows(files, fields, prompts, max_rows)
            rules_file = None if rules is None else load_rules(rules)[0]
            inputs = [path for path in (*files, template, rules_file) if path is not None]
            plan = make_plan(rows, inputs, perturbations, perturbation_files, helm_env)
            if dry_run:
                print(preview(plan))
                return
            judge = metric or usual_metric(rows)
            check_metric(judge)
            (named,) = named_models([model], adapter, None)
            answering = Answering(max_new_tokens, rules=rules_of(loaded, rules), length=length, delimiter=delimiter)
            answerer = Answerer(named, answering, batch_size, precision, judge)
            config = Bootstrap(resamples=resamples, confidence=confidence, seed=seed)
            with exclusive(out):
                result, lines = study(plan, answerer, config, out)
            print("\n\n".join(filter(None, [render(result), examples(lines, show), f"written: {out}"])))

        return run_command(work)

    return typer_main(command, HELP, argv)


def _parts(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


if __name__ == "__main__":
    sys.exit(main())
