"""Reports of real runs: complete ones, and those that are nothing but trouble."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest
from report_runs import HOSTILE, PROSE, read, records, refine, write

from prox.errors import RunError, UsageError
from prox.report import sample as sampling
from prox.report.report import write_report
from prox.report.sample import MOST_DOCUMENTS, sample_run
from prox.report.spread import spread
from prox.runs.recipe import make_recipe
from prox.runs.refine import refine_corpus
from prox.visible import visible


def test_a_report_holds_figures_groups_and_documents_line_by_line(run):
    html, _, documents = read(write_report(str(run)))
    assert "<b>40</b><span>documents" in html and "site-1.example" in html and "Privacy policy" in html
    by_id = {each["id"]: each for each in documents}
    assert len(by_id) == 40 and {each["decision"] for each in documents} == {"edited", "dropped"}
    page = by_id["page-1"]
    assert page["domain"] == "site-1.example" and page["language"] == "de"
    assert [row[1] for row in page["lines"]] == ["removed"] * 3 + ["kept"] * 6 + ["changed", "removed"]
    changed = page["lines"][-2]
    assert changed[3] == [["It was cited.", 1], ["[1]", 0]] and changed[4] == "It was cited."


def test_the_headline_tells_time_and_tokens(run):
    record = json.loads((run / "run.json").read_bytes())
    record["seconds"] = 7_260.0
    record["costs"][0] |= {"tokens_in": 2_600_000, "tokens_out": 400_000, "flops": 18 * 10**14}
    (run / "run.json").write_text(json.dumps(record))
    html = _one_line(read(write_report(str(run)))[0])
    assert "<b>2 h 1 min</b>" in html and "<b>3m</b><span>tokens read and written, 1.8e+15 flops" in html


def test_nothing_that_a_document_holds_can_run_or_break_the_page(tmp_path):
    hostile = {
        "id": HOSTILE[0],
        "text": "\n".join(HOSTILE * 3 + [f"{PROSE} {PROSE}"] * 6),
        "url": f"https://{HOSTILE[4]}/",
    }
    source = write(
        tmp_path / "p.jsonl", [hostile | {"id": f"{HOSTILE[n % 5]}{n}", "language": HOSTILE[1]} for n in range(9)]
    )
    refine(source, tmp_path / "out")
    html, parsed, documents = read(write_report(str(tmp_path / "out")))
    assert [tag for tag, _, _ in parsed.inside] == ["style", "script", "script"]
    assert not {tag for tag, _ in parsed.tags} & {"img", "iframe", "object", "base"}
    names = {name for _, attributes in parsed.tags for name in attributes}
    assert not any(name.startswith("on") for name in names) and "style" not in names and "src" not in names
    policy = next(attributes["content"] for tag, attributes in parsed.tags if "http-equiv" in attributes)
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for _, _, text in (parsed.inside[0], parsed.inside[2])
    ]
    assert policy.startswith("default-src 'none'") and all(f"'sha256-{each}'" in policy for each in hashes)
    assert documents[0]["lines"][0][3] == visible(HOSTILE[0])
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\x00\x1b]", html)


def test_long_documents_and_lines_do_not_make_a_report_large(tmp_path):
    lines = "\n".join(f"{PROSE} {number}" for number in range(100_000))
    source = write(tmp_path / "p.jsonl", [{"id": "long", "text": lines}, {"id": "wide", "text": PROSE * 20_000}])
    refine(source, tmp_path / "out", "rules:c4", level="chunk")
    path = write_report(str(tmp_path / "out"))
    _, _, documents = read(path)
    assert (tmp_path / "out" / "report.html").stat().st_size < 200_000
    assert any(row[1] == "gap" and row[0] > 99_000 for row in documents[0]["lines"])


def _one_line(html):
    return " ".join(html.split()).lower()


def test_without_its_input_a_report_says_so(run, tmp_path):
    assert "the raw text could not" not in read(write_report(str(run)))[0]
    (tmp_path / "pages.jsonl").rename(tmp_path / "elsewhere.jsonl")
    html, _, documents = read(write_report(str(run)))
    assert "the raw text of 40 documents could not be read" in _one_line(html)
    assert "pages.jsonl" in html.split("<strong>")[1].split("</strong>")[0]
    assert all(each["lines"] is None for each in documents)
    source = write(tmp_path / "pages.jsonl", ({**each, "text": each["text"].upper()} for each in records()))
    assert source and "the raw text of 40 documents could not be read" in _one_line(read(write_report(str(run)))[0])


def test_runs_of_nothing_of_dropped_documents_and_of_quarantine_alone(tmp_path):
    cases = {
        "empty": "",
        "dropped": json.dumps({"text": "short", "id": "a"}) + "\n",
        "quarantine": "{broken\n" * 3,
    }
    for name, content in cases.items():
        (tmp_path / f"{name}.jsonl").write_text(content)
        refine(tmp_path / f"{name}.jsonl", tmp_path / name, corpus="plain")
        html, _, documents = read(write_report(str(tmp_path / name)))
        assert "</html>" in html and len(documents) == len(content.split("\n")) - 1


def test_a_sample_is_spread_over_the_input_and_the_same_every_time(tmp_path):
    source = write(tmp_path / "p.jsonl", records(400))
    refine(source, tmp_path / "out", unit_documents=50)
    sample = sample_run(str(tmp_path / "out"), most=80)
    numbers = {page.key[1:] for page in sample.pages}
    assert (
        len(numbers) == 80 == len(sample.pages) and len({offset for offset, _ in numbers}) > 5 and not sample.is_whole
    )
    assert sample == sample_run(str(tmp_path / "out"), most=80) and all(page.lines for page in sample.pages)
    assert sample_run(str(tmp_path / "out")).is_whole and MOST_DOCUMENTS > 400
    assert spread(list(range(10)), 4) == [0, 2, 5, 7] and spread([1], 4) == [1] and spread([], 4) == []


def test_parts_of_a_corpus_have_their_share_of_the_sample(tmp_path):
    (tmp_path / "in").mkdir()
    for name, count in (("few", 30), ("many", 270)):
        write(tmp_path / "in" / f"{name}.jsonl", records(count))
    refine(tmp_path / "in", tmp_path / "out", unit_documents=1000)
    sample = sample_run(str(tmp_path / "out"), most=100)
    files = Counter(page.key[0].rpartition("/")[2] for page in sample.pages)
    assert len(sample.units) == 2 and files == {"few.jsonl": 10, "many.jsonl": 90}


def test_a_small_file_that_fares_otherwise_is_told(tmp_path):
    """Story: of 200 records among 10,000 so few were in the sample that nothing was concluded of them."""
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
    write(tmp_path / "in/a/0.jsonl", ({"id": str(n), "text": "\n".join([PROSE] * 6)} for n in range(900)))
    write(tmp_path / "in/b/0.jsonl", ({"id": str(n), "text": "Home\n" * 99 + PROSE} for n in range(40)))
    refine(tmp_path / "in", tmp_path / "out", level="chunk")
    html = _one_line(read(write_report(str(tmp_path / "out")))[0])
    assert "of the words are left, but of b/0.jsonl" in html and "differ" in html
    assert sum(group.documents for group in sample_run(str(tmp_path / "out"), most=10).files) == 940


def test_of_large_documents_there_are_fewer_in_a_sample(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "MOST_PAGE_BYTES", 100_000)
    source = write(tmp_path / "p.jsonl", ({"id": str(n), "text": f"{PROSE}\n" * 100} for n in range(40)))
    refine(source, tmp_path / "out", level="chunk")
    sample = sample_run(str(tmp_path / "out"))
    assert len(sample.pages) == 100_000 // (100 * (len(PROSE) + 1)) and not sample.is_whole


def test_a_document_longer_than_all_that_fits_is_told_and_left_out(tmp_path, monkeypatch):
    texts = [f"{PROSE}\n" * 2_000, *[f"{PROSE}\n" * 10] * 60]
    source = write(tmp_path / "p.jsonl", ({"id": str(n), "text": text} for n, text in enumerate(texts)))
    refine(source, tmp_path / "out", level="chunk")
    monkeypatch.setattr(sampling, "MOST_PAGE_BYTES", 150_000)
    html, _, documents = read(write_report(str(tmp_path / "out")))
    assert "The raw text of 1 document could not be read again, or is too long (more than 150,000 char" in html
    assert len(documents) > 1 and [each["id"] for each in documents if each["lines"] is None] == ["0"]


def test_a_rule_is_told_by_what_it_means(run):
    html, _, documents = read(write_report(str(run)))
    told = "fewer than 5 sentences in the lines that end like one"
    assert f"too_few_sentences<small>{told}</small>" in html
    assert f"too_few_sentences: dropped by rules:c4 ({told})" in {each["reason"] for each in documents}


def test_a_run_of_an_earlier_version_has_a_report(run):
    record = json.loads((run / "run.json").read_bytes())
    del record["text_fields"]
    for cost in record["costs"]:
        del cost["threshold"]
    (run / "run.json").write_text(json.dumps(record))
    assert ">plain</td>" in read(write_report(str(run)))[0]
    del record["status"]
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match=r"run\.json is not from a run"):
        write_report(str(run))


def test_a_report_tells_which_corpus_and_field_were_read(run):
    assert ">plain, text in field text</td>" in read(write_report(str(run)))[0]


def test_a_broken_plan_is_told(run):
    (run / "plan.jsonl.zst").write_bytes(b"no zstd")
    with pytest.raises(UsageError, match=r"plan\.jsonl\.zst cannot be read"):
        write_report(str(run))


def test_a_ledger_that_is_gone_is_told(run):
    shutil.rmtree(run / "ledger")
    assert "the ledger names 0 of 1 work units" in _one_line(read(write_report(str(run)))[0])


def test_programs_without_all_columns_are_told(run):
    (part,) = (run / "programs").iterdir()
    pq.write_table(pq.read_table(part).drop_columns(["stages", "id"]), part)
    with pytest.raises(RunError, match="cannot be read: it has no id, stages"):
        write_report(str(run))


def test_links_lead_to_the_document_that_they_name(tmp_path):
    long, removed = "x" * 400, " ".join(["javascript must be on to read this line of prose"] * 3) + "."
    ids = ["same", "same", "same~2", "same", long]
    source = write(
        tmp_path / "p.jsonl", ({"id": id, "text": f"{PROSE}\n{removed} {n}.\n" * 6} for n, id in enumerate(ids))
    )
    refine(source, tmp_path / "out", level="chunk")
    _, parsed, documents = read(write_report(str(tmp_path / "out")))
    anchors = [each["anchor"] for each in documents]
    assert anchors[:4] == ["same", "same~3", "same~2", "same~4"] and len(set(anchors)) == 5
    links = [attrs["href"] for tag, attrs in parsed.tags if attrs.get("href", "").startswith("#l=")]
    assert sorted(unquote(link.partition("d=")[2]) for link in links) == sorted(anchors)
    assert {link.partition("&")[0] for link in links} <= {f"#l={number}" for number in range(1, 12, 2)}


def test_long_lines_of_one_word_are_told_apart(tmp_path):
    lines = [f"▶ {'鸟' * 60}{letter}{'鸟' * 90} javascript" for letter in "ab"]
    source = write(tmp_path / "p.jsonl", ({"id": str(n), "text": "\n".join([PROSE] * 6 + lines)} for n in range(3)))
    refine(source, tmp_path / "out", level="chunk")
    html = read(write_report(str(tmp_path / "out")))[0]
    shown = [f"▶ {'鸟' * 60}{letter}{'鸟' * 55} …" for letter in "ab"]
    assert all(each in html for each in shown)


def test_what_goes_is_in_the_colour_of_what_goes(tmp_path):
    refine(write(tmp_path / "p.jsonl", records(10)), tmp_path / "out", "tagger", level="chunk")
    parsed = read(write_report(str(tmp_path / "out")))[1]
    classes = Counter(attrs.get("class") for tag, attrs in parsed.tags if tag == "i")
    assert classes["gone"] == 1 and classes["s1"] == 3


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no run"):
        write_report(str(tmp_path))


def test_a_part_that_is_gone_is_left_out_and_told(tmp_path):
    source = write(tmp_path / "pages.jsonl", records(40))
    refine(source, tmp_path / "out", unit_documents=10)
    parts = sorted((tmp_path / "out" / "programs").iterdir())
    parts[1].write_bytes(b"PAR1 is not all that it takes")
    html, _, documents = read(write_report(str(tmp_path / "out")))
    assert f"the programs of 1 of the {len(parts)} work units" in _one_line(html) and parts[1].name in html
    assert 0 < len(documents) < 40
    for part in parts:
        part.unlink(missing_ok=True)
    with pytest.raises(RunError, match="cannot be read"):
        write_report(str(tmp_path / "out"))


def test_a_sample_reaches_the_end_of_a_unit(tmp_path):
    refine(write(tmp_path / "p.jsonl", records(400)), tmp_path / "out", unit_documents=400)
    numbers = [page.key[2] for page in sample_run(str(tmp_path / "out"), most=40).pages]
    assert numbers == list(range(0, 400, 10))


@pytest.mark.parametrize(("given", "shown"), [(None, "0.5"), (0.25, "0.25")])
def test_the_threshold_is_told_that_the_refiner_took(tmp_path, given, shown):
    source = write(tmp_path / "pages.jsonl", records(10))
    refine(source, tmp_path / "out", "tagger", level="chunk", noise_threshold=given)
    assert f"Noise scores of lines (threshold {shown})" in read(write_report(str(tmp_path / "out")))[0]


def test_files_are_named_without_the_folder_that_they_share(tmp_path):
    (tmp_path / "crawl" / "deep").mkdir(parents=True)
    for name in ("one", "deep/two"):
        write(tmp_path / "crawl" / f"{name}.jsonl", records(4))
    refine(tmp_path / "crawl", tmp_path / "out", level="chunk")
    html = read(write_report(str(tmp_path / "out")))[0]
    assert f"<caption>file in {tmp_path}/crawl<" in html and ">one.jsonl<" in html and ">deep/two.jsonl<" in html


def test_the_same_run_gives_the_same_page_and_each_document_an_address(tmp_path):
    ten = [{**each, "id": f"id-{number // 2}"} for number, each in enumerate(records(20))]
    refine(write(tmp_path / "p.jsonl", ten), tmp_path / "out")
    code = "import sys; from prox.report.report import write_report; write_report(sys.argv[1])"
    pages = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], check=True, env=environment)
        pages.append((tmp_path / "out" / "report.html").read_bytes())
    assert pages[0] == pages[1]
    _, _, documents = read(tmp_path / "out" / "report.html")
    assert len({each["anchor"] for each in documents}) == 20 and documents[1]["anchor"] == "id-0~2"


def test_programs_that_cannot_be_read_are_told(run):
    (part,) = (run / "programs").iterdir()
    part.write_bytes(part.read_bytes()[:200])
    with pytest.raises(RunError, match="cannot be read"):
        write_report(str(run))


def test_a_run_that_has_just_begun_names_its_refiner(tmp_path):
    """Story: one that was killed within seconds had a report by nobody."""
    recipe = make_recipe(
        input=(write(tmp_path / "p.jsonl", records(40)),),
        output=str(tmp_path / "out"),
        stages=("rules:c4",),
        workers=1,
    )
    seen = []
    refine_corpus(recipe, lambda progress: seen.append(json.loads((tmp_path / "out/run.json").read_bytes())["costs"]))
    assert seen and all([cost["stage"] for cost in costs] == ["rules:c4", "rules:c4"] for costs in seen)
