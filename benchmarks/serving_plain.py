"""The server that benchmarks/serving.py compares with: one request at a time, as the published submissions work.

    python -m benchmarks.serving_plain --model FOLDER --port 8901

`model.generate` is called inside an asynchronous handler, so that it holds up all others; keys and values are kept
for one answer alone. Its answers are right where the published ones are not: greedy, with raw log-probabilities.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from oneday.console import quiet_libraries, run_command, typer_main

if TYPE_CHECKING:
    from fastapi import FastAPI

    from serve.transformers_engine import LoadedModel

HELP = "Answer /process greedily, one request at a time."


def answer(loaded: "LoadedModel", prompt: str, max_new_tokens: int, alternatives: int) -> dict[str, Any]:
    """The text and its tokens, each with its log-probability and the likeliest ones."""
    import torch

    started = time.perf_counter()
    model, tokenizer = loaded
    inputs: Any = tokenizer(prompt, return_tensors="pt").to(model.device)
    with torch.inference_mode():
        output: Any = model.generate(
            **inputs,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
            pad_token_id=tokenizer.pad_token_id,
        )
    new = output.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    if new[-1] in tokenizer.all_special_ids:
        new.pop()  # the end of the sequence is no token of the text
    tokens: list[dict[str, Any]] = []
    for token, logits in zip(new, output.logits, strict=False):
        scores = logits[0].log_softmax(-1)
        best = scores.topk(alternatives)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        likeliest = {str(tokenizer.decode([other])): score for other, score in reversed(list(pairs))}
        tokens.append(
            {"text": str(tokenizer.decode([token])), "logprob": float(scores[token]), "top_logprob": likeliest}
        )
    text = tokenizer.decode(new, skip_special_tokens=True)
    total = sum(token["logprob"] for token in tokens)
    return {"text": text, "tokens": tokens, "logprob": total, "request_time": time.perf_counter() - started}


def create_plain_app(loaded: "LoadedModel") -> "FastAPI":
    """The application."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    class ProcessRequest(BaseModel):
        prompt: str
        max_new_tokens: int = 50
        top_k_per_token: int = 1

    app = FastAPI()

    @app.post("/process")
    async def process(request: ProcessRequest) -> dict[str, Any]:
        return answer(loaded, request.prompt, request.max_new_tokens, request.top_k_per_token)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ready"}

    return app


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    def command(
        model: Annotated[Path, typer.Option(help="A local folder.")],
        host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
        port: Annotated[int, typer.Option(help="Port to listen at.")] = 8901,
        device: Annotated[
            str | None, typer.Option(help="Where the model runs [default: a GPU if there is one].")
        ] = None,
    ) -> int:
        def work() -> None:
            quiet_libraries()
            import uvicorn

            from serve.transformers_engine import load_model

            loaded = load_model(str(model), dtype="float32", device=device)
            loaded.model.eval()
            uvicorn.run(create_plain_app(loaded), host=host, port=port, log_level="warning")

        return run_command(work)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
