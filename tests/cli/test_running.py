"""Options beside a recipe file."""

from prox.cli.running import recipe_from_options


def test_an_option_wins_over_what_a_recipe_says_of_one_refiner(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "stages:\n- refiner: vllm:a\n  family: prox-chunk\n  engine_options: {dtype: float16, seed: 1}\n"
        "engine_options: {seed: 2}\n"
    )
    options = {"input": (), "output": "", "level": "chunk"}
    ((as_said, _),) = recipe_from_options(str(path), **options).levels()
    assert (as_said.family, as_said.engine_options) == ("prox-chunk", {"dtype": "float16", "seed": 1})
    given = recipe_from_options(str(path), family="instruct", engine_options={"seed": 3}, **options)
    ((overridden, _),) = given.levels()
    assert (overridden.family, overridden.engine_options) == ("instruct", {"dtype": "float16", "seed": 3})
