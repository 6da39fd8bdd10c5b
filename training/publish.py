"""A finished training -> a folder that the Hugging Face hub takes, with a model card, and its upload.

    python -m training.publish recipes/quickstart --to owner/name [--merged] [--public] [--dry-run]

Reads 06_train (with --merged also 10_merge), 05_mix and, if it is there, 09_report; writes 11_publish anew each time.
With --dry-run nothing is sent. Checkpoints, training rows and logs are never published, nor is a file with a secret.
The hub's repository is private unless --public is given; uploading again replaces what was uploaded before.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oneday.console import quiet_libraries, run_command, typer_main
from oneday.files import atomic_write, read_json, write_json
from oneday.options import Out
from oneday.stage import StageError, exclusive, read_report

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    from oneday.recipe import Recipe
    from training.model_card import Base, Facts

FOLDER = "11_publish"
RECIPE_OR_FILE = "Recipe folder, or one of its data or train files, such as train-fsdp2.yaml."
VOCABULARY = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt", "spiece.model",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "model.safetensors.index.json",
)  # fmt: skip
CONFIGS = ("tokenizer_config.json", "adapter_config.json", "config.json", "generation_config.json")
BASE_KEYS = ("base_model_name_or_path", "_name_or_path", "name_or_path")  # where libraries note the base's place
# What an upload replaces in the hub's repository; a file of another name there stays.
OURS = [*VOCABULARY, *CONFIGS, "adapter_model*.safetensors", "model*.safetensors", "recipe/*", "reports/*"]
SECRET = re.compile(
    rb"(?<![A-Za-z0-9])(hf_[A-Za-z0-9]{20}|api_org_[A-Za-z0-9]{20}|sk-[A-Za-z0-9_-]{20}|gh[pousr]_[A-Za-z0-9]{30}"
    rb"|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----)"
)


def check_repo_id(repo_id: str, option: str = "--to") -> None:
    """Raises ValueError that names the option unless this is owner/name as the hub allows it."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise ValueError(f"{option}: {error} Give owner/name.") from error
    if repo_id.count("/") != 1:
        raise ValueError(f"{option}: '{repo_id}' has no owner; give owner/name")


def check_login() -> None:
    """Raises StageError if the hub must not be asked, or nobody is logged in."""
    from huggingface_hub import constants, get_token

    if constants.is_offline_mode():
        raise StageError("HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set; unset it to upload, or give --dry-run")
    if get_token() is None:
        raise StageError("you are not logged in to the hub: run `hf auth login`, set HF_TOKEN, or give --dry-run")


def write_folder(
    recipe_path: Path, out: Path | None, repo_id: str, merged: bool, base_model: str | None, base_licence: str | None
) -> tuple[Path, "Facts"]:
    """The folder 11_publish, whole or as it was before, and the facts on its card.

    StageError for a training that is not finished, or not of this recipe; it names a file that holds a secret.
    """
    from training.model_card import base_of, find_recipe, merged_model, render_model_card, trained_model

    recipe, run_dir = find_recipe(recipe_path, out)
    with exclusive(run_dir), _replaced(run_dir / FOLDER) as partial:
        model_dir = trained_model(recipe, run_dir)
        base = base_of(recipe.train.values, base_model, base_licence)
        facts = read_facts(recipe, run_dir, model_dir, repo_id, base)
        source = model_dir
        if merged:
            source, merge, parity = merged_model(run_dir, model_dir)
            facts = replace(facts, kind="merged", merge=merge, parity=parity)
        copy_model(source, partial, base, facts.kind == "adapter")
        reports = [model_dir / "run.json", model_dir / "training_log.json"]
        reports += [run_dir / "09_report/results.json"] if facts.results else []
        reports += [run_dir / "10_merge/parity.json"] if facts.parity else []
        for file in filter(Path.is_file, reports):
            copy_text(file, partial / "reports" / file.name)
        for file in (*recipe.folder.glob("*.yaml"), *recipe.folder.glob("*.tsv")):  # .tsv: lists of tasks
            copy_text(file, partial / "recipe" / file.name)
        files = [(path.relative_to(partial).as_posix(), path.stat().st_size) for path in _all(partial)]
        facts = replace(facts, files=files)
        with atomic_write(partial / "README.md") as card:
            card.write(render_model_card(facts))
        check_secrets(partial)
    return run_dir / FOLDER, facts


def read_facts(recipe: "Recipe", run_dir: Path, model_dir: Path, repo_id: str, base: "Base") -> "Facts":
    """What the card states of the training itself: all but a merge and the files."""
    from data_prep.mixing.records import Manifest
    from data_prep.tasks import read_task_list
    from eval.reporting.results import read_training_log
    from training.model_card import Facts, results_of
    from training.run_record import RUN, read_run

    report, tasks = run_dir / "06_train/report.json", run_dir / "01_collect/tasks.jsonl"
    known = read_task_list(tasks) if tasks.is_file() else {}
    return Facts(
        repo_id=repo_id,
        recipe=recipe,
        kind="adapter" if recipe.train.values.get("adapter") else "full",
        base=base,
        manifest=read_json(run_dir / "05_mix/manifest.json", Manifest),
        log=read_training_log(model_dir / "training_log.json"),
        train_report=read_report(report) if report.is_file() else None,
        run=read_run(model_dir) if (model_dir / RUN).is_file() else None,
        results=results_of(run_dir, model_dir),
        merge=None,
        parity=None,
        task_licences={name: ", ".join(task.instance_licence) for name, task in known.items()},
    )


def copy_model(source: Path, target: Path, base: "Base", adapter: bool) -> None:
    """Put a model's weights (as hard links where the disk can) and its small files into a folder, nothing else.

    Where a library noted the base model's place, its hub id or its bare name is written. StageError without weights.
    """
    from training.model_card import weights

    files = [path for path in weights(source) if path.name.startswith("adapter_") == adapter]
    if not files:
        raise StageError(f"{source} holds no {'adapter_' * adapter}model*.safetensors: there is nothing to publish")
    for path in files:
        try:
            os.link(path.resolve(), target / path.name)
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(path, target / path.name)
    for path in sorted({*map(source.joinpath, VOCABULARY), *source.glob("LICENSE*"), *source.glob("NOTICE*")}):
        if path.is_file():
            shutil.copyfile(path, target / path.name)
    for name in CONFIGS:
        of_adapter, of_model = name.startswith("adapter_"), name in ("config.json", "generation_config.json")
        if (source / name).is_file() and not (of_adapter and not adapter) and not (of_model and adapter):
            values = json.loads((source / name).read_text(encoding="utf-8"))
            write_json(target / name, values | {key: base.name for key in BASE_KEYS if values.get(key)})


def copy_text(source: Path, target: Path) -> None:
    """Copy a text file; places below the working folder or the user's home lose that beginning."""
    text = source.read_text(encoding="utf-8")
    for place, instead in ((Path.cwd(), ""), (Path.home(), "~/")):
        if place != Path(place.anchor):
            text = text.replace(f"{place}/", instead)
    with atomic_write(target) as file:
        file.write(text)


def check_secrets(folder: Path) -> None:
    """Raises StageError that names file and line if a file but the weights holds what looks like a token or a key."""
    for path in _all(folder):
        content = b"" if path.suffix == ".safetensors" else path.read_bytes()
        if found := SECRET.search(content):
            line = content.count(b"\n", 0, found.start()) + 1
            raise StageError(
                f"{path.relative_to(folder)}:{line} holds what looks like an access token or a private key, so nothing "
                "is published. Take it out of the file that this is a copy of, and make the token invalid"
            )


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `folder` at the end; on any error that one stays as it was."""
    for left_over in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(left_over)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    partial.chmod(0o755)  # mkdtemp's is for the user alone
    try:
        yield partial
        old = folder.with_name(f".{folder.name}.old")
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_consent(facts: "Facts", accepted: bool) -> None:
    """Raises StageError if the licences need a look before the model is public, and nobody says to have had one."""
    from training.model_card import licence_warnings

    found = [f"  {each.restriction}: {', '.join(each.sources)}. {each.advice}" for each in licence_warnings(facts)]
    if found and not accepted:
        raise StageError(
            "nothing was uploaded. Before this model is public, look at the licences:\n" + "\n".join(found) + "\n"
            "Then give --accept-licences beside --public, or leave out --public to upload it as private"
        )


def upload(api: "HfApi", folder: Path, repo_id: str, public: bool) -> str:
    """Send the folder; the address of the repository. StageError says what the hub or the network refused.

    A repository that is already public is not written to without `public`; one that is private is opened after it.
    """
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, XetError

    try:
        address = api.create_repo(repo_id, private=not public, exist_ok=True)
        private = api.repo_info(repo_id).private
        if not private and not public:
            raise StageError(f"{repo_id} is public on the hub already: give --public, or another name with --to")
        message = f"Publish {folder.parent.name} with oneday"
        api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message, delete_patterns=OURS)
        if private and public:
            api.update_repo_settings(repo_id, private=False)
    except HfHubHTTPError as error:
        raise StageError(_refusal(error, repo_id)) from error
    except (httpx.HTTPError, XetError, ConnectionError) as error:
        raise StageError(
            f"the hub ({api.endpoint}) could not be reached or broke off ({type(error).__name__}: {error}). Run the "
            "same command again; what has arrived is not sent twice"
        ) from error
    return str(address)


def _refusal(error: "HfHubHTTPError", repo_id: str) -> str:
    """What an error of the hub means and what to do; its text may hold addresses with signatures, so it is left out."""
    status = error.response.status_code
    meanings = {
        401: "it does not accept your token: run `hf auth login` again, or set HF_TOKEN to a token that may write",
        403: f"you may not write to {repo_id}: check the owner's name, and that your token may write there",
        404: f"there is no {repo_id} that you can see: check the owner's name",
        429: "it takes no more requests for now: wait some minutes",
    }
    told = f" The hub says: {error.server_message}." if error.server_message else ""
    return f"the hub refused ({status}): {meanings.get(status, 'run the same command again later')}.{told}"


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module."""

    def command(
        recipe: Annotated[Path, typer.Argument(help=RECIPE_OR_FILE)],
        to: Annotated[str, typer.Option(help="Where on the hub: owner/name.")],
        out: Out = None,
        merged: Annotated[bool, typer.Option("--merged", help="The merged model in place of the adapter.")] = False,
        base_model: Annotated[str | None, typer.Option(help="The base's hub id, if the recipe names a folder.")] = None,
        base_licence: Annotated[str | None, typer.Option(help="The base's licence, such as apache-2.0.")] = None,
        public: Annotated[bool, typer.Option("--public", help="For all to see [default: private].")] = False,
        accept_licences: Annotated[bool, typer.Option("--accept-licences", help="You have looked at them.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the folder, upload nothing.")] = False,
    ) -> int:
        def work() -> None:
            check_repo_id(to)
            if base_model is not None:
                check_repo_id(base_model, "--base-model")
            if not dry_run:
                check_login()
            folder, facts = write_folder(recipe, out, to, merged, base_model, base_licence)
            size = sum(path.stat().st_size for path in _all(folder))
            print(f"publish     {folder}: {len(_all(folder))} files, {size / 1e6:,.1f} MB; the card is README.md")
            if public:
                check_consent(facts, accept_licences)
            if dry_run:
                print("            nothing was uploaded (--dry-run)")
                return
            from huggingface_hub import HfApi

            print(f"uploaded    {upload(HfApi(), folder, to, public)} ({'public' if public else 'private'})")

        quiet_libraries()
        return run_command(work)

    return typer_main(command, "Publish a finished training on the Hugging Face hub, with a model card.", argv)


if __name__ == "__main__":
    sys.exit(main())
