"""Continuous batching: which requests are in the model, and what each step reads. `Slots.step` is one pass.

A step reads the next token of every text that grows and, beside them, pieces of new prompts, the oldest first: a long
prompt does not stall the others, and a text that ends makes room at once.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import torch

from serve.completing.job import Job
from serve.completing.prefix_cache import SHORTEST, Prefix, PrefixCache, common_beginning
from serve.completing.request import FinishReason
from serve.completing.sampling import choose_tokens, score_tokens
from serve.completing.slot_cache import Reading
from serve.completing.slot_model import SlotModel

# Prompt tokens read in one step. A cancelled request is seen after that many, and a text that grows waits as long.
PIECE_ON_CPU = 256
PIECE = 1024
SCORED_LOGITS = 2**24  # logits of scored prompt tokens in one step: 64 MB


@dataclass
class Counts:
    """What the engine has done so far, for the metrics.

    `read`: prompt tokens read by the model; `cached`: those that came from the prefix cache instead; `generated`: new
    tokens, ends included; `steps`: passes through the model.
    """

    read: int = 0
    cached: int = 0
    generated: int = 0
    steps: int = 0


class Slots:
    """The jobs in the model; job n is in slot n, so that texts that grow are neighbours."""

    def __init__(self, model: SlotModel, prefix_cache_tokens: int, ends: Collection[int]) -> None:
        self.model = model
        self.ends = frozenset(ends)
        self.prefixes = PrefixCache(prefix_cache_tokens)
        self.jobs: list[Job] = []
        self.counts = Counts()
        self._piece = PIECE_ON_CPU if model.device.type == "cpu" else PIECE
        self._scored_piece = max(16, SCORED_LOGITS // model.vocabulary)
        self._order: dict[Job, None] = {}  # the jobs, the oldest first

    def admit(self, waiting: list[Job]) -> None:
        """Move jobs from those waiting into free slots, the oldest first.

        A job whose prompt begins like one that is being read, and that will be kept, waits for it. Its prompt is not
        looked at again until that one is read or gone: hundreds that wait cost a step next to nothing.
        """
        for job in list(waiting):
            if len(self.jobs) == self.model.slots:
                return
            if job.awaited is not None and job.awaited in self._order and job.awaited.left:
                continue
            prefix, known = self.prefixes.longest(job.request)
            job.awaited = next((other for other in self.jobs if self._awaits(job, known, other)), None)
            if job.awaited is None:
                waiting.remove(job)
                self._enter(job, prefix, known)

    @staticmethod
    def _awaits(job: Job, known: int, other: Job) -> bool:
        """Whether `other`, once read, saves the job tokens beyond those known."""
        if not (other.kept and other.left):
            return False
        shared = common_beginning(job.request.prompt, other.request.prompt)
        wanted, given = job.request, other.request
        serves = not wanted.score_prompt or (given.score_prompt and given.alternatives >= wanted.alternatives)
        return serves and shared >= known + SHORTEST

    def _enter(self, job: Job, prefix: Prefix | None, known: int) -> None:
        slot = len(self.jobs)
        self.jobs.append(job)
        self._order[job] = None
        job.kept = self.prefixes.wants(job.request.prompt, known)
        if prefix is not None:
            count = job.start_from(prefix, known)
            self.model.cache.put(slot, prefix.layers, count)
            self.counts.cached += count

    def drop_gone(self) -> None:
        """Free the slots of jobs that nobody waits for, and clear them: nobody has seen whether they hold numbers."""
        for slot in reversed(range(len(self.jobs))):
            if self.jobs[slot].gone:
                if self.jobs[slot].read:
                    self.model.cache.clear(slot)
                self._free(slot)

    def step(self) -> None:
        """One pass through the model: jobs that end with it are delivered and leave."""
        readings = self._readings()
        if not readings:
            return
        plan = self._plan(readings)
        logits = self.model.logits(readings, plan.wanted)
        self.counts.steps += 1
        for slot, _, ids in readings:
            self.counts.read += len(ids) if self.jobs[slot].left else 0
            self.jobs[slot].read += len(ids)
        broken = self._score(logits, plan)
        over = self._choose(logits, plan, broken)
        for slot, start, _ in readings:
            job = self.jobs[slot]
            if job.kept and not job.left and start < len(job.request.prompt) and slot not in broken:
                self._keep(slot)
            if not job.left and not job.request.max_new_tokens:
                over[slot] = "length"
        self._leave(over, broken)

    def _readings(self) -> list[Reading]:
        """What the step reads, in the order of the slots."""
        budget, scored = self._piece, self._scored_piece
        pieces: dict[Job, int] = {}
        for job in self._order:
            count = min(job.left, budget, scored if job.request.score_prompt else budget)
            if count:
                pieces[job] = count
                budget -= count
                scored -= count if job.request.score_prompt else 0
        readings = []
        for slot, job in enumerate(self.jobs):
            if job in pieces:
                readings.append(Reading(slot, job.read, job.request.prompt[job.read : job.read + pieces[job]]))
            elif not job.left:
                readings.append(Reading(slot, job.read, (job.tokens[-1].id,)))
        return readings

    def _plan(self, readings: list[Reading]) -> "_Plan":
        """Which of the logits are wanted: after each token whose next one is to be scored, and to go on."""
        plan = _Plan()
        begin = 0
        for slot, start, ids in readings:
            job, end = self.jobs[slot], start + len(ids)
            prompt = job.request.prompt
            if job.request.score_prompt:
                for position in range(start, min(end, len(prompt) - 1)):
                    plan.scored.append((slot, prompt[position + 1], len(plan.wanted)))
                    plan.wanted.append(begin + position - start)
            if end >= len(prompt) and job.request.max_new_tokens:
                plan.chosen.append((slot, len(plan.wanted)))
                plan.wanted.append(begin + len(ids) - 1)
            begin += len(ids)
        return plan

    def _score(self, logits: torch.Tensor, plan: "_Plan") -> set[int]:
        """Give prompts the scores of their tokens; the slots where they are not numbers."""
        if not plan.scored:
            return set()
        slots, tokens, rows = zip(*plan.scored, strict=True)
        counts = [self.jobs[slot].request.alternatives for slot in slots]
        targets = torch.tensor(tokens, device=logits.device)
        scores = score_tokens(logits[torch.tensor(rows, device=logits.device)], targets, counts)
        for slot, score in zip(slots, scores, strict=True):
            self.jobs[slot].prompt_tokens.append(score)
        return {slot for slot, score in zip(slots, scores, strict=True) if math.isnan(score.logprob)}

    def _choose(self, logits: torch.Tensor, plan: "_Plan", broken: set[int]) -> dict[int, FinishReason]:
        """Give texts their next token; why those that end with it do. Slots without one are added to `broken`."""
        if not plan.chosen:
            return {}
        if plan.scored:
            logits = logits[torch.tensor([row for _, row in plan.chosen], device=logits.device)]
        jobs = {slot: self.jobs[slot] for slot, _ in plan.chosen}
        tokens = choose_tokens(
            logits,
            [job.request.sampling for job in jobs.values()],
            [job.uniform() for job in jobs.values()],
            [job.request.alternatives for job in jobs.values()],
        )
        self.counts.generated += len(tokens)
        over: dict[int, FinishReason] = {}
        for (slot, job), token in zip(jobs.items(), tokens, strict=True):
            if math.isnan(token.logprob):
                broken.add(slot)
            elif reason := job.add(token, self.ends):
                over[slot] = reason
        return over

    def _keep(self, slot: int) -> None:
        """Put a prompt that was read into the prefix cache."""
        job = self.jobs[slot]
        prompt, request = job.request.prompt, job.request
        layers = self.model.cache.take(slot, len(prompt))
        self.prefixes.add(Prefix(prompt, layers, tuple(job.prompt_tokens), request.alternatives))

    def _leave(self, over: dict[int, FinishReason], broken: set[int]) -> None:
        """Deliver the jobs that are over or broken, and free their slots."""
        for slot in sorted(over.keys() | broken, reverse=True):
            if slot in broken:
                self.jobs[slot].deliver(RuntimeError("the model's logits are not numbers (NaN)"))
                self.model.cache.clear(slot)
            else:
                self.jobs[slot].finish(over[slot])
            self._free(slot)

    def _free(self, slot: int) -> None:
        """Take a job out; the last one moves into its slot."""
        del self._order[self.jobs[slot]]
        last = self.jobs.pop()
        if slot < len(self.jobs):
            self.model.cache.move(len(self.jobs), slot, last.read)
            self.jobs[slot] = last

    def reset(self) -> list[Job]:
        """Empty all slots and forget all prompts; the jobs that were in them."""
        jobs = self.jobs
        self.jobs = []
        self._order.clear()
        self.prefixes.clear()
        self.model.reset()
        return jobs


@dataclass
class _Plan:
    """Which logits a step needs, as indices of its tokens (`wanted`), and what for, as indices of `wanted`.

    `scored`: (slot, token to score, row); `chosen`: (slot, row) where a text goes on.
    """

    wanted: list[int] = field(default_factory=list)
    scored: list[tuple[int, int, int]] = field(default_factory=list)
    chosen: list[tuple[int, int]] = field(default_factory=list)
