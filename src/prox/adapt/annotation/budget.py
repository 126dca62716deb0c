"""What may be spent, counted with what is in flight."""

import threading
from dataclasses import dataclass

from prox.errors import UsageError


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens read and written, in any currency."""

    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def of(self, tokens_in: int, tokens_out: int) -> float:
        return (self.tokens_in * tokens_in + self.tokens_out * tokens_out) / 1e6


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps for all that an output folder has ever cost; None is no cap. Tokens are those read and written together."""

    requests: int | None = None
    tokens: int | None = None
    cost: float | None = None

    def check(self, prices: Prices) -> None:
        """
        Raises:
            UsageError: A cap or a price makes no sense.
        """
        for option, value in (
            ("max-requests", self.requests),
            ("max-tokens", self.tokens),
            ("max-cost", self.cost),
            ("price-in", prices.tokens_in),
            ("price-out", prices.tokens_out),
        ):
            if value is not None and not 0 <= value < float("inf"):
                raise UsageError(f"--{option} is {value}; it must be 0 or more")
        if self.cost is not None and not (prices.tokens_in or prices.tokens_out):
            raise UsageError("--max-cost needs prices for a million tokens: --price-in and --price-out")


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests, and the tokens they took."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.requests + other.requests, self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out
        )

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(
            self.requests - other.requests, self.tokens_in - other.tokens_in, self.tokens_out - other.tokens_out
        )


class BudgetSpentError(Exception):
    """The next request could cost more than is left; the text names the cap."""


class Budget:
    """Lets requests go as long as all of them together, at their highest price, stay below the caps.

    Attributes:
        spent: What is paid for.
        exhausted: Which cap ended the work; "" so far.
    """

    def __init__(self, limits: Limits, prices: Prices, spent: Spent) -> None:
        self.spent = spent
        self.exhausted = ""
        self._limits = limits
        self._prices = prices
        self._in_flight = Spent()
        self._changed = threading.Condition()

    def reserve(self, most: Spent) -> None:
        """Wait until there is room for a request that costs so much at most.

        Raises:
            BudgetSpentError: There will be none.
        """
        with self._changed:
            while not self.exhausted and (cap := self._cap_reached(self.spent + self._in_flight + most)):
                if self._in_flight.requests:  # it may turn out to cost less
                    self._changed.wait()
                else:
                    self.exhausted = cap
                    self._changed.notify_all()
            if self.exhausted:
                raise BudgetSpentError(self.exhausted)
            self._in_flight += most

    def settle(self, most: Spent, real: Spent) -> None:
        """A request that was let go has ended."""
        with self._changed:
            self._in_flight -= most
            self.spent += real
            self._changed.notify_all()

    def _cap_reached(self, spent: Spent) -> str:
        limits = self._limits
        if limits.requests is not None and spent.requests > limits.requests:
            return f"--max-requests {limits.requests}"
        if limits.tokens is not None and spent.tokens_in + spent.tokens_out > limits.tokens:
            return f"--max-tokens {limits.tokens}"
        if limits.cost is not None and self._prices.of(spent.tokens_in, spent.tokens_out) > limits.cost:
            return f"--max-cost {limits.cost:g}"
        return ""
