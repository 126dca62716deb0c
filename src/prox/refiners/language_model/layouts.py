"""How a conversation becomes the text that a model reads, pinned here and not looked up in a tokenizer at run time.

A layout is the rendered text around a document. Written from the published templates and checked against them, byte
for byte, by the tests.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prox.errors import UsageError
from prox.refiners.language_model.engine import Message

PLACE = "\ue000document\ue000"
"""Stands for the document while a template of a model is rendered; private characters that no template has."""


USUAL_CONTROL = (
    *("<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"),
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_sep|>"),
    *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    *("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|start|>", "<|message|>", "<|channel|>", "<|return|>"),
    *("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>"),
)
"""Control texts of the usual chat models, for servers whose model nobody can look into."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The text around a document.

    Attributes:
        before, after: Rendered, whole: the opening of the prompt, and its closing up to where the model answers.
        begin: The text of the token that begins every text; servers add it themselves.
        strip_end: White space at the end of the document is taken away, because the template does.
        control: Texts that steer the model; where a document has one, it is shown broken by a space.
    """

    before: str
    after: str
    begin: str = ""
    strip_end: bool = False
    control: tuple[str, ...] = ()


def llama_2(system: str, before: str = "", after: str = "") -> Layout:
    r"""The layout of the Llama-2 chat models, one turn; `before` and `after` are text of the user around the document.

    >>> layout = llama_2("Be good.")
    >>> layout.begin + layout.before + "Hello" + layout.after
    '<s>[INST] <<SYS>>\nBe good.\n<</SYS>>\n\nHello [/INST]'
    """
    return Layout(
        before=f"[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{before}",
        after=f"{after} [/INST]",
        begin="<s>",
        strip_end=not after,  # the template strips the whole turn
        control=("<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"),
    )


def chatml_of_qwen3(system: str) -> Layout:
    r"""ChatML as Qwen3 renders it for an answer without thinking.

    >>> layout = chatml_of_qwen3("Be good.")
    >>> print(layout.before + "Hello" + layout.after + "|")
    <|im_start|>system
    Be good.<|im_end|>
    <|im_start|>user
    Hello<|im_end|>
    <|im_start|>assistant
    <think>
    <BLANKLINE>
    </think>
    <BLANKLINE>
    |
    """
    return Layout(
        before=f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n",
        after="<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        control=("<|im_start|>", "<|im_end|>", "<|endoftext|>"),
    )


def of_template(render: Callable[[Sequence[Message]], str], messages: Sequence[Message]) -> Layout:
    """The layout that a model's own template gives a conversation whose last turn holds `PLACE`.

    The template is asked once, when the model is loaded: what it gave is the pinned text of the run.

    Raises:
        UsageError: The template loses or repeats the document.
    """
    pieces = render(messages).split(PLACE)
    if len(pieces) != 2:
        raise UsageError(
            "the chat template of this model does not show the user's text once, as it is; name a --family "
            "with a layout of its own"
        )
    return Layout(before=pieces[0], after=pieces[1])
