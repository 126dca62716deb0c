"""The exceptions that `prox` raises on purpose.

An error of this tree means that a person has to act: its text says what is wrong and what to do next. Wrong input
inside a corpus is never an exception; it is a rejected operation, a draft with errors or a quarantined record.
"""


class ProxError(Exception):
    """A problem that a person can solve; the command line shows its text and no traceback."""


class UsageError(ProxError):
    """The call itself is wrong (a missing file, an unknown name, contradictory options): exit code 2."""


class RunError(ProxError):
    """A run could not go on or finished with a failure: exit code 1."""
