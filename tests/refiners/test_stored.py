"""Stored programs: the right one for each document, or a draft that says why there is none."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prox.chunking import Chunk
from prox.errors import UsageError
from prox.program import DropDocument, InsertLine, KeepDocument, Program, RemoveLines, Replace, ReplaceOnce
from prox.refiners import Level
from prox.refiners.stored import StoredRefiner

MENU = "remove_lines(line_start=0, line_end=0)"


def row(id, text, program=MENU, decision="edited"):
    sha = None if text is None else hashlib.sha256(text.encode()).hexdigest()
    return {"id": id, "text_sha256": sha, "program": program, "decision": decision}


@pytest.fixture
def stored(tmp_path):
    schema = pa.schema([(name, pa.string()) for name in ("id", "text_sha256", "program", "decision")])

    def write(*parts, level=Level.DOCUMENT, whole=True):
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        for number, rows in enumerate(parts):
            pq.write_table(pa.Table.from_pylist(rows, schema), folder / f"part-{number:06d}.parquet")
        return StoredRefiner(str(folder), level, whole)

    return write


def ask(refiner, *documents):
    return refiner.refine([Chunk(id, text, 0) for id, text in documents])


def test_each_document_gets_the_program_that_was_stored_for_it(stored):
    refiner = stored(
        [row("a", "menu\nx"), row("b", "y", "drop_doc()", "dropped")], [row("c", "z", "keep_doc()", "kept")]
    )
    drafts = ask(refiner, ("c", "z"), ("a", "menu\nx"), ("b", "y"))
    assert [draft.program for draft in drafts] == [
        Program((KeepDocument(),)),
        Program((RemoveLines(0, 0),)),
        Program((DropDocument(),)),
    ]
    assert not any(draft.errors for draft in drafts)


def test_a_changed_text_is_quarantined_as_changed(stored):
    (draft,) = ask(stored([row("a", "menu\nx")]), ("a", "menu\nx "))
    assert draft.program == Program()
    assert draft.errors == ("quarantine: text differs from the one the program was written for",)


def test_an_unknown_id_is_quarantined_as_unknown(stored):
    (draft,) = ask(stored([row("a", "menu\nx")]), ("b", "menu\nx"))
    assert draft.errors == ("quarantine: no stored program for this id",)


def test_one_id_with_several_texts_gets_the_program_of_each(stored):
    refiner = stored(
        [row("a", "menu\nx"), row("a", "y", "keep_doc()", "kept")], [row("a", "z", "drop_doc()", "dropped")]
    )
    drafts = ask(refiner, ("a", "z"), ("a", "y"), ("a", "menu\nx"))
    assert [str(draft.program) for draft in drafts] == ["drop_doc()", "keep_doc()", MENU]


def test_one_text_with_several_ids_gets_the_program_of_each(stored):
    refiner = stored([row("a", "menu\nx"), row("b", "menu\nx", "drop_doc()", "dropped")])
    assert [str(draft.program) for draft in ask(refiner, ("b", "menu\nx"), ("a", "menu\nx"))] == ["drop_doc()", MENU]


def test_at_one_level_only_the_operations_of_that_level_are_written(stored):
    rows = [row("a", "x", f'normalize("y")\n{MENU}'), row("b", "x", "drop_doc()", "dropped")]
    documents = ask(stored(rows, whole=False), ("a", "x"), ("b", "x"))
    chunks = ask(stored(rows, level=Level.CHUNK, whole=False), ("a", "x"), ("b", "x"))
    assert [str(draft.program) for draft in documents] == ["", "drop_doc()"]
    assert [str(draft.program).count("\n") for draft in chunks] == [1, 0]
    assert str(chunks[1].program) == ""


def test_the_edits_of_other_dialects_belong_to_the_chunk_level(stored):
    text = 'replace_str(0, "x", "y")\nadd_line(0, 0, "z")\nnormalize("y")'
    (document,) = ask(stored([row("a", "x", text)], whole=False), ("a", "x"))
    (chunk,) = ask(stored([row("a", "x", text)], level=Level.CHUNK, whole=False), ("a", "x"))
    assert document.program == Program()
    assert chunk.program == Program((ReplaceOnce(0, "x", "y"), InsertLine(0, "z"), Replace("y")))


# Programs that other tools have stored, each in its dialect


@pytest.fixture
def stored_in_dialects(tmp_path):
    def write(*rows, level=Level.CHUNK, type=pa.string()):  # noqa: B008 - a constant
        names = ("id", "text_sha256", "program", "decision")
        schema = pa.schema([(name, pa.string()) for name in names] + [("dialect", type)])
        pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "part-000000.parquet")
        return StoredRefiner(str(tmp_path), level, whole=True)

    return write


def test_each_row_is_read_in_its_own_dialect(stored_in_dialects):
    programs = {
        None: MENU,
        "prox-chunk": "remove_lines(0, 0)",
        "prox-document": "drop_doc()",
        "refinex": 'remove_str(1, "x")',
        "ultrax": "<think>\n</think>\nremove_lines(1, 1)\nadd_line(0, 0, 'Title')",
    }
    refiner = stored_in_dialects(
        *[row(str(name), "menu\nx", text) | {"dialect": name} for name, text in programs.items()]
    )
    drafts = ask(refiner, *[(str(name), "menu\nx") for name in programs])
    assert [draft.program.operations for draft in drafts] == [
        (RemoveLines(0, 0),),
        (RemoveLines(0, 0),),
        (DropDocument(),),
        (ReplaceOnce(1, "x"),),
        (RemoveLines(0, 0), InsertLine(-1, "Title")),
    ]
    assert not any(draft.errors for draft in drafts)


def test_remove_all_of_a_stored_document_drops_it(stored_in_dialects):
    refiner = stored_in_dialects(row("a", "x", "remove_all()") | {"dialect": "ultrax"}, level=Level.DOCUMENT)
    assert ask(refiner, ("a", "x"))[0].program == Program((DropDocument(),))


@pytest.mark.parametrize(("name", "type"), [("ultra", pa.string()), ("", pa.string()), (3, pa.int64())])
def test_a_row_in_an_unknown_dialect_is_quarantined_alone(stored_in_dialects, name, type):
    rows = [row("a", "x", "keep_all()") | {"dialect": name}, row("b", "x", "keep_doc()") | {"dialect": None}]
    wrong, right = ask(stored_in_dialects(*rows, type=type), ("a", "x"), ("b", "x"))
    assert wrong.program == Program() and wrong.errors[0].startswith(f"quarantine: no dialect is called '{name}'")
    assert right.program == Program((KeepDocument(),)) and not right.errors


def test_the_fingerprint_changes_with_the_dialect(stored_in_dialects):
    one = stored_in_dialects(row("a", "x", "remove_lines(1, 1)") | {"dialect": "refinex"}).fingerprint
    assert stored_in_dialects(row("a", "x", "remove_lines(1, 1)") | {"dialect": "ultrax"}).fingerprint != one


def test_what_was_quarantined_stays_so(stored):
    refiner = stored([row("a", "x", "", "quarantined"), row("b", None, "", "quarantined")])
    held, unread = ask(refiner, ("a", "x"), ("b", "now there is text"))
    assert held.errors == ("quarantine: quarantined in the run that stored the programs",)
    assert unread.errors[0].startswith("quarantine: ")


def test_ids_with_any_characters_are_found(stored):
    ids = ["", "a\0b", "a\nb", "é", "e\u0301", "\U0001f426", "x" * 10_000]
    refiner = stored([row(id, "menu\nx") for id in ids])
    assert not any(draft.errors for draft in ask(refiner, *[(id, "menu\nx") for id in ids]))


def test_parts_without_rows_are_fine(stored):
    assert ask(stored([], []), ("a", "x"))[0].errors == ("quarantine: no stored program for this id",)
    assert not ask(stored([], [row("a", "x")]), ("a", "x"))[0].errors


def test_many_parts_are_read_again_when_their_turn_comes(stored):
    refiner = stored(*[[row(f"{part}-{i}", f"menu\n{i}") for i in range(3)] for part in range(7)])
    documents = [(f"{part}-{i}", f"menu\n{i}") for i in range(3) for part in range(7)]
    assert [str(draft.program) for draft in ask(refiner, *documents)] == [MENU] * 21


def test_the_fingerprint_is_that_of_the_programs_and_the_level(stored):
    one = stored([row("a", "x")]).fingerprint
    assert stored([row("a", "x")]).fingerprint == one
    assert stored([row("a", "x")], level=Level.CHUNK).fingerprint != one
    assert stored([row("a", "y")]).fingerprint != one


def test_the_fingerprint_changes_when_only_a_program_does(stored):
    one = stored([row("a", "menu\nx")]).fingerprint
    assert stored([row("a", "menu\nx", "keep_doc()", "kept")]).fingerprint != one


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_folder_above_is_answered_with_the_right_one(stored, tmp_path, slash):
    stored([row("a", "x")])
    with pytest.raises(
        UsageError, match=rf"{tmp_path} ?/?.*holds no stored programs.*Did you mean {tmp_path}/programs\?"
    ):
        StoredRefiner(f"{tmp_path}{slash}", Level.DOCUMENT)


def test_a_folder_that_is_not_there_holds_no_programs(tmp_path):
    with pytest.raises(UsageError, match="holds no stored programs"):
        StoredRefiner(str(tmp_path / "nowhere"), Level.DOCUMENT)


def test_a_part_that_is_not_parquet_is_named(tmp_path):
    (tmp_path / "part-000000.parquet").write_bytes(b"not parquet")
    with pytest.raises(UsageError, match=r"part-000000\.parquet is no part of stored programs"):
        StoredRefiner(str(tmp_path), Level.DOCUMENT)


def test_a_part_of_refined_text_is_no_part_of_programs(tmp_path):
    pq.write_table(pa.table({"id": ["a"], "text": ["x"]}), tmp_path / "part-000000.parquet")
    with pytest.raises(UsageError, match=r"part-000000\.parquet is no part of stored programs"):
        StoredRefiner(str(tmp_path), Level.DOCUMENT)


def test_a_part_without_programs_is_refused_before_the_run(tmp_path):
    """It was found out only when a document of that part came up, in the middle of a run."""
    pq.write_table(pa.table({"id": ["a"], "text_sha256": ["x"]}), tmp_path / "part-000000.parquet")
    with pytest.raises(UsageError, match=r"part-000000\.parquet is no part of stored programs"):
        StoredRefiner(str(tmp_path), Level.DOCUMENT)


def test_programs_are_read_from_a_folder_of_any_name_also_beside_others(stored, tmp_path):
    """Story: parts in `copies/` were refused because a folder `programs/` lay beside it."""
    stored([row("a", "menu\nx")])
    (tmp_path / "programs").rename(tmp_path / "copies")
    (tmp_path / "programs").mkdir()
    (draft,) = ask(StoredRefiner(str(tmp_path / "copies"), Level.DOCUMENT, True), ("a", "menu\nx"))
    assert draft.program == Program((RemoveLines(0, 0),))


def test_the_text_of_a_run_is_answered_with_its_programs(stored, tmp_path):
    stored([row("a", "x")])
    (tmp_path / "text").mkdir()
    pq.write_table(pa.table({"id": ["a"], "text": ["x"]}), tmp_path / "text" / "part-000000.parquet")
    with pytest.raises(UsageError, match=rf"it has no .*text_sha256\. Did you mean {tmp_path}/programs\?"):
        StoredRefiner(str(tmp_path / "text"), Level.DOCUMENT)


@pytest.mark.parametrize("id", ["", "a", "zz", "m" * 50])
def test_no_programs_at_all_know_no_document(stored, id):
    (draft,) = ask(stored([]), (id, "x"))
    assert draft.errors == ("quarantine: no stored program for this id",)


# Tables that people have made themselves


def write_table(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def table(**columns):
    sha = hashlib.sha256(b"menu\nx").hexdigest()
    return {"id": ["7"], "text_sha256": [sha], "program": [MENU], "decision": ["edited"]} | columns


def test_numbers_are_ids_too(tmp_path):
    write_table(tmp_path / "mine.parquet", **table(id=[7]))
    (draft,) = ask(StoredRefiner(str(tmp_path), Level.DOCUMENT, True), ("7", "menu\nx"))
    assert not draft.errors and str(draft.program) == MENU


def test_one_file_may_be_named(stored, tmp_path):
    stored([row("a", "menu\nx")], [row("b", "menu\nx")])
    refiner = StoredRefiner(str(tmp_path / "programs" / "part-000001.parquet"), Level.DOCUMENT, True)
    unknown, known = ask(refiner, ("a", "menu\nx"), ("b", "menu\nx"))
    assert unknown.errors and not known.errors


def test_programs_of_a_run_and_others_in_one_folder_are_refused(stored, tmp_path):
    """Story: a table beside the parts of a run won in silence, by its name."""
    stored([row("a", "menu\nx")])
    write_table(tmp_path / "programs" / "mine.parquet", **table())
    with pytest.raises(UsageError, match=r"and others \(mine\.parquet\): which are meant\?"):
        stored()


def test_what_is_no_file_is_no_part(tmp_path):
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "dead.parquet").symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match="holds no stored programs"):
        StoredRefiner(str(tmp_path), Level.DOCUMENT)
    write_table(tmp_path / "elsewhere", **table())
    (tmp_path / "mine.parquet").symlink_to(tmp_path / "elsewhere")  # a live link is a part
    assert not ask(StoredRefiner(str(tmp_path), Level.DOCUMENT, True), ("7", "menu\nx"))[0].errors


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_text_of_any_kind_is_text(tmp_path, kind):
    write_table(tmp_path / "mine.parquet", **{name: pa.array(values, kind) for name, values in table().items()})
    assert not ask(StoredRefiner(str(tmp_path), Level.DOCUMENT, True), ("7", "menu\nx"))[0].errors


@pytest.mark.parametrize(
    ("column", "values"), [("program", [5]), ("program", [b"x"]), ("text_sha256", [1]), ("id", [0.5])]
)
def test_a_column_that_holds_no_text_is_named(tmp_path, column, values):
    write_table(tmp_path / "mine.parquet", **table(**{column: values}))
    with pytest.raises(UsageError, match=rf"mine\.parquet is no part .*: its column {column} is .*, and not text"):
        StoredRefiner(str(tmp_path), Level.DOCUMENT)


def test_two_columns_of_one_name_are_refused(tmp_path):
    names = [*table(), "id"]
    pq.write_table(pa.table([*table().values(), ["8"]], names), tmp_path / "mine.parquet")
    with pytest.raises(UsageError, match="several columns id"):
        StoredRefiner(str(tmp_path), Level.DOCUMENT)
