"""The output folder of a run: made, refused, or cleared."""

import shutil
from pathlib import Path

from prox.corpora import FoundFiles, is_half_written, is_local, open_file_system
from prox.errors import ProxError, RunError, UsageError
from prox.runs.ledger import FOLDERS, LEDGER
from prox.runs.lock import LOCK_FILE
from prox.runs.plan import PLAN_FILE
from prox.runs.recipe import Recipe
from prox.runs.record import REPORT_FILE, RUN_FILE


def without_slashes(output: str) -> str:
    return output if output.endswith("://") else output.rstrip("/") or "/"


def check_place(recipe: Recipe) -> None:
    """Refuse an output folder where a run would do harm.

    Raises:
        UsageError: It is a file, lies in the input, or holds the programs that are to be replayed.
    """
    output = recipe.output
    fs, path = open_file_system(output)
    if fs.exists(path) and not fs.isdir(path):
        raise UsageError(f"{output} is a file; name a new folder")
    for spec in recipe.specs():
        if spec.startswith("stored:"):
            of_programs, programs = open_file_system(spec.removeprefix("stored:") or ".")
            if of_programs == fs and f"{programs}/".startswith(f"{path}/"):
                raise UsageError(f"{spec} lies in {output}, where the run would write. Name another folder for it")
    for given in recipe.input:
        of_input, folder = open_file_system(given)
        inside = of_input == fs and f"{path}/".startswith(f"{folder.rstrip('/')}/")
        if inside and fs.isdir(folder):
            raise UsageError(f"{output} lies in the input {given}: a later run could read it. Name a folder beside it")


def beside_output(files: FoundFiles, output: str) -> FoundFiles:
    """The files without those in the output folder, which a glob may find as well."""
    fs, path = open_file_system(output)
    folder = f"{path if is_local(fs) else fs.unstrip_protocol(path)}/"
    own = tuple(file.path for file in files if file.path.startswith(folder))
    kept = tuple(file for file in files if not file.path.startswith(folder))
    return FoundFiles(kept, (*files.passed_over, *own))


def claim(output: str) -> list[Path]:
    """Make the output folder, or refuse one with something in it that is not a run's; the folders that were made."""
    fs, path = open_file_system(output)
    try:
        made = [folder for folder in (Path(path), *Path(path).parents) if not folder.exists()] if is_local(fs) else []
        if fs.exists(path):
            inside = [name for name in fs.ls(path, detail=False) if name.rstrip("/") != path.rstrip("/")]
            names = {name.rstrip("/").rpartition("/")[2] for name in inside}
            others = {name for name in names if not is_half_written(name)} - {LOCK_FILE, PLAN_FILE}
            if others and RUN_FILE not in names:
                raise UsageError(f"{output} is not empty; name a new folder, or remove it first")
        if is_local(fs) or path.startswith("/"):  # elsewhere there are no folders, and s3fs would make a bucket
            fs.makedirs(path, exist_ok=True)
    except OSError as error:
        raise not_writable(output, error) from error
    return made


def remove_run(output: str) -> None:
    """Remove all that a run writes, and nothing else; what says whose parts they are goes last."""
    fs, path = open_file_system(output)
    for name in (LEDGER, *FOLDERS, REPORT_FILE, PLAN_FILE, RUN_FILE):
        if is_local(fs) and Path(f"{path}/{name}").is_dir():
            shutil.rmtree(f"{path}/{name}")
        elif fs.exists(f"{path}/{name}"):
            fs.rm(f"{path}/{name}", recursive=True)


def not_writable(output: str, error: OSError) -> ProxError:
    """A person has to name another folder, or to wait until the storage answers again."""
    text = f"cannot write into the folder {output}: {error}"
    if is_local(open_file_system(output)[0]) or isinstance(error, FileNotFoundError | PermissionError):
        return UsageError(text)
    return RunError(text)
