"""The settings of `mix` -> its rules in words, a sentence each, for the report page and the dataset card."""

from collections.abc import Iterator, Sequence

from data_prep.mixing.config import Decontaminate, Language, Mix, NearDuplicates, PersonalData, eval_set_name
from data_prep.sources.mix_config import MixSource, name_of

BLANK_LINE = {
    "keep": "Blank lines in answers stay.",
    "join": "Blank lines in answers become line ends.",
    "drop": "A row with a blank line in its answer goes.",
}


def rules_in_words(mix: Mix) -> list[str]:
    """What is dropped and what is taken, in the order in which it is done."""
    same = "input" if mix.exact_duplicates == "input" else "whole question"
    return [
        _personal_data(mix.personal_data),
        f"An input has {mix.min_input_words:,} to {mix.max_input_words:,} words"
        + (", its instruction counted towards the most." if mix.count_instruction else "."),
        BLANK_LINE[mix.blank_line_in_answer],
        f"Prompt and answer together have at most {mix.max_tokens:,} tokens."
        if mix.max_tokens is not None
        else "The number of tokens of a row is not limited.",
        _language(mix.language),
        "Rows that are held out for the final evaluation go, by their name or by their input."
        if mix.reads_held_out
        else "No rows are held out before the mix.",
        *_competition(mix),
        *_decontamination(mix.decontaminate),
        *_one_answer(mix),
        f"Of rows with the same {same} the first one stays.",
        _near_duplicates(mix.near_duplicates),
        *_caps(mix),
        _split(mix),
        *(
            f"The rows of {_listed(sources)} are also in files of their own, called {name}."
            for name, sources in mix.subsets.items()
        ),
    ]


def _personal_data(config: PersonalData | None) -> str:
    if config is None:
        return "Personal data is not looked for."
    region = "" if config.phone_region is None else f" (those without a country code as of {config.phone_region})"
    return (
        f"E-mail addresses are replaced by '{config.email_as}', phone numbers{region} by '{config.phone_as}'. "
        "Names and other personal data stay."
    )


def _language(config: Language | None) -> str:
    if config is None:
        return "The language of the rows is not looked at."
    return (
        f"A row of {config.min_words:,} words or more goes if its language is not {' or '.join(config.keep)} "
        f"with a probability of {100 * config.min_probability:g} % or more."
    )


def _decontamination(config: Decontaminate | None) -> Iterator[str]:
    if config is None:
        yield "The rows are not compared with evaluation sets."
        return
    names = ", ".join(eval_set_name(eval_set) for eval_set in config.eval_sets)
    yield (
        f"A row goes if it shares {config.ngram} words in a row with an evaluation text, {config.short_ngram} with one "
        f"of at most {2 * config.ngram} words. Case and punctuation do not count, nor do runs that more than "
        f"{config.max_eval_rows:,} evaluation rows have. Evaluation sets: {names}."
    )
    yield (
        f"An evaluation text of at most {2 * config.short_ngram} words is also found by all its words but one, one of "
        f"fewer than {config.short_ngram} words only as the whole input of a row."
    )


def _competition(mix: Mix) -> Iterator[str]:
    if mix.competition_rows:
        yield (
            "A row goes if its input is that of a row of a competition; case and white space do not count. An input of "
            "two sentences (Sentence A, Sentence B) also goes if the second one alone, or both without these names, "
            f"are. Sets: {_listed([table.name for table in mix.competition_rows])}."
        )


def _one_answer(mix: Mix) -> Iterator[str]:
    if mix.one_answer_tasks:
        yield (
            f"An input with several answers goes with all its rows, in the tasks {_listed(mix.one_answer_tasks)}; "
            "case and white space do not count."
        )


def _split(mix: Mix) -> str:
    purpose = "for evaluation" if not mix.test_share else "for evaluation during the training"
    tested = f" and {100 * mix.test_share:g} % for the test after it" if mix.test_share else ""
    shares = f"The rows are shuffled; {100 * mix.eval_share:g} % of them are {purpose}{tested}"
    if mix.split_by == "task":
        return f"{shares}, whole tasks."
    if mix.split_by == "input":
        return f"{shares}. All rows of an input, or of a premise, are in one part; case and white space do not count."
    apart = " Rows with the same input but another instruction may be in different parts."
    return f"{shares}.{apart if mix.exact_duplicates == 'question' else ''}"


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _near_duplicates(config: NearDuplicates | None) -> str:
    if config is None:
        return "Near-duplicates are not looked for."
    unless = ", and a later one if its answer is another" if config.keep_other_answers else ""
    return (
        f"Inputs of {config.min_words:,} words or more are near-duplicates if {100 * config.similarity:g} % of their "
        f"words are the same and at most {config.max_changes:,} are not: the first row stays{unless}."
    )


def _caps(mix: Mix) -> Iterator[str]:
    for source in mix.sources:
        if source.max_rows_per_answer is not None:
            yield f"Of {name_of(source)} the first {source.max_rows_per_answer:,} rows of each answer are used."
        cap = _cap(source)
        if cap:
            yield f"Of {name_of(source)} at most {cap} are used, drawn at random."
    for joint in mix.joint_caps:
        yield f"Of {_listed(joint.sources)} together at most {joint.max_rows:,} rows are used, drawn at random."
    if mix.budget is None:
        yield "There is no limit for all sources together."
        return
    size = f"{mix.budget.rows:,} rows" if mix.budget.rows is not None else f"{mix.budget.tokens:,} tokens"
    weights = ", ".join(f"{name_of(source)} {source.weight:g}" for source in mix.sources)
    shared = f" They are divided by weight ({weights}); what a source cannot fill goes to the others."
    yield f"At most {size} are used in all.{shared if len(mix.sources) > 1 else ''}"


def _cap(source: MixSource) -> str:
    caps = []
    if source.max_rows is not None:
        caps.append(f"{source.max_rows:,} rows")
    if source.max_tokens is not None:
        caps.append(f"{source.max_tokens:,} tokens")
    return " and ".join(caps)
