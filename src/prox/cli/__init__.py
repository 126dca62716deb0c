"""The command `prox`: one module a verb."""

import io
import os
import sys

import typer

from prox.cli.adapt import adapt
from prox.cli.annotate import annotate
from prox.cli.compare import compare
from prox.cli.cost import cost
from prox.cli.distill import distill
from prox.cli.doctor import doctor
from prox.cli.evaluate import evaluate
from prox.cli.execute import execute
from prox.cli.pretrain import pretrain
from prox.cli.preview import preview
from prox.cli.refine import refine
from prox.cli.report import report
from prox.cli.score import score
from prox.cli.status import status
from prox.errors import ProxError, UsageError
from prox.runs.threads import limit_threads
from prox.visible import visible

app = typer.Typer(
    name="prox",
    help="Refine pre-training text by programs: a small model reads each document and writes the edits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (refine, report, status, preview, execute, score, doctor, cost):
    app.command()(verb)
app.add_typer(annotate, name="annotate")
app.command()(distill)
app.add_typer(adapt)
app.command()(pretrain)
app.command()(evaluate)
app.command()(compare)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        import importlib.metadata

        typer.echo(f"prox {importlib.metadata.version('prox-refine')}")
        raise typer.Exit


def main() -> None:
    """Run the command; a problem that a person can solve is one line, never a traceback."""
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if verb not in ("adapt", "pretrain", "evaluate", "compare") and not any(
        sign in word for word in sys.argv for sign in ("transformers:", "vllm:", "--recipe")
    ):
        limit_threads()  # a language model on the CPU wants all cores
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows a ? and goes on
    try:
        app()
    except ProxError as error:
        sys.stderr.write(f"prox {verb}: {_shown(error)}\n")
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.stderr.write(f"prox {verb}: {_shown(error)}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what it still holds cannot be written
        sys.exit(1)


def _shown(error: Exception) -> str:
    """Names of files and fields may be in it, and a name must not steer the terminal."""
    return "\n".join(map(visible, str(error).split("\n")))
