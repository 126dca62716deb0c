from prox.corpora import Quarantined, first_records, read_records


def test_records_come_in_order_with_faults_in_their_place(put):
    path = put("a.jsonl.gz", b'{"a": 1}\nbad\n{"b": 2}\n')
    first, fault, second = read_records(path)
    assert (first, second) == ({"a": 1}, {"b": 2})
    assert isinstance(fault, Quarantined) and fault.record == 1


def test_first_records_pass_over_broken_ones(put, json_lines):
    data = b"bad\n\xff\n" + json_lines([{"n": n} for n in range(100)])
    assert first_records(put("a.jsonl", data), 3) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert first_records(put("b.jsonl", b"bad\n" * 5000 + data)) == []
    assert first_records(put("c.jsonl", b"")) == []
