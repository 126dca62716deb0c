import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from prox.errors import UsageError
from prox.pretrain.evaluation import bits_per_byte
from prox.pretrain.evaluation.byte_likelihood import windows

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=6)
RELAXED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def directly(model, tokenizer, text, context):
    """Nats of a text, token by token, each from a pass of its own through the model."""
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
    sequence = [tokenizer.bos_token_id, *ids]
    nats = 0.0
    for window in windows(len(ids), context):
        for target in range(window.scored, window.end + 1):
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([sequence[window.start : target]])).logits[0, -1].double()
            nats -= float(torch.log_softmax(logits, -1)[sequence[target]])
    return nats


@given(st.integers(0, 300), st.integers(1, 70))
def test_every_token_is_scored_in_exactly_one_window_with_half_a_context_before_it(tokens, context):
    scored = []
    for window in windows(tokens, context):
        assert 0 <= window.start < window.scored <= window.end
        assert window.end - window.start <= context
        assert window.start == 0 or window.scored - window.start > context // 2
        scored += range(window.scored, window.end + 1)
    assert scored == list(range(1, tokens + 1))


@RELAXED
@given(TEXTS, st.sampled_from([1, 5, 64]))
def test_windows_and_batches_give_what_a_pass_for_each_token_gives(loaded, texts, context):
    nats, sizes = bits_per_byte(*loaded, texts, context)
    assert sizes.tolist() == [len(text.encode()) for text in texts]
    expected = [directly(*loaded, text, context) for text in texts]
    assert nats == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_with_the_whole_text_in_the_context_it_is_the_loss_of_the_model(loaded):
    model, tokenizer = loaded
    text = "The quick brown fox. Straße 价格"
    likelihood = bits_per_byte(model, tokenizer, [text], 64)
    ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False).input_ids]])
    with torch.inference_mode():
        loss = float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
    assert likelihood.nats[0] == pytest.approx(loss, rel=1e-4)
    assert likelihood.bits_per_byte == pytest.approx(loss / math.log(2) / len(text.encode()), rel=1e-4)


def test_bytes_and_not_characters_are_counted(loaded):
    assert bits_per_byte(*loaded, ["ß价🦊a\u2028"], 64).bytes.tolist() == [2 + 3 + 4 + 1 + 3]


def test_empty_documents_cost_nothing_and_keep_their_places(loaded):
    nats, sizes = bits_per_byte(*loaded, ["", "fox", ""], 64)
    assert nats[[0, 2]].tolist() == [0, 0] and nats[1] > 0
    assert sizes.tolist() == [0, 3, 0]


def test_without_any_text_there_is_no_figure(loaded):
    assert math.isnan(bits_per_byte(*loaded, [], 64).bits_per_byte)
    assert math.isnan(bits_per_byte(*loaded, [""], 64).bits_per_byte)


def test_the_text_of_a_control_token_is_text_and_the_tokenizer_stays_as_it_was(loaded):
    model, tokenizer = loaded
    assert tokenizer("</s>", add_special_tokens=False).input_ids == [tokenizer.eos_token_id]
    as_token = torch.tensor([[tokenizer.bos_token_id, tokenizer.eos_token_id]])
    with torch.inference_mode():
        of_token = float(model(input_ids=as_token, labels=as_token).loss)
    of_text = bits_per_byte(model, tokenizer, ["</s>"], 64).nats[0]
    assert of_text == pytest.approx(directly(model, tokenizer, "</s>", 64), rel=1e-4)
    assert of_text > of_token * 1.5
    assert tokenizer("</s>", add_special_tokens=False).input_ids == [tokenizer.eos_token_id]


def test_the_order_of_documents_and_their_company_change_nothing(loaded):
    texts = [f"{'fox ' * (number % 17)}{number}" for number in range(600)]
    forwards = bits_per_byte(*loaded, texts, 16).nats
    backwards = bits_per_byte(*loaded, texts[::-1], 16).nats
    np.testing.assert_allclose(forwards, backwards[::-1], rtol=1e-4)
    assert forwards[5] == pytest.approx(bits_per_byte(*loaded, [texts[5]], 16).nats[0], rel=1e-4)


@pytest.mark.parametrize("unknown", ["<unk>", None])
def test_a_tokenizer_that_has_no_tokens_for_the_text_is_refused(loaded, unknown):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = {"<unk>": 0, "<s>": 1, "f": 2, "o": 3, "x": 4}
    few = Tokenizer(models.BPE(letters, [], unk_token=unknown))  # without unk_token it drops what it does not know
    few.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=few, bos_token="<s>", unk_token=unknown)
    assert bits_per_byte(loaded[0], tokenizer, ["fox fox", "xo" * 2000 + "d"], 64).nats[0] > 0
    with pytest.raises(UsageError, match="no tokens for 2 of 9 characters"):
        bits_per_byte(loaded[0], tokenizer, ["fox", "dog of"], 64)


def test_a_tokenizer_without_a_token_to_begin_with_is_refused(loaded):
    from transformers import PreTrainedTokenizerFast

    bare = PreTrainedTokenizerFast(tokenizer_object=loaded[1].backend_tokenizer)
    with pytest.raises(UsageError, match="eos_token"):
        bits_per_byte(loaded[0], bare, ["fox"], 64)


def test_a_context_of_no_token_is_refused(loaded):
    with pytest.raises(UsageError, match="at least one token"):
        bits_per_byte(*loaded, ["fox"], 0)
