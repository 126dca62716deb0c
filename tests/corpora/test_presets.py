import re

import pytest

from prox.corpora import (
    PRESETS,
    CorpusFile,
    check_text_field,
    choose_preset,
    choose_presets,
    corpus_file,
    get_preset,
    recognise,
)
from prox.errors import UsageError

RECORDS = {
    "plain": {"text": "Athlone Community Radio will be live", "meta": {"url": "https://a"}},
    "c4": {"text": "Beginners BBQ Class", "timestamp": "2019-04-25T12:57:54Z", "url": "https://klyq.com/bbq/"},
    "redpajama-v2": {
        "url": "http://a",
        "date_download": "2023-02-01T00:00:00Z",
        "digest": "sha1:DNJVF5QUTTJGEF56",
        "length": 12,
        "nlines": 1,
        "source_domain": "a",
        "title": "A",
        "raw_content": "The page",
        "cc_segment": "crawl-data/CC-MAIN-2023-06/x.warc.wet.gz",
        "original_nlines": 9,
        "line_ids": [3],
        "language": "en",
        "perplexity": 304.6,
        "bucket": "head",
    },
    "ccnet": {
        "url": "http://a",
        "date_download": "2019-03-18T00:00:00Z",
        "digest": "sha1:DNJVF5QUTTJGEF56",
        "length": 12,
        "nlines": 1,
        "source_domain": "a",
        "title": "A",
        "raw_content": "The page",
        "original_nlines": 9,
        "line_ids": [3],
        "language": "en",
        "language_score": 0.95,
    },
    "fineweb": {
        "text": "This is a peanut flavoured cream",
        "id": "<urn:uuid:e5a3e79a-13d4-4147-a26e-167536fcac5d>",
        "dump": "CC-MAIN-2021-43",
        "url": "http://allrecipes.co.uk/recipe/24758",
        "date": "2021-10-15T21:20:12Z",
        "file_path": "s3://commoncrawl/crawl-data/CC-MAIN-2021-43/x.warc.gz",
        "language": "en",
        "language_score": 0.948729,
        "token_count": 69,
    },
    "fineweb-edu": {
        "id": "<urn:uuid:673b1bf6-2c30-40ae-992b-c387d00a836a>",
        "dump": "CC-MAIN-2013-20",
        "text": "No. 24; Updated March 2011",
        "url": "http://aacap.org/page.ww",
        "date": None,
        "file_path": "s3://commoncrawl/crawl-data/CC-MAIN-2013-20/x.warc.gz",
        "language": "en",
        "language_score": 0.927742,
        "token_count": 755,
        "score": 3.375,
        "int_score": 3,
    },
    "dclm": {
        "bff_contained_ngram_count_before_dedupe": 0,
        "fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob": 0.03,
        "language_id_whole_page_fasttext": {"en": 0.97},
        "metadata": {"Content-Length": "3", "WARC-Record-ID": "<urn:uuid:1>", "WARC-Type": "response"},
        "previous_word_count": 3,
        "text": "A page",
        "url": "http://a",
        "warcinfo": "robots: classic",
    },
    "openwebmath": {"url": "http://a", "text": "$x$", "date": "2013-05-24", "metadata": '{"extraction_info": {}}'},
    "dolma": {
        "id": "http://a",
        "text": "A page",
        "source": "common-crawl",
        "added": "2023-04-07T15:24:38.743534+00:00",
        "created": "2020-03-29T09:04:10Z",
        "metadata": {"line_ids": [41, 42]},
    },
    "gold": {"id": "cleaneval/1", "raw_text": "Menu\nText", "line_labels": [1, 0], "neutral_lines": []},
    "refinedweb": {
        "content": "A page",
        "url": "http://a",
        "timestamp": "2013-05-18T10:42:00Z",
        "dump": "CC-MAIN-2013-20",
        "segment": "1368696382261",
        "image_urls": [],
    },
}


@pytest.mark.parametrize("name", [preset.name for preset in PRESETS if preset.marks])
def test_each_corpus_is_recognised_by_its_fields(name):
    assert recognise([RECORDS[name]]).name == name


def test_redpajama_in_its_newer_form_is_recognised():
    record = {"raw_content": "a", "doc_id": "2023-06/0000/en_head.json.gz/0", "meta": "{}", "quality_signals": "{}"}
    assert recognise([record]).name == "redpajama-v2"


def test_fields_that_some_records_lack_still_count():
    assert recognise([{"text": "a"}, RECORDS["c4"]]).name == "c4"


def test_without_records_the_corpus_is_plain():
    assert recognise([]).name == "plain"


def test_a_corpus_without_a_known_text_field_asks_for_it():
    records = [{"content": "a long page", "url": "http://a"}]
    with pytest.raises(UsageError) as error:
        recognise(records, "pages.parquet")
    assert str(error.value) == (
        'pages.parquet has no column "text"; it has "content", "url". Say which one with --text-field content.'
    )
    with pytest.raises(UsageError, match=r'a\.jsonl has no field "text"; it has "n"\.$'):
        recognise([{"n": 1}], "a.jsonl")


def test_a_preset_is_found_by_name_and_a_wrong_name_gets_the_nearest():
    assert get_preset("FineWeb_Edu").name == "fineweb-edu"
    with pytest.raises(UsageError, match=re.escape('no corpus preset "finweb". Did you mean "fineweb"? Known are c4,')):
        get_preset("finweb")


def test_the_text_field_can_be_named():
    preset = get_preset("plain").with_text_field("body")
    assert preset.text_field == "body"
    check_text_field(preset, [{"title": 1}, {"body": "a"}], "a.jsonl")
    with pytest.raises(UsageError, match=re.escape('a.jsonl has no field "body"; it has "text". Say')):
        check_text_field(preset, [{"text": "a"}], "a.jsonl")


def test_the_preset_of_a_corpus_is_chosen_from_its_first_readable_records(put, json_lines):
    empty = put("0.jsonl", b"")
    data = b"no json\n\xff\n[1]\n" + json_lines([RECORDS["dclm"]])
    from prox.corpora import find_files

    files = find_files([empty, put("1.jsonl", data)])
    assert choose_preset(files).name == "dclm"
    assert choose_preset(files, name="plain").name == "plain"
    assert choose_preset(files, text_field="warcinfo").text_field == "warcinfo"
    assert choose_preset(files, name="c4", text_field="warcinfo").name == "c4"
    with pytest.raises(UsageError, match=r'1\.jsonl has no field "raw_content"; it has "bff_'):
        choose_preset(files, name="ccnet")
    with pytest.raises(UsageError, match=r'1\.jsonl has no field "body"'):
        choose_preset(files, text_field="body")
    assert choose_preset(empty).name == "plain"
    assert choose_preset(empty, text_field="body").text_field == "body"


def test_a_named_text_field_is_enough_where_no_corpus_is_recognised(put, json_lines):
    path = put("a.jsonl", json_lines([{"content": "a", "url": "b"}]))
    with pytest.raises(UsageError, match="--text-field content"):
        choose_preset(path)
    preset = choose_preset(path, text_field="content")
    assert (preset.name, preset.text_field) == ("plain", "content")


def test_a_named_preset_needs_one_file_with_its_text_and_opens_no_other(put, json_lines):
    """Story: with --corpus, the first records of every file of a corpus were read."""
    first = put("a.jsonl", json_lines([{"other": 1}]))
    second = put("b.jsonl", json_lines([{"text": "x"}]))
    third = CorpusFile("/nowhere/c.jsonl", "jsonl", None, None)
    files = [corpus_file(first), corpus_file(second), third]
    presets, problems = choose_presets(files, "plain")
    assert set(presets.values()) == {get_preset("plain")} and list(presets) == [file.path for file in files]
    assert problems == []
