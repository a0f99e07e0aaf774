"""Build the HTML page of a report."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistexp.analysis.comparison import compare, rank, selection_metric
from mnistexp.analysis.comparison_format import ComparisonFormatter
from mnistexp.analysis.report.charts import draw_costs, draw_curves, draw_parallel_coordinates
from mnistexp.analysis.seed_groups import CURVE_METRICS, SeedGroup
from mnistexp.analysis.significance import NOISE_TEST, POWER
from mnistexp.runs.run_tables import tabulate_histories
from mnistexp.tracking import RunStore
from mnistexp.version import __version__

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

TEMPLATE = Path(__file__).parent / "page.html"
FIGURES = {
    "confusion_matrix": "Confusion matrix",
    "mistakes": "Misclassified digits",
    "reliability": "Reliability",
    "first_layer": "First layer",
}
"""The figures of a run that the page shows, with their headings."""
MAX_DETAILS = 24
"""Seed groups with figures and config; the others are in the table and the charts only."""
AXIS_WIDTH = 110
"""Pixels of an axis of the parallel coordinates, so that its title does not touch the next one. A
narrower screen scrolls."""
CHART_SETTINGS: Mapping[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    # More buttons would cover the menu on a narrow screen.
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}


def build_report(
    groups: Sequence[SeedGroup], title: str, command: str, store: RunStore, left_out: str = ""
) -> str:
    """Return an HTML page: leaderboard, curves, costs, parallel coordinates, figures and configs.

    The page needs no other file and no network.

    Args:
        groups: at least one seed group.
        title: the heading of the page.
        command: the command line that writes the page.
        store: the store of the runs.
        left_out: how many runs are not in the groups, by status; see `count_unfinished`.
    """
    from jinja2 import Environment
    from plotly.offline import get_plotlyjs

    metric = selection_metric(groups)
    groups = rank(groups, metric)
    comparison = compare(groups, metric)
    parallel = draw_parallel_coordinates(groups, metric)
    history = _history(groups, store)
    template = Environment(autoescape=True).from_string(TEMPLATE.read_text())
    return template.render(
        title=title,
        command=command,
        left_out=left_out,
        version=__version__,
        metric=metric.replace("_", " "),
        chosen_by_test=metric.startswith("test"),
        noise_test=NOISE_TEST,
        power=POWER,
        table=ComparisonFormatter(comparison).to_table(),
        num_data_sets=comparison.num_data_sets,
        plotly=get_plotlyjs(),
        charts=[
            _curves_chart(draw_curves(groups, history)),
            _chart(
                "Accuracy, time and number of parameters",
                "A point for each run. Time and parameters, if they differ, have logarithmic axes. "
                "A run that is far from most others may lie outside the axes; a double click "
                "shows all.",
                draw_costs(groups, metric),
            ),
            _chart(
                "Parallel coordinates",
                "A line for each run: blue for the best ones, gray for the others. Drag along an "
                "axis to highlight the runs in that range.",
                [parallel],
                AXIS_WIDTH * len(parallel.data[0].dimensions),
            ),
        ],
        details=[_details(group, metric, store) for group in groups[:MAX_DETAILS]],
        num_left_out=max(0, len(groups) - MAX_DETAILS),
    )


def _history(groups: Sequence[SeedGroup], store: RunStore) -> "pandas.DataFrame":
    ids = [run_id for group in groups for run_id in group.runs["run_id"]]
    return tabulate_histories(store, ids, CURVE_METRICS)


def _curves_chart(figure: "Figure | None") -> Mapping[str, Any]:
    heading = "Learning curves"
    if figure is None:
        note = (
            "Each run measured its metrics once, so there are no curves: see the leaderboard. "
            "For curves, train longer or set train.evaluate_every."
        )
        return {"heading": heading, "note": note, "figures": []}
    note = "A line for each run. The menu selects the metric. A click on a name hides it."
    note += " The axis fits the best runs; a double click shows all."
    return _chart(heading, note, [figure])


def _chart(
    heading: str, note: str, figures: "Sequence[Figure]", min_width: int = 0
) -> Mapping[str, Any]:
    """Return the values for the template. min_width: of each figure, in pixels."""
    html = [
        figure.to_html(full_html=False, include_plotlyjs=False, config=CHART_SETTINGS)
        for figure in figures
    ]
    return {"heading": heading, "note": note, "figures": html, "min_width": min_width}


def _details(group: SeedGroup, metric: str, store: RunStore) -> Mapping[str, Any]:
    """Return the figures and the config of the run with the smallest seed."""
    run = group.runs.sort_values("seed").iloc[0]
    run_id = str(run["run_id"])
    figures = {
        heading: store.artifact(run_id, f"figures/{name}.png") for name, heading in FIGURES.items()
    }
    config = store.artifact(run_id, "config.yaml")
    mean = group.mean(metric)
    return {
        "name": group.name,
        "run_name": run["name"],
        "run_id": run_id,
        "num_seeds": len(group.runs),
        "mean": "" if mean is None else f"{mean:.4f}",
        "figures": {
            heading: base64.b64encode(content).decode()
            for heading, content in figures.items()
            if content
        },
        "config": config.decode() if config else "",
    }
