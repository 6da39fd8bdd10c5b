"""Label maps and prompts against ones written by hand, as the second place published them."""

from pathlib import Path

import pytest

from data_prep.sources import inkuba_instruct, xnli
from data_prep.sources.example_source import Drop
from data_prep.sources.mix_config import InkubaInstruct, Xnli
from eval.competition_files import read_competition
from eval.instructions import questions
from oneday.buzuzu_mavi import labels_of
from oneday.prompt import build_prompt
from tests.eval.challenge import (
    PREAMBLE,
    SENTIMENT_ROWS,
    SOURCES,
    SWAHILI_SENTIMENT,
    TRANSLATION_ROWS,
    inkuba,
    write_files,
    write_recipe,
)

BEGINNING = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n### Instruction:\n"
)
GOLDEN = {
    "ID_f3c74c7b_sentiment_test__hausa": BEGINNING
    + "Za ka iya tantance yanayin wannan rubutu? Bi waɗannan jagororin sharhi: Kyakkyawa: idan rubutu na nuna "
    "kyakkyawan tunani, hali, da yanayi. Korau: idan rubutu yana nuna mummunar tunani ko yanayi. Tsaka-tsaki: idan "
    "rubutu baya nuna kyakkyawar magana ko mara kyau kai tsaye ko a kaikaice."
    '\n\n### Input:\n@user "ina", son ƙasata\n\n### Response:\n',
    "ID_1b2c3d4e_sentiment_test__swahili": BEGINNING
    + "Changanua mawazo ya matini yanayofuata na uainishe matini hayo katika mojawapo ya lebo zifuatazo. Chanya: iwapo "
    "matini yanadokeza mawazo, mtazamo na hali chanya ya kihisia. Hasi: iwapo matini yanadokeza mawazo au hisia hasi. "
    "Wastani: iwapo matini hayadokezi lugha chanya au hasi kwa njia ya moja kwa moja au isiyo ya moja kwa moja."
    "\n\n### Input:\nhabari za leo\n\n### Response:\n",
    "ID_0a0a0a0a_test_xnli_hau": BEGINNING
    + "You will be given two Hausa sentences. Your job is to  is to predict textual entailment. In other words, does "
    "sentence A imply/contradict/neither sentence B. Your response must be one word: entailment, contradiction, or "
    "neutral.\n\n### Input:\nSentence A: Ta tafi kasuwa.\nSentence B: Ba ta fita ba.\n\n### Response:\n",
    "ID_0b0b0b0b_test_xnli_swa": BEGINNING
    + "You will be given two Swahili sentences. Your job is to  is to predict textual entailment. In other words, does "
    "sentence A imply/contradict/neither sentence B. Your response must be one word: entailment, contradiction, or "
    "neutral.\n\n### Input:\nSentence A: Alikwenda sokoni.\nSentence B: Alitoka nyumbani.\n\n### Response:\n",
    "ID_d054836f_test__mt_eng-swa": BEGINNING
    + "Translate the following from English into Swahili.\n\n### Input:\ngood morning\n\n### Response:\n",
    "ID_d054836a_test__mt_eng-hau": BEGINNING
    + "Translate the following from English into Hausa.\n\n### Input:\ngood morning\n\n### Response:\n",
}


def prompts(
    folder: Path, sources: list[dict[str, object]] = SOURCES, **changed: list[dict[str, str]]
) -> dict[str, str]:
    recipe = write_recipe(folder / "recipe", sources=sources)
    rows = read_competition(write_files(folder / "files", **changed))
    return {asked.id: asked.prompt for asked in questions(rows, recipe.data.mix, recipe.data.preamble)}


def test_every_prompt_is_the_published_one(tmp_path: Path) -> None:
    assert prompts(tmp_path) == GOLDEN


def test_label_numbers_are_the_published_ones() -> None:
    assert dict(enumerate(labels_of("sentiment", "swahili"))) == {0: "Chanya", 1: "Wastani", 2: "Hasi"}
    assert dict(enumerate(labels_of("sentiment", "hausa"))) == {0: "Kyakkyawa", 1: "Tsaka-tsaki", 2: "Korau"}
    for language in ("swahili", "hausa"):
        labels = labels_of("entailment", language)
        assert dict(enumerate(labels)) == {0: "entailment", 1: "neutral", 2: "contradiction"}


def test_a_row_without_an_instruction_gets_the_recipes_first(tmp_path: Path) -> None:
    found = prompts(tmp_path, Sentiment=[SENTIMENT_ROWS[0], {**SENTIMENT_ROWS[1], "instruction": " "}])
    assert f"### Instruction:\n{SWAHILI_SENTIMENT[0]}\n" in found["ID_1b2c3d4e_sentiment_test__swahili"]


@pytest.mark.parametrize("own", [SWAHILI_SENTIMENT[1], "Nyingine."])
def test_a_recipe_with_instructions_of_its_own_asks_by_these_alone(own: str, tmp_path: Path) -> None:
    afrisenti = {"source": "afrisenti", "path": "tweets", "language": "swahili", "instructions": SWAHILI_SENTIMENT}
    rows = [SENTIMENT_ROWS[0], {**SENTIMENT_ROWS[1], "instruction": own}]
    found = prompts(tmp_path, [afrisenti, *SOURCES[1:]], Sentiment=rows)["ID_1b2c3d4e_sentiment_test__swahili"]
    expected = own if own in SWAHILI_SENTIMENT else SWAHILI_SENTIMENT[0]
    assert f"### Instruction:\n{expected}\n" in found


def test_each_source_of_translations_knows_its_instruction(tmp_path: Path) -> None:
    for number, name in enumerate(("mafand", "ntrex", "wmt22_african")):
        source = {"source": name, "path": "texts", "language": "swahili", "instruction": f"By {name}."}
        found = prompts(tmp_path / str(number), [source, *SOURCES[:4], SOURCES[5]])
        assert f"\nBy {name}.\n" in found["ID_d054836f_test__mt_eng-swa"]


def test_texts_are_in_normal_form_c_as_in_training(tmp_path: Path) -> None:
    decomposed = {**TRANSLATION_ROWS[0], "inputs": "cafe\u0301"}
    assert "caf\u00e9" in prompts(tmp_path, MT=[decomposed, TRANSLATION_ROWS[1]])[decomposed["ID"]]


def test_a_task_that_the_recipe_does_not_train_is_named_with_its_row(tmp_path: Path) -> None:
    other = inkuba("translation", "hausa", ["Translate."])
    with pytest.raises(ValueError, match=r"MTTest\.csv:2: a row of translation in swahili, but mix\.sources has no"):
        prompts(tmp_path, [*SOURCES[:4], other])


def test_entailment_in_the_other_language_is_asked_by_the_same_instruction(tmp_path: Path) -> None:
    swahili_alone = [source for source in SOURCES if not (source["source"] == "xnli" and source["language"] == "hausa")]
    assert len(swahili_alone) == len(SOURCES) - 1
    found = prompts(tmp_path, swahili_alone)["ID_0a0a0a0a_test_xnli_hau"]
    assert "two Swahili sentences" in found and "Ta tafi kasuwa." in found


def test_the_training_sources_ask_the_same(tmp_path: Path) -> None:
    mix = write_recipe(tmp_path / "recipe").data.mix
    sentiment, entailment, translation = mix.sources[1], mix.sources[3], mix.sources[4]
    assert isinstance(sentiment, InkubaInstruct) and isinstance(entailment, Xnli)
    assert isinstance(translation, InkubaInstruct)
    tweet = {name: SENTIMENT_ROWS[0][name] for name in ("instruction", "inputs", "targets", "task", "data_source")}
    pair = {"premise": "Ta tafi kasuwa.", "hypothesis": "Ba ta fita ba.", "label": 2}
    sentence = {"task": "mmt", "instruction": "translate into swahili", "data_source": "mafand"}
    sentence |= {"inputs": "good morning", "targets": "habari za asubuhi"}
    drafts = [
        *inkuba_instruct.convert(tweet, "train-1", sentiment),
        *xnli.convert(pair, "train-1", entailment),
        *inkuba_instruct.convert(sentence, "train-1", translation),
    ]
    trained = [
        build_prompt(PREAMBLE, draft.instruction, draft.input) for draft in drafts if not isinstance(draft, Drop)
    ]
    asked = ("ID_f3c74c7b_sentiment_test__hausa", "ID_0a0a0a0a_test_xnli_hau", "ID_d054836f_test__mt_eng-swa")
    assert trained == [GOLDEN[id] for id in asked]
