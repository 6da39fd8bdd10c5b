"""A model folder and the settings of `trim` -> a model folder with a smaller vocabulary, and what that cost.

Read the parent, count its tokens over the texts, choose, write the rows, audit, measure the same texts again. Nothing
is trained. `compress.trim` is the command.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from compress.config import Trim
from compress.corpus import Text, texts
from compress.counts import count_parameters
from compress.model_folder import new_folder
from compress.trimming.audit import unreachable, unreachable_of
from compress.trimming.counting import Counts, Measured, measure
from compress.trimming.parent_files import CONFIG, Parent, read_parent
from compress.trimming.report import TrimReport, ratio, texts_reports
from compress.trimming.slicing import HEAD, HEAD_BIAS, write_rows
from compress.trimming.target_files import check_loading, parent_backend, post_processor_of, write_files
from compress.trimming.tokenizer_file import load_tokenizer
from compress.trimming.vocabulary import Vocabulary, fresh_vocabulary, trimmed_vocabulary
from oneday.stage import StageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PROBES = 200  # texts on which AutoTokenizer is compared with tokenizer.json
Corpus = Callable[[], Iterator[Text]]


def trim_model(source: Path, target: Path, settings: Trim, run_dir: Path | None) -> TrimReport:
    """Write the trimmed model into the new folder `target`, whole or not at all; the report.

    FileNotFoundError and ValueError say what of the parent, the texts or the size does not fit.
    """
    from compress.inkuba import register

    register()
    parent = read_parent(source)

    def corpus() -> Iterator[Text]:
        return texts(settings.corpus, run_dir)

    before = measure(parent.tokenizer.encoder, corpus(), parent.rows, "count")
    backend = parent_backend(source)
    vocabulary = _vocabulary(parent, before, settings, corpus, backend)
    probes = [*(text.text for text in islice(corpus(), PROBES)), *list(parent.tokenizer.added)[:PROBES]]
    with new_folder(target) as folder:
        write_model(parent, vocabulary, folder, probes)
        after = measure(load_tokenizer(folder / "tokenizer.json"), corpus(), len(vocabulary.tokens), "measure")
        parameters = count_parameters(folder).unique
    notes = [*vocabulary.notes, *_notes(parent, backend, probes)]
    return _report(parent, vocabulary, (before, after), parameters, notes)


def _vocabulary(parent: Parent, before: Measured, settings: Trim, corpus: Corpus, backend: "Tokenizer") -> Vocabulary:
    """The new vocabulary, in the way that the settings ask for."""
    post_processor = post_processor_of(backend)
    if settings.fresh:
        counted = (text.text for text in corpus() if text.split == "count")
        return fresh_vocabulary(parent, counted, settings, post_processor)
    return trimmed_vocabulary(parent, before.total(parent.rows), settings, post_processor)


def write_model(parent: Parent, vocabulary: Vocabulary, folder: Path, probes: list[str]) -> None:
    """Write the model's files into an empty folder and check them as a user would load them.

    StageError if a token is unreachable, or if AutoTokenizer reads the tokenizer otherwise than it is.
    """
    if left := unreachable(vocabulary.content):
        raise StageError(f"no text can become {len(left)} of the kept tokens, such as {left[0]!r}; nothing was written")
    write_files(parent, vocabulary.tokens, vocabulary.content, folder)
    check_loading(folder, probes)
    size = len(vocabulary.tokens)
    write_rows(parent.checkpoint, parent.tensors, size, vocabulary.rows, folder / "model.safetensors")


def _notes(parent: Parent, backend: "Tokenizer", probes: list[str]) -> list[str]:
    """What is to be known of the parent's tokenizer."""
    notes = []
    if (without_token := parent.rows - len(parent.tokenizer.ids)) > 0:
        notes.append(f"{without_token:,} rows of the parent's embeddings had no token; they are gone")
    if parent.rowless:
        notes.append(f"the model has no rows for {', '.join(parent.rowless)}; these added tokens are gone")
    itself = parent.tokenizer.encoder
    if any(_ids(itself, text) != _ids(backend, text) for text in probes):
        notes.append(
            "transformers builds the parent's tokenizer anew, and it encodes some texts otherwise than the parent's "
            "tokenizer.json, which this one comes from"
        )
    return notes


def _ids(tokenizer: "Tokenizer", text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def _report(
    parent: Parent, vocabulary: Vocabulary, measured: tuple[Measured, Measured], parameters: int, notes: list[str]
) -> TrimReport:
    """The report; `measured` is before and after, `parameters` are those of the result."""
    before, after = measured
    total = before.total(parent.rows)
    old_ids = vocabulary.old_ids
    lost = {} if old_ids is None else {name: _lost(counts, old_ids) for name, counts in before.counts.items()}
    saved = (parent.rows - len(vocabulary.tokens)) * parameters_per_token(parent)
    return TrimReport(
        fresh=old_ids is None,
        tokens_before=len(parent.tokenizer.ids),
        tokens_after=len(vocabulary.tokens),
        rows_before=parent.rows,
        parameters_before=parameters + saved,
        parameters_after=parameters,
        parameters_saved=saved,
        unreachable_before=len(unreachable_of(parent.tokenizer)),
        unreachable_after=0,  # `write_model` refuses any other number
        occurrences=int(total.sum()),
        occurrences_lost_share=None if old_ids is None else _lost(total, old_ids),
        kept=vocabulary.reasons,
        passed_over=vocabulary.passed_over,
        dropped_added=dict(Counter(vocabulary.dropped.values())),
        dropped_added_tokens=sorted(vocabulary.dropped),
        texts=texts_reports(before, after, lost),
        notes=notes,
    )


def _lost(counts: Counts, old_ids: list[int]) -> float:
    """The share of occurrences whose token is not kept."""
    return 1 - ratio(int(counts[old_ids].sum()), int(counts.sum()))


def parameters_per_token(parent: Parent) -> int:
    """The numbers of one token's row in all tensors that are not another's: a tied head has none of its own."""
    tied = bool(parent.configs[CONFIG].get("tie_word_embeddings"))
    own = [name for name in parent.tensors if not (tied and name.endswith((HEAD, HEAD_BIAS)))]
    return sum(parent.checkpoint.shapes[name].elements // parent.rows for name in own)
