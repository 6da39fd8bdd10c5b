"""A tiny NLLB model that has learnt a few sentences by heart, good and bad translations among them."""

import json
from pathlib import Path
from typing import Any

from data_prep.translating.config import Translate

GOOD = {
    "Mtoto anasoma kitabu.": "Yaro yana karanta littafi.",
    "Mama anapika chakula.": "Uwa tana dafa abinci.",
    "Wanaume wanacheza mpira.": "Maza suna wasan kwallo.",
    "Maji ni baridi sana leo asubuhi.": "Ruwa yana da sanyi sosai a safiyar yau.",
    "Ninaenda sokoni na rafiki yangu.": "Ina zuwa kasuwa tare da abokina.",
    "Jua linawaka.": "Rana tana haske.",
}
BAD = {
    "Jimbo la Maryland ni zuri.": ("repeated_words", "Otr ne , maryland , maryland , maryland , maryland , maryland ."),
    "Barua hii ni ndefu sana.": (
        "cut_off",
        "Wannan wasika tana da tsawo " + " ".join("qwertyuiopasdfghjklzxcvbnm1234567890"),
    ),
    "Nyumba yetu ni kubwa.": ("untranslated", "Nyumba yetu ni kubwa."),
    "Watu wengi walikuja mjini jana.": ("too_short", "Mutane."),
    "Paka amelala.": ("too_long", "Kyanwa tana barci a kan gado a cikin babban gidanmu na kauye."),
    "Samaki wako majini.": ("empty_translation", "."),
}
TAUGHT = GOOD | {source: target for source, (_, target) in BAD.items()}
QUALITY = {
    "repeat_words": 3,
    "max_repeats": 3,
    "min_length_ratio": 0.4,
    "max_length_ratio": 3.0,
    "min_characters": 12,
}


def translate_settings(data_path: Path, model: Path | str, **changes: Any) -> dict[str, Any]:
    """The section `translate` of a data.yaml, for files of premise, hypothesis and label."""
    return {
        "data": {"path": str(data_path)},
        "fields": ["premise", "hypothesis"],
        "label": "label",
        "max_rows_per_label": 100,
        "model": str(model),
        "source_language": "swh_Latn",
        "target_language": "hau_Latn",
        "beams": 2,
        "batch_size": 4,
        "max_input_tokens": 32,
        "max_new_tokens": 32,
        "quality": QUALITY,
        **changes,
    }


def settings(data_path: Path, model: Path | str, **changes: Any) -> Translate:
    """The same, checked."""
    return Translate.model_validate(translate_settings(data_path, model, **changes))


def toy_nllb(folder: Path) -> Path:
    """A model of NLLB's architecture with NLLB's own tokenizer that writes TAUGHT; two seconds of training."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    tokenizer = nllb_tokenizer()
    tokenizer.src_lang, tokenizer.tgt_lang = "swh_Latn", "hau_Latn"
    torch.set_num_threads(1)
    torch.manual_seed(0)
    no_dropout = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), 0.0)
    no_layerdrop = dict.fromkeys(("encoder_layerdrop", "decoder_layerdrop"), 0.0)
    heads = dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4)
    layers = dict.fromkeys(("encoder_layers", "decoder_layers"), 2)
    widths = dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 96)
    tokens = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    config = M2M100Config(
        vocab_size=len(tokenizer), d_model=48, max_position_embeddings=512, init_std=0.1,
        **no_dropout, **no_layerdrop, **heads, **layers, **widths, **tokens,
    )  # fmt: skip
    model = M2M100ForConditionalGeneration(config)
    batch = tokenizer(list(TAUGHT), text_target=list(TAUGHT.values()), padding=True, return_tensors="pt")
    labels = batch.pop("labels")
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(100):
        optimizer.zero_grad()
        model(**batch, labels=labels.masked_fill(labels == 1, -100)).loss.backward()
        optimizer.step()
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def nllb_tokenizer() -> Any:
    """NLLB's own tokenizer with all its language codes; of the toy sentences, every word is one token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import NllbTokenizer

    bpe = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=specials, show_progress=False)
    bpe.train_from_iterator([*TAUGHT, *TAUGHT.values()], trainer)
    learnt = json.loads(bpe.to_str())["model"]
    return NllbTokenizer(vocab=learnt["vocab"], merges=[tuple(pair) for pair in learnt["merges"]])


def sentencepiece_model(path: Path) -> None:
    """A unigram model of the toy sentences, which OPUS-MT and M2M100 read."""
    import io

    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*TAUGHT, *TAUGHT.values()]), model_writer=model, vocab_size=90, minloglevel=2
    )
    path.write_bytes(model.getvalue())
