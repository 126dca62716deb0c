"""Models of two megabytes, made on the spot: real files, real tokenizers, weights by chance."""

from pathlib import Path

SENTENCES = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "Home | About | Contact | Log in | Subscribe to our newsletter",
    "Copyright 2019 by the editors of this page. All rights reserved.",
    "Researchers found that water on Mars was more common than they had thought.",
    'remove_lines(start=0, end=3)\nnormalize(source="a  b", target="a b")\nkeep_all()',
    "[000] The first line\n[001] The second line\n[002] The last line",
    "Die Straße war naß, und der Müller ging nach Hause. 价格 是 三 百 元。",
)

CHAT_TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)

CONTEXT = 2048


def make_tiny_llama(folder: Path, *, chat_template: bool = False, seed: int = 0) -> Path:
    """Save a Llama of two layers with a byte-level BPE tokenizer of 400 tokens or so, in float32."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trained.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<s>", "</s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    if chat_template:
        tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,  # vLLM has no attention on the CPU for heads narrower than 32
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT,
            initializer_range=0.3,  # else all tokens are about as probable, and rounding decides
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    ).to(torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
