"""What tests share: the command, called in this process."""

import sys

import pytest

from prox import cli


@pytest.fixture
def prox(monkeypatch, capsys):
    """Call the command in this process; gives exit code, standard output and standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["prox", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return call
