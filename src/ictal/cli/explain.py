"""The command that explains a prediction."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ictal.cli.completion import complete_method, complete_page
from ictal.cli.options import DATA, JSON, MODEL_ARGUMENT, PATTERN, PLUGIN, RECIPE, SET, load_plugins
from ictal.cli.screen import Results

WINDOW = typer.Option("--window", metavar="ID", help="Id of the window.")
OUT = typer.Option("--out", metavar="FILE", help="Figure to write (.svg or .png).")
METHOD = typer.Option(
    "--method", metavar="METHOD", help="occlusion, gradients or gradcam.", autocompletion=complete_method
)
CHECK = typer.Option("--check", help="Test whether the explanation changes with random weights.")
PAGE = typer.Option(
    "--page",
    metavar="PART",
    help="Traces to draw: the 10 s in the centre, or the whole window.",
    autocompletion=complete_page,
)


def explain(
    model: Annotated[Path, MODEL_ARGUMENT],
    data: Annotated[str, DATA],
    window: Annotated[str, WINDOW],
    out: Annotated[Path, OUT],
    pattern: Annotated[str | None, PATTERN] = None,
    method: Annotated[str, METHOD] = "occlusion",
    check: Annotated[bool, CHECK] = False,
    page: Annotated[str, PAGE] = "centre",
    recipe: Annotated[str, RECIPE] = "quick",
    plugins: Annotated[list[Path] | None, PLUGIN] = None,
    overrides: Annotated[list[str] | None, SET] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Draw which parts of a window support a pattern.

    Without --pattern, the most probable one is explained.

    Example: ictal explain models/both sim --window p3e1_0 --out why.svg
    """
    from ictal.experiments.window_explanation import explain_window
    from ictal.models.hub import find_model
    from ictal.recipes import load_recipe
    from ictal.report.explanation_figure import explanation_figure, save_figure

    load_plugins(plugins)
    chosen = load_recipe(recipe, overrides or ())
    folder = find_model(model)
    found = explain_window(folder, data, window, pattern, cast(Any, (method,)), chosen)
    save_figure(explanation_figure(found, cast(Any, method), cast(Any, page), f"window {window}"), out)
    content, results = found.to_json(), Results(json_file)
    if check:  # which needs the weights, and torch
        from ictal.explanations.sanity import sanity
        from ictal.models.checkpoint import load_model
        from ictal.report.verdicts import sanity_in_words

        checked = sanity(load_model(folder).network, [found.window], found.pattern, cast(Any, method))
        content["correlation_with_random_weights"] = checked.correlations[-1]
        results.show(sanity_in_words(checked))
    results.show(f"{found.pattern}, probability {found.probability:.2f}", f"Figure: {out}")
    results.give_json(content)
