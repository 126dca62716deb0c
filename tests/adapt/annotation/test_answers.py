import json
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prox.adapt.annotation.answers import Answer, Answers, request_key
from prox.adapt.annotation.budget import Spent
from prox.refiners.language_model.engine import Message

HOSTILE = 'nul \0, line \n\r\n \u2028, quote " and 价格'


def filled(folder, count=5):
    answers = Answers(str(folder))
    for number in range(count):
        answers.add(f"key{number}", Answer(f"{HOSTILE}{number}", "stop", 10, number), {"document": "d"})
    answers.close()
    return folder / "answers.jsonl"


def test_answers_are_there_again(tmp_path):
    filled(tmp_path)
    answers = Answers(str(tmp_path))
    assert len(answers) == 5 and answers.unreadable == 0
    assert answers.get("key3") == Answer(f"{HOSTILE}3", "stop", 10, 3)
    assert answers.get("other") is None
    assert answers.spent == Spent(5, 50, 10)


def test_an_answer_is_in_the_file_before_it_is_used(tmp_path):
    answers = Answers(str(tmp_path))
    answers.add("key", Answer("text"), {"document": "d"})
    (line,) = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert json.loads(line)["text"] == "text" and json.loads(line)["document"] == "d"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(cut=st.floats(0, 1))
def test_wherever_a_write_was_cut_off_whole_answers_stay_and_the_next_one_is_sound(tmp_path, cut):
    path = filled(tmp_path, 3)
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data))])
    whole = data[: int(cut * len(data))].count(b"\n")
    answers = Answers(str(tmp_path))
    assert len(answers) == whole and answers.unreadable == 0
    answers.add("new", Answer("n"), {})
    answers.close()
    again = Answers(str(tmp_path))
    assert len(again) == whole + 1 and again.unreadable == 0
    again.close()
    path.unlink()


@pytest.mark.parametrize("line", [b"\xff", b"[]", b"{}", b"null", b"", b'{"request": 1, "text": "x"}'])
def test_a_line_that_is_no_answer_is_passed_over_and_counted(tmp_path, line):
    path = filled(tmp_path)
    lines = path.read_bytes().split(b"\n")
    lines[2] = line
    path.write_bytes(b"\n".join(lines))
    answers = Answers(str(tmp_path))
    assert len(answers) == 4 and answers.unreadable == 1
    assert answers.get("key2") is None and answers.get("key3") is not None


def test_threads_write_whole_lines(tmp_path):
    answers = Answers(str(tmp_path))

    def add(thread):
        for number in range(30):
            answers.add(f"{thread} {number}", Answer("x" * 5000), {})
            answers.add("the same for all", Answer("y"), {})

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.close()
    again = Answers(str(tmp_path))
    assert len(again) == 121 and again.unreadable == 0
    assert (tmp_path / "answers.jsonl").read_bytes().count(b"the same") == 1


def test_a_disk_that_is_full_spoils_no_line(tmp_path, monkeypatch):
    path = filled(tmp_path)
    before = path.read_bytes()
    answers = Answers(str(tmp_path))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            answers.add("new", Answer("n"), {})
    assert path.read_bytes() == before and answers.get("new") is None


def test_the_hash_of_a_request_changes_with_all_that_decides_its_answer():
    messages = (Message("system", "s"), Message("user", "u"))
    keys = {
        request_key("m", messages, 10),
        request_key("n", messages, 10),
        request_key("m", messages, 11),
        request_key("m", messages[1:], 10),
        request_key("m", (Message("system", "su"), Message("user", "")), 10),
        request_key("m", (Message("user", "s"), Message("user", "u")), 10),
    }
    assert len(keys) == 6
    assert request_key("m", messages, 10) in keys
    request_key("m", (Message("user", "half a character \ud800"),), 1)


@pytest.mark.parametrize("count", ['"10"', "null", "1.5", "true"])
def test_an_answer_whose_tokens_are_no_numbers_is_counted_and_passed_over(tmp_path, count):
    path = filled(tmp_path, 2)
    first, second = path.read_text().removesuffix("\n").split("\n")
    path.write_text(first + "\n" + second.replace('"tokens_in":10', f'"tokens_in":{count}') + "\n")
    answers = Answers(str(tmp_path))
    assert answers.unreadable == 1 and answers.spent == Spent(1, 10, 0)
