"""Prompts -> text by beam search with Hugging Face transformers, many prompts at a time."""

from serve.transformers_engine import LoadedModel, PromptBatch, TransformersEngine


class BeamEngine(TransformersEngine):
    """A model in memory that decodes by beams. Each prompt is read once, not once a beam.

    Of all texts that the search has ended, the one of the highest mean log-probability a token is taken (a length
    penalty of 1), and it stops once the best open beam cannot beat any of the ended ones (no early stopping): the
    defaults of transformers. `stop` ends no beam, since the text that it cuts was chosen as a whole.
    """

    def __init__(self, loaded: LoadedModel, batch_size: int, beams: int) -> None:
        super().__init__(*loaded, batch_size)
        self.beams = beams

    def texts(self, batch: PromptBatch, max_new_tokens: int, stop: str) -> list[str]:
        """The best text after each prompt of the batch."""
        import torch

        width = batch.ids.shape[1]
        if width - 1 > batch.cache.get_seq_length():
            self.read(batch, leave=1)
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
                pad_token_id=self.tokenizer.pad_token_id,
                eos_token_id=self.ends,
            )
        return list(self.tokenizer.batch_decode(output[:, width:], skip_special_tokens=True))
