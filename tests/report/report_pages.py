"""Pages whose figures are known, made of a text and a program."""

from prox.report.pages import page_of

ROW = {"file": "f", "offset": 0, "text_sha256": "0", "reason": "", "words_before": 0, "words_after": 0, "stages": []}


def page(number, text, program="", decision="edited", scores=None, score=None, **metadata):
    stage = {"score": score, "line_scores": scores, "failures": [], "rejected": []}
    words = len(text.split())
    row = ROW | {"id": f"page-{number}", "record": number, "program": program, "decision": decision, "stages": [stage]}
    made = page_of(row | {"words_before": words, "words_after": words}, text, metadata)
    after = 0 if decision == "dropped" else sum(line.words_left for line in made.lines)
    return page_of(row | {"words_before": words, "words_after": after}, text, metadata)


TEN = "\n".join(f"line {number}" for number in range(10))
