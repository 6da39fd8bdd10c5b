"""Prompts -> text by beam search with Hugging Face transformers, many prompts at a time."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from serve.transformers_engine import LoadedModel, PromptBatch, TransformersEngine

if TYPE_CHECKING:
    import torch

    Processor = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class BeamEngine(TransformersEngine):
    """A model in memory that decodes by beams. Each prompt is read once, not once a beam.

    Of all texts that the search has ended, the one of the highest mean log-probability a token is taken (a length
    penalty of 1), and it stops once the best open beam cannot beat any of the ended ones (no early stopping): the
    defaults of transformers. `stop` ends no beam, since the text that it cuts was chosen as a whole. `penalty` is that
    of transformers' repetition_penalty: above 1, tokens of the prompt and of the text so far are less likely.
    """

    def __init__(self, loaded: LoadedModel, batch_size: int, beams: int, penalty: float = 1.0) -> None:
        super().__init__(*loaded, batch_size)
        self.beams = beams
        self.penalty = penalty

    def texts(self, batch: PromptBatch, max_new_tokens: int, stop: str) -> list[str]:
        """The best text after each prompt of the batch."""
        import torch

        width = batch.ids.shape[1]
        if width - 1 > batch.cache.get_seq_length():
            self.read(batch, leave=1)
        mask = batch.mask.repeat_interleave(self.beams, 0)
        with torch.inference_mode():
            batch.cache.batch_repeat_interleave(self.beams)
            output = self.model.generate(
                batch.ids,
                attention_mask=batch.mask,
                past_key_values=batch.cache,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                num_beams=self.beams,
                early_stopping=False,
                length_penalty=1.0,
                logits_processor=[] if self.penalty == 1 else [repetition_penalty(mask, self.penalty)],
                pad_token_id=self.tokenizer.pad_token_id,
                eos_token_id=self.ends,
            )
        return list(self.tokenizer.batch_decode(output[:, width:], skip_special_tokens=True))


def repetition_penalty(mask: "torch.Tensor", penalty: float) -> "Processor":
    """transformers' repetition penalty, for padded prompts: padding, which may be the end of a sequence, is no token.

    `mask` is that of the prompts, [rows, width]; its last column is all ones.
    """
    import torch
    from transformers import RepetitionPenaltyLogitsProcessor

    penalise, width = RepetitionPenaltyLogitsProcessor(penalty), mask.shape[1]

    def process(ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        # A token counts once, so in the place of padding the prompt's last token stands once more.
        prompts = torch.where(mask.bool(), ids[:, :width], ids[:, width - 1 : width])
        penalised: torch.Tensor = penalise(torch.cat([prompts, ids[:, width:]], 1), scores)
        return penalised

    return process
