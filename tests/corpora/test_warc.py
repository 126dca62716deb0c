"""Web archives: every page once, whatever happened to the bytes around it."""

import gzip
import io
import random
import re
import zlib

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prox.corpora import (
    Block,
    CorpusFile,
    Quarantined,
    choose_preset,
    choose_presets,
    corpus_file,
    decode,
    find_files,
    part_schema,
    read_blocks,
    read_records,
    refined_rows,
    table_from_rows,
)
from prox.corpora.members import unpacked
from prox.corpora.pages import EXAMPLE, check_packages, decoded
from prox.corpora.records import WHOLE, Span
from prox.corpora.streams import StorageError
from prox.corpora.warc import slice_warc
from prox.errors import UsageError

pytest.importorskip("fastwarc")
pytest.importorskip("resiliparse")

LIMIT = 1 << 20


def warc(kind, body, url="http://a.example/", type="text/plain", number=0, eol=b"\r\n", **fields):
    """A record by hand, as the standard says."""
    head = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{number}>",
        "WARC-Date": "2024-05-18T01:58:10Z",
        "WARC-Target-URI": url,
        "Content-Type": type,
        "Content-Length": str(len(body)),
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [b"WARC/1.0", *(f"{name}: {value}".encode() for name, value in head.items() if value is not None)]
    return eol.join(lines) + 2 * eol + body + 2 * eol


def response(body, head="", status="200 OK", type="text/html", number=0, **fields):
    head = f"HTTP/1.1 {status}\r\nContent-Type: {type}\r\n{head}\r\n".encode()
    return warc("response", head + body, type="application/http; msgtype=response", number=number, **fields)


def html(text):
    return f"<html><head><title>t</title></head><body><p>{text}</p></body></html>".encode()


def page_text(number):
    return f"Page {number} tells of birds. " + "They fly over the old town. " * (number % 9 + 1)


def crawl(count=12):
    """Records as crawlers write them: requests and responses in turn, some images and failures."""
    records = [warc("warcinfo", b"software: x\r\n", type="application/warc-fields")]
    for number in range(count):
        records.append(warc("request", b"GET / HTTP/1.1\r\n\r\n", type="application/http; msgtype=request"))
        if number % 5 == 3:
            records.append(response(b"\x89PNG" * 50, type="image/png", number=number))
        elif number % 5 == 4:
            records.append(response(html("gone"), status="404 Not Found", number=number))
        else:
            records.append(response(html(page_text(number)), number=number))
    return records


PACKINGS = {
    "plain.warc": b"".join,
    "members.warc.gz": lambda records: b"".join(map(gzip.compress, records)),
    "one.warc.gz": lambda records: gzip.compress(b"".join(records)),
    "frames.warc.zst": lambda records: b"".join(map(zstandard.compress, records)),
    "one.warc.zst": lambda records: zstandard.compress(b"".join(records)),
}


@pytest.fixture
def sliced(put_raw):
    """What `slice_warc` gives: pages by record number, and quarantined records."""

    def run(data, name="a.warc", block_bytes=4096, span=WHOLE, limit=LIMIT):
        return cut(put_raw(name, data), block_bytes, span, limit)

    return run


def cut(path, block_bytes=4096, span=WHOLE, limit=LIMIT):
    pages, quarantined = {}, []
    for entry in slice_warc(corpus_file(path), block_bytes, limit, span=span):
        if isinstance(entry, Quarantined):
            quarantined.append(entry)
        else:
            assert entry.layout == "warc" and entry.records == len(entry.payload)
            for number, page in enumerate(entry.payload, entry.first_record):
                if page:
                    assert number not in pages
                    pages[number] = page
    return pages, quarantined


def texts(path, html_to_text="resiliparse"):
    preset = choose_preset(path, html_to_text=html_to_text)
    found, quarantined = {}, []
    for block in read_blocks(path):
        if isinstance(block, Quarantined):
            quarantined.append(block)
            continue
        batch = decode(block, preset)
        found |= dict(zip(batch.records, batch.documents, strict=True))
        quarantined += batch.quarantined
    return found, quarantined


@pytest.mark.parametrize("name", PACKINGS)
def test_pages_are_read_from_every_packing_and_all_else_is_passed_over(put_raw, name):
    found, quarantined = texts(put_raw(name, PACKINGS[name](crawl())))
    assert quarantined == []
    expected = {2 + 2 * number: page_text(number).strip() for number in range(12) if number % 5 < 3}
    assert {number: document.text.strip() for number, document in found.items()} == expected
    assert found[2].metadata == {
        "url": "http://a.example/",
        "date": "2024-05-18T01:58:10Z",
        "record_type": "response",
        "status": 200,
        "content_type": "text/html",
        "charset": "utf-8",
        "language": None,
        "truncated": None,
    }
    assert found[2].id == "<urn:uuid:0>"


def test_what_fastwarc_writes_is_read(put_raw):
    from fastwarc.warc import WarcRecord, WarcRecordType

    data = b""
    for number in range(3):
        record = WarcRecord()
        record.init_headers(WarcRecordType.resource)
        record.headers["Content-Type"] = "text/html"
        record.set_bytes_content(html(page_text(number)))
        record.write(sink := io.BytesIO())
        data += gzip.compress(sink.getvalue())
    found, quarantined = texts(put_raw("a.warc.gz", data))
    assert quarantined == [] and [d.text.strip() for d in found.values()] == [page_text(n).strip() for n in range(3)]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(sorted(PACKINGS)), damaged=st.booleans())
def test_spans_that_tile_a_file_give_every_record_once_under_the_same_number(tmp_path, data, name, damaged):
    content = bytearray(PACKINGS[name](crawl(40)))
    if damaged:
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
            content[place : place + 5] = b"\xff\0xx"
    path = str(tmp_path / name)
    (tmp_path / name).write_bytes(content)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(content)), max_size=6)))
    whole_pages, whole_quarantined = cut(path)
    pages, quarantined = {}, []
    for first, last in zip([0, *cuts], [*cuts, None], strict=True):
        some, others = cut(path, span=Span(first, last))
        assert not pages.keys() & some.keys()
        pages |= some
        quarantined += others
    assert list(pages.items()) == list(whole_pages.items())
    assert quarantined == whole_quarantined


def test_a_span_of_one_large_member_has_only_a_share_of_its_pages(sliced):
    randomly = random.Random(0)
    records = [warc("conversion", randomly.randbytes(3000).hex().encode(), number=n) for n in range(60)]
    data = gzip.compress(b"".join(records))
    half, _ = sliced(data, "a.wet.gz", span=Span(0, len(data) // 2))
    assert 15 < len(half) < 45


DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 60), st.binary(max_size=30)), min_size=1, max_size=4)


@pytest.mark.parametrize("name", PACKINGS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=DAMAGE)
def test_a_damaged_archive_never_raises_and_keeps_what_stands_before_the_damage(tmp_path, name, damage):
    records = crawl(30)
    content = bytearray(PACKINGS[name](records))
    first = len(content)
    for place, removed, put_in in damage:
        at = int(place * len(content))
        first = min(first, at)
        content[at : at + removed] = put_in
    (tmp_path / name).write_bytes(content)
    found, quarantined = texts(str(tmp_path / name))
    numbers = [*found, *(entry.record for entry in quarantined)]
    assert len(numbers) == len(set(numbers))
    if name.startswith(("plain", "members", "frames")):
        packed = [PACKINGS[name]([record]) for record in records]
        before = whole = 0
        while whole < len(packed) and before + len(packed[whole]) <= first:
            before += len(packed[whole])
            whole += 1
        expected = {2 + 2 * n: page_text(n).strip() for n in range(30) if n % 5 < 3 and 2 + 2 * n < whole - 1}
        assert {number: found[number].text.strip() for number in expected} == expected


@pytest.mark.parametrize("name", ["members.warc.gz", "frames.warc.zst"])
def test_behind_a_corrupt_member_reading_goes_on(sliced, name):
    records = [warc("conversion", f"text {n} ".encode() * 50, number=n) for n in range(6)]
    packed = [PACKINGS[name]([record]) for record in records]
    packed[2] = packed[2][:40] + b"\xff\xff\xff\xff" + packed[2][44:]
    pages, quarantined = sliced(b"".join(packed), name)
    assert sorted(pages) == [0, 1, 3, 4, 5]
    assert [entry.record for entry in quarantined] == [2]
    assert quarantined[0].reason.startswith("broken file: corrupt ")


def test_a_wrong_checksum_condemns_the_record_of_its_member(sliced):
    packed = [gzip.compress(warc("conversion", b"a text" * 20, number=n)) for n in range(3)]
    packed[1] = packed[1][:-8] + b"\0\0\0\0" + packed[1][-4:]
    pages, (entry,) = sliced(b"".join(packed), "a.wet.gz")
    assert sorted(pages) == [0, 2] and entry.record == 1
    assert entry.reason.startswith("broken file: corrupt gzip data") and entry.raw.startswith(b"WARC/1.0")


def test_bytes_between_members_are_reported_and_passed_over(sliced):
    first, second = (gzip.compress(warc("conversion", b"a text", number=n)) for n in range(2))
    pages, (entry,) = sliced(first + b"garbage" * 9000 + second, "a.wet.gz")
    assert sorted(pages) == [0, 2]
    assert (entry.record, entry.reason) == (1, f"broken file: 63,000 bytes at byte {len(first)} are not gzip data")
    assert sliced(first + bytes(1000) + second, "b.wet.gz")[1] == []


@pytest.mark.parametrize("lost", [1, 8, 9, 200, 400])
def test_a_file_that_is_cut_off_keeps_what_came_before(sliced, lost):
    body = random.Random(1).randbytes(500).hex().encode()
    packed = [gzip.compress(warc("conversion", body, number=n)) for n in range(3)]
    pages, quarantined = sliced(b"".join(packed)[:-lost], "a.wet.gz")
    assert {0, 1} <= pages.keys() and len(quarantined) == 1
    assert "the gzip data that begins at byte" in quarantined[0].reason and "ends too early" in quarantined[0].reason
    assert (2 in pages) == (lost <= 9)
    assert (2 in pages) or quarantined[0].raw.startswith(b"WARC/1.0")


def test_a_plain_file_that_is_cut_off_keeps_the_rest_of_its_last_record(sliced):
    records = [warc("conversion", b"some text " * 9, number=n) for n in range(2)]
    pages, (entry,) = sliced(b"".join(records)[:-50])
    assert list(pages) == [0] and entry.record == 1
    assert entry.reason == "broken file: the file ends after 44 of 90 bytes of a record"
    assert entry.raw == records[1][:-50]


@pytest.mark.parametrize("name", ["plain.warc", "members.warc.gz", "one.warc.gz"])
@pytest.mark.parametrize("length", ["3", "0", "95", "300", "1000000", "99999999", "999999999999999999"])
def test_a_length_that_lies_costs_its_own_record_only(sliced, name, length):
    records = [warc("conversion", b"some text " * 9, number=n) for n in range(4)]
    records[1] = records[1].replace(b"Length: 90", f"Length: {length}".encode())
    pages, quarantined = sliced(PACKINGS[name](records), name)
    assert [re.search(rb"uuid:(\d)", page)[1] for page in pages.values()] == [b"0", b"2", b"3"]
    (entry,) = quarantined
    assert entry.record == 1 and entry.reason.startswith("broken file: the record at byte ")
    assert entry.raw.rstrip() == records[1].rstrip() or entry.raw[:100] == records[1][:100]


@pytest.mark.parametrize(
    "header", ["Content-Length: -1", "Content-Length: 1e3", "X: y", "Content-Length: 9" + "9" * 30]
)
def test_a_record_without_a_usable_length_is_quarantined_and_the_next_is_read(sliced, header):
    records = [warc("conversion", b"some text", number=n) for n in range(3)]
    records[1] = records[1].replace(b"Content-Length: 9", header.encode())
    pages, (entry,) = sliced(b"".join(records))
    assert sorted(pages) == [0, 2]
    assert entry.reason == f"broken file: the record at byte {len(records[0])} does not say how long it is"
    assert entry.raw == records[1]


@pytest.mark.parametrize("size", [50, 5000, 300_000])
def test_garbage_in_the_middle_is_one_quarantined_place(sliced, size):
    garbage = random.Random(2).randbytes(size).replace(b"WARC", b"CRAW")
    records = [warc("conversion", b"some text", number=n) for n in range(3)]
    pages, (entry,) = sliced(records[0] + garbage + b"\r\n" + b"".join(records[1:]))
    assert sorted(pages) == [0, 2, 3] and entry.record == 1
    assert re.fullmatch(r"broken file: no record begins at byte [\d,]+; [\d,]+ bytes are passed over", entry.reason)
    assert garbage.lstrip(b"\r\n\t \0").startswith(entry.raw[:40]) and len(entry.raw) <= 1 << 16


def test_headers_that_do_not_end_are_quarantined(sliced):
    record = warc("conversion", b"some text")
    pages, (entry,) = sliced(record + b"WARC/1.0\r\nWARC-Type: conversion\r\n" + record)
    assert sorted(pages) == [0, 2] and "does not end" in entry.reason
    pages, (entry,) = sliced(b"WARC/1.0\r\n" + b"X: y\r\n" * 50_000 + b"\r\n" + record, "b.warc")
    assert sorted(pages) == [1] and "does not end" in entry.reason


@pytest.mark.parametrize(
    ("name", "data"), [("a.warc", b"\0\1\2\xff" * 9000), ("a.warc", b"<html>" * 9), ("a.wet.gz", b"x")]
)
def test_a_file_that_is_no_archive_is_one_quarantined_place(sliced, name, data):
    pages, (entry,) = sliced(data, name)
    assert pages == {} and entry.reason.startswith("broken file: no record begins at byte ")


def test_an_empty_file_is_treated_as_one_of_json_lines(sliced):
    assert sliced(b"", "a.warc") == ({}, [])
    _, (entry,) = sliced(b"", "a.warc.gz")
    assert entry.reason == "broken file: not gzip data: the file is empty"
    assert sliced(gzip.compress(b""), "b.warc.gz") == ({}, [])


def test_the_bytes_say_how_a_file_is_packed_not_its_name(sliced):
    record = warc("conversion", b"some text")
    assert list(sliced(gzip.compress(record), "a.warc")[0]) == [0]
    assert list(sliced(record, "b.warc.gz")[0]) == [0]


def test_a_dictionary_in_front_of_the_frames_is_used(sliced):
    records = [warc("conversion", f"a text about birds, number {n}".encode(), number=n) for n in range(200)]
    dictionary = zstandard.train_dictionary(4096, records)
    compressor = zstandard.ZstdCompressor(dict_data=dictionary)
    frames = b"".join(map(compressor.compress, records))
    for stored in (dictionary.as_bytes(), zstandard.compress(dictionary.as_bytes())):
        front = b"\x5d\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored
        pages, quarantined = sliced(front + frames, "a.warc.zst")
        assert len(pages) == 200 and quarantined == []


def test_one_giant_record_is_quarantined_with_its_head_and_not_loaded(sliced):
    giant = warc("conversion", b"0123456789" * 30_000, number=1)
    records = [warc("conversion", b"some text", number=0), giant, warc("conversion", b"some text", number=2)]
    for name, pack in PACKINGS.items():
        pages, (entry,) = sliced(pack(records), name, limit=100_000)
        assert sorted(pages) == [0, 2]
        assert (entry.record, entry.id) == (1, "<urn:uuid:1>")
        assert entry.reason == "record too long: 300,000 bytes, the limit is 100,000; its first 65,536 bytes are kept"
    image = response(b"0123456789" * 30_000, type="image/png")
    assert sliced(records[0] + image + records[2], "b.warc", limit=100_000)[1] == []


def test_memory_does_not_grow_with_the_file(tmp_path):
    import tracemalloc

    record = gzip.compress(warc("conversion", b"some text " * 2000))
    peaks = []
    for count in (100, 2000):
        (tmp_path / f"{count}.wet.gz").write_bytes(record * count)
        tracemalloc.start()
        for _ in slice_warc(corpus_file(str(tmp_path / f"{count}.wet.gz")), 1 << 16, LIMIT):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def chunked(data, size=100):
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def deflated(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PAGE = html("A long sentence about birds that fly over the town. " * 5)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Transfer-Encoding: chunked\r\n", chunked(PAGE)),
        ("Content-Encoding: gzip\r\n", gzip.compress(PAGE)),
        ("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", chunked(gzip.compress(PAGE))),
        ("Content-Encoding: deflate\r\n", zlib.compress(PAGE)),
        ("Content-Encoding: zstd\r\n", zstandard.compress(PAGE)),
        # what crawlers stored unpacked, under the old header
        ("Content-Encoding: gzip\r\n", PAGE),
        ("Content-Encoding: br\r\n", PAGE),
        ("Transfer-Encoding: chunked\r\n", PAGE),
        ("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", PAGE),
        ("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", chunked(PAGE)),
        ("Content-Encoding: identity\r\n", PAGE),
    ],
)
def test_a_page_comes_without_chunks_and_packing(sliced, head, body):
    (page,) = sliced(response(body, head))[0].values()
    assert page.partition(b"\n")[2] == PAGE


def test_a_packed_page_that_is_cut_off_is_read_as_far_as_it_goes(sliced):
    body = gzip.compress(html(random.Random(3).randbytes(20_000).hex()))
    (page,) = sliced(response(body[:-5000], "Content-Encoding: gzip\r\n"))[0].values()
    assert b"<body><p>" in page and len(page) > 10_000
    (page,) = sliced(response(chunked(PAGE)[:-60], "Transfer-Encoding: chunked\r\n"))[0].values()
    assert b'"truncated":"unspecified"' in page and PAGE.startswith(page.partition(b"\n")[2]) and len(page) > 250


def test_a_small_page_that_unpacks_to_a_giant_is_quarantined(sliced):
    bomb = gzip.compress(bytes(3 << 20))
    pages, (entry,) = sliced(response(bomb, "Content-Encoding: gzip\r\n"))
    assert pages == {} and entry.reason.startswith("record too long: ")


def test_http_headers_with_bare_line_feeds_and_no_http_headers_are_read(sliced):
    bare = b"HTTP/1.1 200 OK\nContent-Type: text/html\n\n" + PAGE
    for content in (bare, PAGE):
        (page,) = sliced(warc("response", content, type="application/http; msgtype=response"))[0].values()
        assert page.partition(b"\n")[2] == PAGE


@pytest.mark.parametrize(
    "record",
    [
        warc("request", b"GET / HTTP/1.1\r\n\r\n", type="application/http"),
        warc("metadata", b'{"Container": {}}', type="application/json"),
        warc("revisit", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", type="application/http"),
        warc("resource", b"log", url="<metadata://gnu.org/software/wget/warc/wget.log>"),
        warc("resource", b"20240518 1.2.3.4", url="dns:a.example", type="text/dns"),
        response(PAGE, status="301 Moved"),
        response(PAGE, type="application/pdf"),
        warc("response", b"", type="application/http"),
    ],
)
def test_records_without_a_page_are_passed_over_in_silence(sliced, record):
    assert sliced(record) == ({}, [])


def test_a_page_without_text_is_quarantined_with_its_reason_and_bytes(put_raw):
    found, quarantined = texts(put_raw("a.warc", response(b"<html><img src=x></html>", number=7) + response(b"")))
    assert found == {}
    assert [entry.reason for entry in quarantined] == [
        "no text: resiliparse finds none in the page",
        "no text: the page is empty",
    ]
    assert quarantined[0].id == "<urn:uuid:7>" and quarantined[0].raw.endswith(b"<html><img src=x></html>")


def test_an_extractor_that_fails_quarantines_the_page(put_raw, monkeypatch):
    from prox.corpora import pages

    def fails(html):
        raise RecursionError("too deep")

    monkeypatch.setitem(pages._EXTRACTORS, "resiliparse", fails)
    _, (entry,) = texts(put_raw("a.warc", response(PAGE)))
    assert entry.reason == "no text: resiliparse failed: RecursionError: too deep"


def test_a_page_of_deeply_nested_elements_ends_soon(put_raw):
    """Resiliparse takes quadratic time for it: 200,000 of them ran for minutes."""
    path = put_raw("a.warc", response(b"<div>" * 100_000 + b"x") + response(b"<div>x</div>" * 5000))
    found, (entry,) = texts(path)
    assert list(found) == [1]
    assert entry.reason == "no text: resiliparse failed: ValueError: more than 2,000 elements inside one another"


def test_trafilatura_can_be_chosen(put_raw):
    pytest.importorskip("trafilatura", exc_type=ImportError)
    path = put_raw("a.warc", response(b"<nav>Home About</nav><article>" + PAGE + b"</article>"))
    found, quarantined = texts(path, "trafilatura")
    assert quarantined == [] and found[0].text.startswith("A long sentence about birds")


WORDS = "Über den Dächern fliegen Mauersegler, größer als Schwalben."


@pytest.mark.parametrize(
    ("body", "declared", "text", "charset"),
    [
        (WORDS.encode(), None, WORDS, "utf-8"),
        (WORDS.encode(), "iso-8859-1", WORDS, "utf-8"),
        (WORDS.encode("cp1252"), "iso-8859-1", WORDS, "cp1252"),
        (WORDS.encode("cp1252"), "utf-8", WORDS, "cp1252"),
        (b"<meta charset=windows-1251>" + "Стрижи летают".encode("cp1251"), None, "Стрижи летают", "cp1251"),
        ("雨燕飞过老城".encode("gb18030"), "gb2312", "雨燕飞过老城", "gbk"),
        ("①アマツバメ".encode("cp932"), "shift_jis", "①アマツバメ", "shift_jis"),
        ("アマツバメ".encode("iso2022_jp"), "iso-2022-jp", "アマツバメ", "iso2022_jp"),
        (b"\xef\xbb\xbf" + WORDS.encode(), "iso-8859-1", WORDS, "utf-8"),
        (WORDS.encode("utf-16"), "utf-8", WORDS, "utf-16-le"),
        (WORDS.encode("utf-16-le"), "utf-16le", WORDS, "utf-16-le"),
        (b"plain", "utf-16", "plain", "utf-8"),
        (b"plain", "no-such-charset", "plain", "utf-8"),
        (b"a\0b", None, "a\0b", "utf-8"),
    ],
)
def test_the_charset_is_found(body, declared, text, charset):
    found, by = decoded(body, declared, is_html=True)
    assert found.endswith(text) and by == charset


@settings(deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([None, "utf-8", "gbk", "utf-16", "iso-2022-jp", "x", "euc-jp", "hz"]),
    st.booleans(),
)
def test_any_bytes_become_characters(body, declared, is_html):
    text, _ = decoded(body, declared, is_html)
    text.encode()


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_any_bytes_as_a_page_end_as_a_document_or_in_quarantine(tmp_path, body):
    (tmp_path / "a.warc").write_bytes(response(b"<html><p>" + body) + warc("conversion", body))
    found, quarantined = texts(str(tmp_path / "a.warc"))
    assert sorted([*found, *(entry.record for entry in quarantined)]) == [0, 1]


def test_copies_as_text_are_read_though_their_lengths_are_wrong(sliced):
    written = ["雨燕" * 20, "swifts", "стриж"]
    records = [warc("conversion", text.encode(), number=n, eol=b"\n") for n, text in enumerate(written)]
    records[0] = records[0].replace(b"Length: 120", b"Length: 40")
    records[1] = records[1].replace(b"Length: 6", b"Length: 9")
    pages, quarantined = sliced(b"".join(records), "a.warc.txt")
    assert [page.partition(b"\n")[2].decode() for page in pages.values()] == written
    assert quarantined == []


@pytest.mark.parametrize("ending", ["warc", "wet", "warc.gz", "warc.wet.gz", "wet.gz", "warc.zst", "warc.txt"])
def test_endings_of_archives_are_known(put_raw, ending):
    assert corpus_file(put_raw(f"a.{ending}", b"")).format == "warc"


def test_wat_is_refused_with_advice_and_passed_over_in_folders(put_raw, tmp_path):
    path = put_raw("a.warc.wat.gz", b"")
    with pytest.raises(UsageError, match=r"is WAT: metadata of pages without their text\. Name the \.warc or \.wet"):
        find_files(path)
    put_raw("a.wet", b"")
    assert [file.name for file in find_files(str(tmp_path))] == ["a.wet"]


def test_a_missing_package_is_told_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "resiliparse", None)
    with pytest.raises(UsageError, match=r"pip install 'prox-refine\[warc\]'"):
        check_packages()


def test_a_folder_may_mix_archives_and_other_corpora(put_raw, tmp_path, json_lines):
    put_raw("a.warc", response(PAGE))
    put_raw("b.jsonl", json_lines([{"content": "x"}]))
    files = find_files(str(tmp_path))
    presets, problems = choose_presets(files, None, "content", "trafilatura")
    assert problems == [] and [presets[file.path].name for file in files] == ["warc", "plain"]
    assert presets[files[0].path].html_to_text == "trafilatura"


def test_all_parts_of_an_archive_have_the_same_types(put_raw):
    files = find_files(put_raw("a.warc", response(PAGE) + response(PAGE)))
    preset = choose_preset(files)
    schema = part_schema(files, preset)
    assert schema is not None and schema.names == list(EXAMPLE)
    (block,) = read_blocks(files[0])
    batch = decode(block, preset)
    assert table_from_rows(refined_rows(batch, ["a", "b"]), schema).schema == schema


def test_records_of_an_archive_are_dicts(put_raw):
    record, entry = read_records(put_raw("a.warc", response(PAGE) + response(b"")))
    assert list(record) == list(EXAMPLE) and isinstance(entry, Quarantined)


def test_a_file_that_is_gone_is_reported():
    with pytest.raises(StorageError, match="cannot be opened"):
        list(slice_warc(CorpusFile("/nowhere/a.warc", "warc", None, 1), 4096, LIMIT))


def test_progress_reaches_the_end(put_raw):
    shares = []
    path = put_raw("a.warc.gz", b"".join(map(gzip.compress, crawl())))
    for _ in slice_warc(corpus_file(path), 4096, LIMIT, shares.append):
        pass
    assert shares == sorted(shares) and shares[-1] == 1


def test_pieces_do_not_depend_on_how_storage_delivers_them():
    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 7) if size > 0 else size)

    data = b"".join(map(gzip.compress, crawl()))
    assert list(unpacked(Slow(data), "a")) == list(unpacked(io.BytesIO(data), "a"))


SAMPLES = {
    "ccnet_sample.warc.txt": 3,
    "dolma_sample-0000.warc.gz": 22,
    "dolma_sample-0001.warc.gz": 15,
    "resiliparse_clueweb-quirk.warc.gz": 29,
    "resiliparse_warcfile.warc.gz": 16,
    "warcio_example.warc.gz": 1,
    "whirlwind.warc.gz": 1,
    "whirlwind.warc.wet.gz": 1,
}


@pytest.mark.parametrize("name", SAMPLES)
def test_real_archives_are_read(formats, name):
    found, quarantined = texts(str(formats / name))
    assert len(found) == SAMPLES[name] and quarantined == []
    assert all(document.metadata["url"].startswith("http") for document in found.values())
    if "quirk" in name:
        assert "ヘッドポーター" in found[1].text


def test_a_wrong_length_does_not_make_the_rest_slow(put_raw):
    """Everything behind it lies in memory then, and must not be copied for each record."""
    records = [warc("conversion", b"x" * 100, number=n) for n in range(30_000)]
    records[0] = records[0].replace(b"Length: 100", b"Length: 9000000")
    path = put_raw("a.wet", b"".join(records))
    wrong, tail = slice_warc(corpus_file(path), 1 << 30, 1 << 26)
    assert isinstance(wrong, Quarantined) and wrong.record == 0
    assert tail.records == 29_999


def test_blocks_are_about_as_large_as_asked(put_raw):
    path = put_raw("a.wet", b"".join(warc("conversion", b"x" * 900, number=n) for n in range(100)))
    blocks = list(slice_warc(corpus_file(path), 10_000, LIMIT))
    assert all(isinstance(block, Block) and sum(map(len, block.payload)) <= 10_000 for block in blocks)
    assert [block.first_record for block in blocks] == list(range(0, 100, blocks[0].records))
