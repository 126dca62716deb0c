import gzip
import json

import pytest
import zstandard

from prox.program import Policy, Program, execute

PAIRS = [
    {"id": "1", "text": "Home | Log in\nIt rains.", "refined": "It rains.", "language": "en", "n": [1]},
    {"id": "2", "raw_text": "It rains. Or so it was said.", "refined_text": "Rain, as many people here will tell you."},
    {"id": "3", "raw_text": "menu\nIt rains.\n©", "line_labels": [1, 0, 1], "neutral_lines": [], "site": "x.org"},
    {"id": "4", "raw_text": None, "refined": "x"},
    {"id": "5", "text": "words"},
    {"id": "6", "raw_text": "a\nb", "line_labels": [1]},
    {"id": "7", "text": "words", "keep": 1},
    {"id": "8", "text": "\ud800 some words", "refined": ""},
    {"id": "9", "text": "It rains.\nIt rains.", "refined": "It rains."},
    {"id": "10", "text": "the same", "refined": "the same"},
    "no object",
]
PROGRAM = "remove_lines(line_start=0, line_end=0)"
NEITHER = "neither a raw and a refined text nor raw_text with line_labels"
REFUSED = {
    NEITHER: 2,
    "a rewrite: a span of new text is too long": 1,
    "raw or refined text is not a string": 1,
    "line_labels has not one label for each line": 1,
    "lone surrogate": 1,
    "too few characters are deleted": 1,
    "not an object": 1,
    "invalid JSON": 1,
}


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in PAIRS) + '{"text": "cut')
    return path


def rows(path):
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_pairs_and_gold_become_labels_and_the_rest_has_a_reason(prox, pairs, tmp_path, ending):
    output = tmp_path / "new" / f"labels{ending}"
    code, out, _ = prox("distill", pairs, output, "--json")
    figures = json.loads(out)
    assert code == 0
    assert rows(output) == [
        {"id": "1", "language": "en", "n": [1], "raw_text": PAIRS[0]["text"], "program": PROGRAM},
        {
            "id": "3",
            "site": "x.org",
            "raw_text": PAIRS[2]["raw_text"],
            "program": PROGRAM + "\nremove_lines(line_start=2, line_end=2)",
        },
        {"id": "9", "raw_text": PAIRS[8]["text"], "program": "remove_lines(line_start=1, line_end=1)"},
    ]
    refused = rows(tmp_path / "new" / f"labels.refused{ending}")
    assert figures["records"] == len(PAIRS) + 1 == figures["distilled"] + len(refused)
    assert figures["refused"] == REFUSED
    assert {row["refused"] for row in refused} == set(REFUSED)
    assert PAIRS[1].items() <= refused[0].items()
    assert refused[-1]["raw"] == '{"text": "cut'
    assert (figures["from_labels"], figures["operations"], figures["operations_mean"]) == (
        1,
        {"remove_lines": 4},
        4 / 3,
    )
    assert figures["removed_share"] == pytest.approx(1 - 27 / (23 + 16 + 19))
    assert sorted(path.name for path in output.parent.iterdir()) == [output.name, f"labels.refused{ending}"]


def test_the_table_says_what_became_of_all(prox, pairs, tmp_path):
    code, out, _ = prox("distill", pairs, tmp_path / "o.jsonl", "--refused", tmp_path / "r.jsonl")
    assert code == 0
    for part in ("records", "12", "by labels", f"refused: {NEITHER}", "operations a program", "1.33", "r.jsonl"):
        assert part in out
    assert len(rows(tmp_path / "r.jsonl")) == 9


def test_fields_and_limits_are_a_choice(prox, tmp_path):
    path = tmp_path / "p.jsonl"
    record = {"a": "The colour of it.\nMenu", "b": "The color of this.", "raw_text": "old", "program": "old", "text": 1}
    path.write_text(json.dumps(record))
    output = tmp_path / "o.jsonl"
    fields = ["--raw-field", "a", "--refined-field", "b"]
    assert prox("distill", path, output, *fields)[0] == 1
    limits = ["--allow-replacements", "--allow-insertions", "--least-deleted", "3"]
    assert prox("distill", path, output, *fields, *limits, "--most-inserted", "1")[0] == 1
    assert not output.exists()
    assert prox("distill", path, output, *fields, *limits)[0] == 0
    (row,) = rows(output)
    assert row.keys() == {"raw_text", "program", "text"} and row["text"] == 1
    assert execute(row["raw_text"], Program.parse(row["program"]), Policy.unlimited()).text == record["b"]


def test_where_nothing_is_distilled_the_reason_is_told(prox, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"text": "a", "refined": "b"}\n')
    code, _, error = prox("distill", path, tmp_path / "o.jsonl")
    assert code == 1
    assert "none of 1 records gave a program, most often (1): too few characters are deleted" in error
    assert sorted(each.name for each in tmp_path.iterdir()) == ["o.refused.jsonl", "p.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{pairs}", "labels.parquet"], "has to end in .jsonl, .jsonl.gz, .jsonl.zst"),
        (["{pairs}", "{pairs}"], "would be overwritten"),
        (["{pairs}", "{folder}/o.jsonl", "--refused", "{folder}/o.jsonl"], "cannot hold the refused records too"),
        (["{folder}/none.jsonl", "{folder}/o.jsonl"], "none.jsonl"),
        (["{pairs}", "{folder}/o.jsonl", "--most-inserted", "-1"], "most-inserted"),
    ],
)
def test_a_wrong_call_says_what_to_do_and_writes_nothing(prox, pairs, tmp_path, arguments, message):
    filled = [each.format(pairs=pairs, folder=tmp_path) for each in arguments]
    code, _, error = prox("distill", *filled)
    assert code == 2
    assert message in error
    assert [each.name for each in tmp_path.iterdir()] == ["pairs.jsonl"]


def test_fields_that_are_null_are_as_if_they_were_not_there(prox, tmp_path):
    """In Parquet every record has every field: gold was refused for its refined text, a program taken for labels."""
    path, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    records = [
        {"id": "gold", "raw_text": "menu\nIt rains.", "line_labels": [1, 0], "refined": None},
        {
            "id": "pair",
            "raw_text": None,
            "text": "Home | Log in\nIt rains.",
            "refined": None,
            "refined_text": "It rains.",
        },
        {"id": "labels", "raw_text": "menu\nIt rains.", "line_labels": None, "program": 'normalize("It", "it")'},
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    code, out, _ = prox("distill", path, output, "--json")
    assert code == 0 and json.loads(out)["refused"] == {NEITHER: 1}
    assert [(row["id"], row["raw_text"], row["program"]) for row in rows(output)] == [
        ("gold", "menu\nIt rains.", PROGRAM),
        ("pair", "Home | Log in\nIt rains.", PROGRAM),
    ]


def test_a_gold_page_keeps_the_field_that_raw_texts_of_pairs_have(prox, tmp_path):
    path, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_text(json.dumps({"raw_text": "menu\nIt rains.", "line_labels": [1, 0], "html": "<p>It rains."}) + "\n")
    assert prox("distill", path, output, "--raw-field", "html")[0] == 0
    assert rows(output)[0]["html"] == "<p>It rains."


def test_a_folder_is_no_output_and_that_shows_at_once(prox, pairs, tmp_path):
    (tmp_path / "labels.jsonl").mkdir()
    code, _, err = prox("distill", pairs, tmp_path / "labels.jsonl")
    assert code == 2 and "labels.jsonl is a folder. Name a file" in err


def test_an_input_is_not_overwritten_under_another_name(prox, pairs, tmp_path):
    before = pairs.read_bytes()
    (tmp_path / "link.jsonl").symlink_to(pairs)
    code, _, err = prox("distill", tmp_path / "link.jsonl", pairs)
    assert code == 2 and "would be overwritten" in err and pairs.read_bytes() == before
