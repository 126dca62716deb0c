"""What the judge of documents does with documents that it knows nothing of."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tagger_texts import sample_pages, texts

from prox.refiners.tagger.documents import keep_logit, tempered, trust
from prox.refiners.tagger.features import line_features
from prox.refiners.tagger.network import line_logits, line_states, sigmoid
from prox.refiners.tagger.weights import embedded_path, load_weights

FAMILIAR, USUAL = 0.65, 6.9  # what 308 English documents teach


@pytest.fixture(scope="module")
def weights():
    return load_weights(embedded_path())


@pytest.fixture(scope="module")
def logit(weights):
    """The logit of a text by the embedded judge that is trusted as far as its documents reach, or always."""

    def of(text, always=False):
        bounds = {"familiar": 0.0, "usual": float("inf")} if always else {"familiar": FAMILIAR, "usual": USUAL}
        features = line_features(text)
        noise = sigmoid(line_logits(line_states(features, weights.lines), weights.lines))
        return keep_logit(features, noise, dataclasses.replace(weights.documents, **bounds))

    return of


PROSE = {
    "German": "Nachts riss der Fluss die alte Brücke mit sich. Morgens standen viele Dorfbewohner schweigend am Ufer.",
    "Greek": "Το ποτάμι φούσκωσε τη νύχτα και παρέσυρε το παλιό γεφύρι. Το πρωί το μισό χωριό στεκόταν στην όχθη.",
    "Chinese": "夜里河水上涨，冲走了那座老桥。第二天早晨，半个村子的人都站在岸边，谁也没有说话。",
    "Polish": "Rzeka wezbrała w nocy i zabrała ze sobą stary most. Rano pół wsi stało na brzegu.",
}


@pytest.mark.parametrize("language", PROSE)
def test_prose_of_a_language_that_the_judge_does_not_know_is_kept(language, logit, weights):
    assert sigmoid(np.array(logit(PROSE[language]))) >= weights.documents.threshold


@pytest.mark.parametrize("menu", ["首页\n新闻\n登录", "Startseite\nAnmelden\nWarenkorb\nDatenschutz\nImpressum"])
def test_menus_of_a_language_that_the_judge_does_not_know_are_dropped(menu, logit):
    assert logit(menu) < 0


@pytest.mark.parametrize("name", ["page-003", "page-035"])
def test_lecture_notes_of_mathematics_are_kept_though_general_text_taught_to_drop_them(name, logit):
    assert logit(sample_pages()[name], always=True) < 0 < logit(sample_pages()[name])


@pytest.mark.parametrize("name", ["page-004", "page-011", "page-018", "page-029", "page-034", "page-039"])
def test_worthless_pages_of_words_that_it_knows_are_judged_as_ever(name, logit):
    text = sample_pages()[name]
    assert logit(text) == logit(text, always=True) < 0


@given(texts)
@settings(max_examples=25, deadline=None)
def test_strangeness_is_no_reason_to_drop(logit, text):
    if len(line_features(text).rows):
        assert logit(text) >= logit(text, always=True) - 1e-9


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 50), st.floats(0, 50), st.floats(0, 1), st.floats(0.1, 50))
def test_trust_grows_with_known_words_and_falls_with_distance(known, fewer, distance, farther, familiar, usual):
    less, more = sorted((known, fewer))
    near, far = sorted((distance, farther))
    assert 0 <= trust(less, far, familiar, usual) <= trust(more, near, familiar, usual) <= 1


def test_trust_is_whole_within_the_bounds_and_gone_a_quarter_beyond_them():
    assert trust(FAMILIAR, USUAL, FAMILIAR, USUAL) == 1
    assert trust(FAMILIAR * 0.7, 0, FAMILIAR, USUAL) == trust(1, USUAL * 1.3, FAMILIAR, USUAL) == 0
    assert trust(0, 1e9, 0, float("inf")) == 1


@given(st.floats(-20, 20), st.floats(0, 1), st.floats(-20, 20))
def test_a_tempered_logit_lies_between_the_judge_and_the_lines_and_never_below_the_judge(score, trusted, content):
    assert score - 1e-9 <= tempered(score, trusted, content) <= max(score, content) + 1e-9
