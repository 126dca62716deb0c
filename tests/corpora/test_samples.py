import pyarrow.parquet as pq
import pytest

from prox.corpora import (
    choose_preset,
    concat_rows,
    decode,
    find_files,
    read_blocks,
    read_records,
    refined_rows,
)

SAMPLES = {
    "c4_en_samples.jsonl": ("c4", 3),
    "dolma_cc_en_head_0091.jsonl": ("dolma", 10),
    "dolma_cc_en_head_0174.jsonl": ("dolma", 10),
    "dolma_documents_000.json.gz": ("dolma", 10),
    "fineweb_edu_sample_truncated.jsonl": ("fineweb-edu", 1),
    "fineweb_samples.jsonl": ("fineweb", 1),
    "redpajama_c4_refined.jsonl": ("plain", 10),
    "redpajama_cc_2023_06_refined.jsonl": ("plain", 10),
}


def test_the_folder_of_real_samples_gives_all_its_corpus_files(formats):
    found = find_files(str(formats))
    assert [file.name for file in found if file.format != "warc"] == sorted(SAMPLES)
    assert any(path.endswith("whirlwind.warc.wat.gz") for path in found.passed_over)


@pytest.mark.parametrize("name", SAMPLES)
def test_real_records_go_to_parquet_and_json_lines_and_back_unchanged(formats, write_part, tmp_path, name):
    path = str(formats / name)
    preset = choose_preset(path)
    parts, count = [], 0
    for block in read_blocks(path, block_bytes=20_000):
        batch = decode(block, preset)
        assert batch.quarantined == []
        count += len(batch.documents)
        parts.append(refined_rows(batch, [document.text for document in batch.documents]))
    assert (preset.name, count) == SAMPLES[name]
    rows = concat_rows(parts)
    originals = list(read_records(path))
    for ending in ("parquet", "jsonl.zst"):
        write_part(f"{tmp_path}/out.{ending}", rows)
        for row, original in zip(read_records(f"{tmp_path}/out.{ending}"), originals, strict=True):
            assert {**row, "id": original.get("id")} == {**original, "id": original.get("id")}
    assert pq.read_schema(tmp_path / "out.parquet").names[:2] == ["id", "text"]
