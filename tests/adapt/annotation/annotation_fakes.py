"""Models of a few lines, for the tests of this room."""

import json
import threading

from prox.adapt.annotation.answers import Answers
from prox.adapt.annotation.asking import Asker
from prox.adapt.annotation.budget import Budget, Limits, Prices
from prox.refiners.language_model.engine import Completion
from prox.refiners.language_model.tokens import EstimatedTokens


class FakeServer:
    """Gives completions, or texts as completions, one after the other; the last one for ever.

    Attributes:
        requests: What it was asked.
        most_at_once: Requests in work at the same time.
    """

    def __init__(self, *answers, wait=None):
        self.tokens = EstimatedTokens()
        self.requests = []
        self.most_at_once = self._at_once = 0
        self._answers = list(answers)
        self._lock = threading.Lock()
        self._wait = wait

    def close(self):
        """Nothing is open."""

    def generate(self, requests):
        (request,) = requests
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if self._wait is not None:
            self._wait()
        if callable(answer):
            pages = [each.content for each in request.messages if each.role == "user"]
            pages = [page for page in pages if page.startswith("<page>")]
            answer = answer(pages[-1])
        with self._lock:
            self._at_once -= 1
        return [answer if isinstance(answer, Completion) else Completion(answer, tokens_in=100, tokens_out=10)]


def asker_of(folder, *texts, re_asks=2, limits=None):
    server = FakeServer(*texts)
    answers = Answers(str(folder))
    asker = Asker(server, "m", answers, Budget(limits or Limits(), Prices(), answers.spent), re_asks)
    return asker, server


def scores(educational=3, format=3):
    fields = {"educational_reason": "It teaches.", "educational": educational}
    return json.dumps(fields | {"format_reason": "It is whole.", "format": format})
