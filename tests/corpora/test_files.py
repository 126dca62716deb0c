import os

import pytest

from prox.corpora import CorpusFile, corpus_file, find_files
from prox.corpora.files import file_format
from prox.errors import UsageError


def names(found):
    return [file.name for file in found]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jsonl", ("jsonl", None)),
        ("a.ndjson.gz", ("jsonl", "gzip")),
        ("c4-train.00000-of-01024.json.gz", ("json", "gzip")),
        ("shard_00000000_processed.jsonl.zst", ("jsonl", "zstd")),
        ("a.jsonl.zstd", ("jsonl", "zstd")),
        ("000_00000.parquet", ("parquet", None)),
        ("A.JSONL", ("jsonl", None)),
        ("a.txt", None),
        ("a.parquet.gz", None),
        ("a.warc.gz", ("warc", "gzip")),
        ("a.warc.txt", ("warc", None)),
        ("a.warc.wat.gz", None),
        ("jsonl", None),
        ("a.gz", None),
    ],
)
def test_the_ending_says_format_and_compression(name, expected):
    assert file_format(name) == expected


def test_a_folder_of_mixed_formats_is_searched_to_the_bottom_and_sorted(put, tmp_path):
    for name in ("b/2.parquet", "a.jsonl.gz", "b/1.json", "c.jsonl"):
        put(name, b"")
    found = find_files(str(tmp_path))
    assert [file.path for file in found] == [
        str(tmp_path / name) for name in ("a.jsonl.gz", "b/1.json", "b/2.parquet", "c.jsonl")
    ]
    assert [file.format for file in found] == ["jsonl", "json", "parquet", "jsonl"]
    assert found.passed_over == ()


def test_files_with_other_endings_and_hidden_ones_are_passed_over_and_named(put, tmp_path):
    for name in ("a.jsonl", "README.md", "_SUCCESS", "_temporary/x.jsonl", ".b.jsonl.1f.tmp", ".cache/y.jsonl"):
        put(name, b"")
    found = find_files(str(tmp_path))
    assert names(found) == ["a.jsonl"]
    passed = [".b.jsonl.1f.tmp", ".cache/y.jsonl", "README.md", "_SUCCESS", "_temporary/x.jsonl"]
    assert found.passed_over == tuple(str(tmp_path / name) for name in passed)


def test_a_hidden_folder_above_the_input_does_not_hide_it(put, tmp_path):
    put(".data/_set/a.jsonl", b"")
    assert names(find_files(str(tmp_path / ".data" / "_set"))) == ["a.jsonl"]


def test_a_glob_matches_files_and_folders(put, tmp_path):
    for name in ("2023/a.jsonl", "2023/notes.txt", "2024/b.jsonl", "other/c.jsonl", "20.jsonl"):
        put(name, b"")
    found = find_files(f"{tmp_path}/20*")
    assert names(found) == ["20.jsonl", "a.jsonl", "b.jsonl"]
    assert found.passed_over == (str(tmp_path / "2023/notes.txt"),)


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(put):
    path = put("part[1].jsonl", b"")
    assert names(find_files(path)) == ["part[1].jsonl"]


def test_a_file_that_two_inputs_name_is_found_once(put, tmp_path):
    path = put("a.jsonl", b"{}")
    (file,) = find_files([path, str(tmp_path), f"{tmp_path}/*.jsonl"])
    assert file == CorpusFile(path, "jsonl", None, 2, file.version)


def test_the_size_is_the_stored_size(put):
    assert corpus_file(put("a.jsonl", b"12345")).size == 5


def test_a_file_that_was_written_again_has_another_version(put, tmp_path):
    before = corpus_file(put("a.jsonl", b"12345"))
    assert corpus_file(put("b.jsonl", b"12345")).version
    os.utime(tmp_path / "a.jsonl", (1, 1))
    assert corpus_file(before.path) != before


def test_a_remote_path_keeps_its_protocol(memory):
    memory.pipe("/corpus/x/a.jsonl", b"{}")
    assert [file.path for file in find_files("memory://corpus")] == ["memory:///corpus/x/a.jsonl"]
    assert corpus_file("memory:///corpus/x/a.jsonl").size == 2


def test_a_missing_path_names_the_nearest(put, tmp_path):
    put("pages.jsonl", b"")
    with pytest.raises(UsageError, match=r'pagse.jsonl does not exist. Did you mean "pages.jsonl"\?'):
        find_files(str(tmp_path / "pagse.jsonl"))


def test_a_missing_path_says_what_is_there(put, tmp_path):
    put("pages.jsonl", b"")
    with pytest.raises(UsageError, match=r"There is pages\.jsonl\."):
        find_files(str(tmp_path / "deep" / "down" / "0001"))


def test_a_glob_without_a_match_says_what_is_there(put, tmp_path):
    put("pages.jsonl", b"")
    with pytest.raises(UsageError, match=r"no file matches .*\.parquet\. .*There is pages\.jsonl"):
        find_files(f"{tmp_path}/*.parquet")


def test_a_folder_without_corpus_files_says_what_it_holds(put, tmp_path):
    put("a.txt", b"")
    with pytest.raises(UsageError, match=r"holds no file that prox reads .*There is a\.txt"):
        find_files(str(tmp_path))


def test_an_empty_folder_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="There is nothing"):
        find_files(str(tmp_path))


def test_a_named_file_with_another_ending_is_wrong_use(put):
    with pytest.raises(UsageError, match=r"a\.txt has an ending that prox does not read; it reads \.jsonl"):
        find_files(put("a.txt", b""))


@pytest.mark.parametrize("given", ["", "nosuchprotocol://a/b.jsonl"])
def test_a_path_that_cannot_be_opened_is_wrong_use(given):
    with pytest.raises(UsageError):
        find_files(given)


def test_a_missing_storage_package_comes_with_the_way_to_install_it(monkeypatch):
    import fsspec

    def refuse(path, **options):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(UsageError, match=r"pip install 'prox-refine\[s3\]'"):
        find_files("s3://bucket/a.jsonl")


def test_one_file_is_not_a_folder(put, tmp_path):
    put("a.jsonl", b"")
    with pytest.raises(UsageError, match="not a single file"):
        corpus_file(str(tmp_path))
    assert len(find_files(str(tmp_path))[0:1]) == 1


def test_a_folder_that_cannot_be_listed_is_an_error_and_no_smaller_corpus(put, tmp_path, monkeypatch):
    """Story: a sub-folder without permission was left out in silence."""
    import fsspec.implementations.local as local

    put("ok/a.jsonl", b"")
    put("secret/b.jsonl", b"")
    listing = local.LocalFileSystem.ls

    def ls(self, path, *args, **options):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return listing(self, path, *args, **options)

    monkeypatch.setattr(local.LocalFileSystem, "ls", ls)
    with pytest.raises(UsageError, match="cannot be listed"):
        find_files(str(tmp_path))


def test_a_pipe_in_a_folder_is_passed_over_and_none_is_read(put, tmp_path):
    import os

    put("a.jsonl", b"")
    os.mkfifo(tmp_path / "b.jsonl")
    assert names(find_files(str(tmp_path))) == ["a.jsonl"]
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        find_files(str(tmp_path / "b.jsonl"))


def test_a_chain_of_urls_is_refused(tmp_path):
    """Story: a file inside a zip was found, and then could not be read."""
    with pytest.raises(UsageError, match="Unpack the archive"):
        find_files(f"zip://a.jsonl::{tmp_path}/z.zip")


def test_links_that_go_round_in_circles_end(put, tmp_path):
    put("in/a.jsonl", b"")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    assert names(find_files(str(tmp_path / "in"))) == ["a.jsonl"]


def test_the_output_of_a_run_among_the_files_is_passed_over(put, tmp_path):
    """Story: the next run over the same folder refined the refined text, and quarantined the programs."""
    for name in ("a.jsonl", "out/run.json", "out/programs/part-000000.parquet", "out/text/part-000000.parquet"):
        put(name, b"")
    found = find_files(str(tmp_path))
    assert names(found) == ["a.jsonl"] and len(found.passed_over) == 3
    assert names(find_files(str(tmp_path / "out" / "text"))) == ["part-000000.parquet"]
    with pytest.raises(UsageError, match=r"is the output of a run, which is no corpus; its texts are in .*/text"):
        find_files(str(tmp_path / "out"))
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(
        UsageError, match=rf"{tmp_path} holds {tmp_path}/out, the output of a run, .* {tmp_path}/out/text"
    ):
        find_files(str(tmp_path))
    (tmp_path / "out/text/part-000000.parquet").unlink()
    with pytest.raises(UsageError, match="it has no texts"):
        find_files(str(tmp_path / "ou*"))


def test_a_run_json_alone_is_no_run(put, tmp_path):
    put(".mine/run.json", b"")
    with pytest.raises(UsageError, match="holds no file that prox reads"):
        find_files(str(tmp_path))
