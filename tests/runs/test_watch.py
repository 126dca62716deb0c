"""A run stops early where its programs are of no use, and says why."""

import pytest

from prox.document import Document
from prox.errors import RunError
from prox.program import KeepDocument, Program, RemoveLines
from prox.refiners import Draft, Level
from prox.runs.stages import Stage, refine_documents
from prox.runs.watch import FAILED_IN_A_ROW, FIRST_DOCUMENTS, Watch

GOOD = Draft(Program((RemoveLines(0, 0),)))
IDLE = Draft(Program((KeepDocument(),)))
BAD = Draft(Program(), errors=("the output is no program: Sure!",))
ERRONEOUS = Draft(Program((RemoveLines(70, 71), RemoveLines(80, 81))))


class Written:
    level = Level.CHUNK
    window = None
    fingerprint = "written"

    def __init__(self, drafts):
        self.drafts = iter(drafts)

    def refine(self, chunks):
        return [next(self.drafts) for _ in chunks]


def watch(drafts, most=0.3, batch=FIRST_DOCUMENTS, language_model=True):
    stage = Stage("vllm:model", Written(drafts), language_model=language_model)
    seen = Watch([stage], most)
    for first in range(0, len(drafts), batch):
        documents = [Document(str(n), "menu\nsome words") for n in range(first, min(first + batch, len(drafts)))]
        seen.note(refine_documents(documents, [stage]))
    return seen


@pytest.mark.parametrize("bad", [BAD, ERRONEOUS])
def test_too_many_unusable_programs_at_the_beginning_end_the_run(bad):
    with pytest.raises(RunError, match=r"11 of the first 32 programs of vllm:model.*allowed are 30%") as stop:
        watch([bad] * 11 + [GOOD] * 21)
    assert "prox doctor --refiner vllm:model" in str(stop.value)
    assert "--family" in str(stop.value)


def test_few_unusable_programs_do_not():
    assert watch([BAD] * 9 + [GOOD] * 23).satisfied


def test_the_share_can_be_set():
    watch([BAD] * 32, most=1)
    with pytest.raises(RunError):
        watch([BAD] + [GOOD] * 31, most=0)


def test_a_small_corpus_is_stopped_only_if_nothing_works():
    watch([BAD, BAD, GOOD])
    watch([BAD])
    with pytest.raises(RunError):
        watch([BAD] * 4)


def test_later_failures_are_single_outcomes_until_nothing_works_any_more():
    watch([GOOD] * 32 + [BAD, GOOD] * 400, batch=32)
    with pytest.raises(RunError, match=f"the last {FAILED_IN_A_ROW} programs"):
        watch([GOOD] * 32 + [BAD] * FAILED_IN_A_ROW, batch=32)


def test_other_refiners_are_not_watched():
    assert watch([BAD] * 40, language_model=False).warnings() == []


def test_programs_without_any_effect_are_worth_a_warning():
    assert "changes or drops anything" in watch([IDLE] * 40).warnings()[0]
    assert watch([IDLE] * 39 + [GOOD]).warnings() == []


BLANK = Draft(Program((KeepDocument(),)), asked=False)


def test_what_no_model_was_asked_about_is_no_good_program():
    with pytest.raises(RunError, match="16 of the first 16 programs"):
        watch([BLANK] * 32 + [BAD] * 40, batch=16)
    with pytest.raises(RunError, match=r"the last 2\d\d programs"):
        watch([GOOD] * 32 + ([BAD] * 50 + [BLANK]) * 6, most=0.5, batch=51)
