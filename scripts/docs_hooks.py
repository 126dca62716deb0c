"""What the documentation site generates when it is built: commands, recipe fields, and pages that live elsewhere.

Hooks of mkdocs. Links that leave `docs/` work where the repository is read, and lead to these pages on the site.
"""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.structure.files import File, Files
from pydantic import BaseModel

import prox
from prox.cli import app
from prox.refiners.rules import MEANINGS
from prox.runs.recipe import PolicyFields, Recipe, StageRecipe

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {
    "model-card.md": ROOT / "src/prox/refiners/tagger/MODEL_CARD.md",
    "figures.md": ROOT / "benchmarks/README.md",
    "experiment.md": ROOT / "experiments/README.md",
}


def on_files(files: Files, config: Any) -> Files:
    pages = {
        "reference/cli.md": commands(),
        "reference/recipe.md": recipe_fields(),
        "reference/python.md": python_names(),
        **{name: path.read_text(encoding="utf-8") for name, path in ELSEWHERE.items()},
    }
    title, further, rest = pages["figures.md"].partition("\n## Further figures\n")
    pages["figures.md"] = f"{title}\n{figures_of_readme()}{further}{rest}"
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for result in sorted((ROOT / "experiments/results").iterdir()):
        files.append(File.generated(config, f"results/{result.name}", abs_src_path=str(result)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    return redirected(markdown.replace("<!-- reasons -->", reasons()), page.file.src_uri)


def redirected(markdown: str, page: str) -> str:
    """Links that leave `docs/` or come from outside, as links between pages of the site.

    >>> redirected("[card](../src/prox/refiners/tagger/MODEL_CARD.md#limits)", "faq.md")
    '[card](model-card.md#limits)'
    """
    targets = {f"../{path.relative_to(ROOT)}": name for name, path in ELSEWHERE.items()}
    targets |= {"../README.md": "index.md", "../src/prox/__init__.py": "reference/python.md"}
    if page in ELSEWHERE:
        depth = "../" * len(ELSEWHERE[page].relative_to(ROOT).parent.parts)
        targets |= {f"{depth}docs/{path.name}": path.name for path in (ROOT / "docs").glob("*.md")}
    for target, name in targets.items():
        markdown = re.sub(rf"\]\({re.escape(target)}(#[^)]*)?\)", rf"]({name}\1)", markdown)
    return markdown


def reasons() -> str:
    """Why rules drop documents."""
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in sorted(MEANINGS.items()))
    return f"| reason | what it says |\n| --- | --- |\n{rows}"


def commands() -> str:
    """Every verb with what its `--help` says."""
    group = typer.main.get_command(app)
    exits = "0 success, 1 a run that failed or was interrupted, 2 wrong use"
    parts = [f"# Commands\n\nAs `prox VERB --help` says it. Exit codes: {exits}.\n"]
    for path, command in verbs(group):
        parts.append(f"## prox {' '.join(path)}\n\n{_paragraphs(command.help or '')}\n")
        rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
        parts.append("| option | |\n| --- | --- |\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def verbs(group: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """All commands below a group, with their names."""
    found = []
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found += verbs(command, (*path, name))
        else:
            found.append(((*path, name), command))
    return found


def _paragraphs(text: str) -> str:
    """The help text; an example becomes a block."""
    parts = []
    for paragraph in text.split("\n\n"):
        found = re.fullmatch(r"([A-Z][^:`]*): ((?:prox|torchrun|accelerate) .*)", paragraph.strip(), re.DOTALL)
        parts.append(f"{found[1]}:\n\n```\n{' '.join(found[2].split())}\n```" if found else _escaped(paragraph))
    return "\n\n".join(parts)


def _row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in getattr(parameter, "opts", [])) or f"`{parameter.name}`"
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name.upper()}`"
    elif not getattr(parameter, "is_flag", False) and parameter.metavar:
        names += f" `{parameter.metavar}`"
    default = parameter.default
    shown = f" (default: {default})" if isinstance(default, int | float | str) and not isinstance(default, bool) else ""
    return f"| {names} | {_escaped(parameter.help or '').replace('|', '&#124;')}{shown} |"


def _escaped(text: str) -> str:
    return re.sub(r"([<>*_\[\]])", r"\\\1", " ".join(text.split()))


def recipe_fields() -> str:
    """The fields of the models that read recipes, with what the options of the same name say."""
    head = "What a recipe may hold, as the code that reads it knows it. [Recipes](../recipes.md) says what for."
    said = _said_of_fields()
    parts = [f"# Recipe fields\n\n{head}\n"]
    for model, title in ((Recipe, "Recipe"), (StageRecipe, "A refiner in `stages`"), (PolicyFields, "Its `policy`")):
        parts.append(
            f"## {title}\n\n{_first_line(model)}\n\n| field | values | if not given | |\n| --- | --- | --- | --- |"
        )
        schema = model.model_json_schema(mode="validation")
        for name, field in model.model_fields.items():
            if name == "replay":  # no recipe file can say it
                continue
            given = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
            if model is PolicyFields:
                given = "the refiner's"
            size = "_as_bytes" in str(field.annotation)
            values = "bytes, or `64MB`" if size else _values(schema["properties"][name], schema.get("$defs", {}))
            parts.append(f"| `{name}` | {values} | {given} | {said.get(name, '')} |")
        parts.append("")
    return "\n".join(parts)


def _said_of_fields() -> dict[str, str]:
    """By name: the help of the option of `prox refine` that sets it, or what the policy's docstring says."""
    (refine,) = [command for path, command in verbs(typer.main.get_command(app)) if path == ("refine",)]
    fields = {"refiner": "stages", "engine_option": "engine_options"}
    said = {fields.get(each.name, each.name): each.help or "" for each in refine.params}
    attributes = inspect.getdoc(prox.Policy).partition("Attributes:\n")[2]  # type: ignore[union-attr]
    said |= re.findall(r"^    (\w+): (.*?)(?=\n    \w|\Z)", attributes, re.DOTALL | re.MULTILINE)
    said |= {
        "input": "Files, folders or globs of JSONL, Parquet, WARC or WET, on any fsspec path.",
        "output": "A new folder, or that of the run to continue.",
        "refiner": "A spec, as in `stages`.",
        "policy": "Limits on its programs, where they are others than it brings.",
    }
    return {name: _escaped(text) for name, text in said.items()}


def _default(value: Any) -> str:
    if value is None or value == {}:
        return "–"
    return f"`{json.dumps(value)}`"


def _values(schema: dict[str, Any], models: dict[str, Any]) -> str:
    """What a field takes, in words, from its JSON schema.

    >>> _values({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]}, {})
    'number, 0 to 1'
    >>> _values({"type": "array", "items": {"type": "string"}}, {})
    'list of string'
    >>> _values({"enum": ["local", "ray"]}, {})
    '`local`, `ray`'
    """
    if "anyOf" in schema:
        kinds = [_values(each, models) for each in schema["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _values(models[name], models) if "enum" in models[name] else "fields, see below"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_values(schema['items'], models)}"
    if schema.get("type") == "object":
        return f"names with {_values(schema['additionalProperties'], models)}"
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    limits = [f"{low} to {high}"] if None not in (low, high) else []
    if not limits:
        signs = (("at least", low), ("above", above), ("at most", high), ("below", below))
        limits = [f"{sign} {limit:g}" for sign, limit in signs if limit is not None]
    return ", ".join([schema["type"], *limits])


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]


def python_names() -> str:
    """Everything that `import prox` gives."""
    head = "# Python\n\nAll that is public is in `prox`. [From Python](../python.md) shows how it is used.\n"
    return head + "".join(f"\n::: {_home_of(name)}\n" for name in prox.__all__)


def _home_of(name: str) -> str:
    """Where a name is defined, if it is a function: some have the name of their module."""
    value = getattr(prox, name)
    return f"{value.__module__}.{name}" if inspect.isfunction(value) else f"prox.{name}"


def figures_of_readme() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"\n## Figures\n(.*?)(?=\n## )", text, re.DOTALL)
    for name, path in ELSEWHERE.items():
        section = re.sub(rf"\]\({re.escape(str(path.relative_to(ROOT)))}(#[^)]*)?\)", rf"]({name}\1)", section)
    return f"{section.strip()}\n"
