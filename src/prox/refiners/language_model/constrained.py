"""Constrained decoding for transformers: at each step, only tokens that keep the text in the grammar."""

from collections.abc import Sequence
from typing import Any

from prox.errors import UsageError


class Grammars:
    """Compiles grammars for one tokenizer."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Sequence[int]) -> None:
        try:
            import llguidance.hf
        except ImportError:
            raise UsageError("constrained decoding needs llguidance: pip install 'prox-refine[transformers]'") from None
        self._tokenizer = llguidance.hf.from_tokenizer(tokenizer, vocabulary, list(ends) or None)
        self._ends = list(ends) or [self._tokenizer.eos_token]

    def processor(self, grammars: Sequence[str | None], prompt_length: int) -> "GrammarProcessor":
        """A logits processor for one batch of generation.

        Args:
            grammars: One for each row; None leaves a row free.
            prompt_length: Of the padded prompts, in tokens.

        Raises:
            ValueError: A grammar cannot be compiled.
        """
        from llguidance import LLMatcher

        matchers = [None if grammar is None else LLMatcher(self._tokenizer, grammar) for grammar in grammars]
        for matcher in matchers:
            if matcher is not None and matcher.is_error():
                raise ValueError(f"the grammar cannot be compiled: {matcher.get_error()}")
        return GrammarProcessor(matchers, prompt_length, self._tokenizer.vocab_size, self._ends)


class GrammarProcessor:
    """Called by `generate` before each token; keeps one matcher a row."""

    def __init__(self, matchers: Sequence[Any], prompt_length: int, vocabulary: int, ends: Sequence[int]) -> None:
        self._matchers = matchers
        self._ends = list(ends)
        self._seen = prompt_length
        self._words = (vocabulary + 31) // 32

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch
        from llguidance.torch import fill_next_token_bitmask

        fresh = input_ids[:, self._seen :].tolist()
        self._seen = input_ids.shape[1]
        mask = torch.full((len(self._matchers), self._words), -1, dtype=torch.int32)
        for row, matcher in enumerate(self._matchers):
            if matcher is None:
                continue
            for token in fresh[row]:
                if not matcher.is_stopped():
                    matcher.consume_token(token)
            if not matcher.is_stopped():
                fill_next_token_bitmask(matcher, mask, row)
            else:  # the sentence is whole: nothing but its end can follow
                mask[row] = 0
        bits = (mask.unsqueeze(-1) >> torch.arange(32, dtype=torch.int32)) & 1
        allowed = bits.reshape(len(self._matchers), -1).bool().to(scores.device)
        width = scores.shape[1]
        if allowed.shape[1] < width:  # rows of the model's output that no token has
            allowed = torch.nn.functional.pad(allowed, (0, width - allowed.shape[1]))
        for row, matcher in enumerate(self._matchers):
            if matcher is not None and matcher.is_stopped():
                allowed[row, self._ends] = True
        return scores.masked_fill(~allowed[:, :width], float("-inf"))
