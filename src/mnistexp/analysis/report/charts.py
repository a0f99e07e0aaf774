"""Interactive charts of a report, drawn by Plotly."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mnistexp.analysis.comparison import lower_is_better
from mnistexp.analysis.seed_groups import CURVE_METRICS, SeedGroup
from mnistexp.analysis.setting_differences import differing_settings, short_names

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

MAX_POINTS = 400
"""Points of a curve. A screen cannot show more."""
COST_TITLES = {"seconds": "seconds", "num_parameters": "parameters"}


def draw_curves(groups: Sequence[SeedGroup], history: "pandas.DataFrame") -> "Figure":
    """Draw each metric over the steps, a line for each seed; a menu selects the metric.

    A click on a name of the legend hides or shows the seeds of a group.
    """
    from plotly.graph_objects import Figure, Scatter

    metrics = [metric for metric in CURVE_METRICS if metric in set(history["metric"])]
    figure = Figure()
    metric_of_trace: list[str] = []
    for metric in metrics:
        of_metric = history[history["metric"] == metric]
        for group, color in zip(groups, _colors(len(groups)), strict=True):
            for number, run_id in enumerate(group.runs["run_id"]):
                curve = _thinned(of_metric[of_metric["run_id"] == run_id])
                figure.add_trace(
                    Scatter(
                        x=curve["step"].tolist(),
                        y=curve["value"].tolist(),
                        name=group.name,
                        legendgroup=group.name,
                        showlegend=number == 0,
                        visible=metric == metrics[0],
                        line={"color": color, "width": 1.5},
                    )
                )
                metric_of_trace.append(metric)
    buttons = [
        {
            "label": metric.replace("_", " "),
            "method": "update",
            "args": [
                {"visible": [metric == other for other in metric_of_trace]},
                {"yaxis.title.text": metric.replace("_", " ")},
            ],
        }
        for metric in metrics
    ]
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.16, "type": "dropdown"}
    _set_layout(figure, metrics[0] if metrics else "")
    figure.update_layout(xaxis_title="step", updatemenus=[menu], margin_t=60)
    return figure


def draw_costs(groups: Sequence[SeedGroup], metric: str) -> "Figure":
    """Draw the metric against time and number of parameters, a point for each seed."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    for group, color in zip(groups, _colors(len(groups)), strict=True):
        for column, cost in enumerate(COST_TITLES, start=1):
            known = group.runs[[cost, metric, "name"]].dropna()
            figure.add_trace(
                Scatter(
                    x=known[cost],
                    y=known[metric],
                    mode="markers",
                    name=group.name,
                    legendgroup=group.name,
                    showlegend=column == 1,
                    marker={"color": color, "size": 9},
                    text=known["name"],
                ),
                row=1,
                col=column,
            )
    # With more ticks, Plotly would label a logarithmic axis with single digits, `2 3 4 … 9`.
    figure.update_xaxes(type="log", nticks=4)
    for column, title in enumerate(COST_TITLES.values(), start=1):
        figure.update_xaxes(title=title, tickformat="~g" if column == 1 else "~s", col=column)
    _set_layout(figure, metric)
    return figure


def draw_parallel_coordinates(groups: Sequence[SeedGroup], metric: str) -> "Figure":
    """Draw each run as a line through its settings and metrics; dragging on an axis filters."""
    import pandas
    from plotly.graph_objects import Figure, Parcoords

    settings = differing_settings(groups)
    titles = short_names(settings)
    runs = pandas.concat([group.runs for group in groups])
    chosen = {
        name: [group.settings.get(name) for group in groups for _ in range(len(group.runs))]
        for name in settings
    }
    axes = [_axis(titles[name], values) for name, values in chosen.items()]
    axes += [_axis(title, runs[cost].tolist()) for cost, title in COST_TITLES.items()]
    line = {
        "color": runs[metric].tolist(),
        "colorscale": "Viridis",
        "reversescale": lower_is_better(metric),
        "showscale": True,
        "colorbar": {"title": metric.replace("_", " ")},
    }
    axes.append(_axis(metric, runs[metric].tolist()))
    figure = Figure(Parcoords(dimensions=axes, line=line))
    figure.update_layout(height=420, margin={"l": 80, "r": 40, "t": 60, "b": 30})
    return figure


def _axis(title: str, values: Sequence[Any]) -> Mapping[str, Any]:
    """Return an axis: numbers by value, texts at equal distances."""
    title = title.replace("_", " ")
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return {"label": title, "values": [float(value) for value in values]}
    texts = list(dict.fromkeys(map(str, values)))
    positions = [texts.index(str(value)) for value in values]
    ticks = {"tickvals": [*range(len(texts))], "ticktext": texts}
    return {"label": title, "values": positions, **ticks}


def _thinned(curve: "pandas.DataFrame") -> "pandas.DataFrame":
    interval = max(1, len(curve) // MAX_POINTS)
    return curve.iloc[(len(curve) - 1) % interval :: interval]  # The last value is kept.


def _colors(count: int) -> list[str]:
    from plotly.colors import qualitative, sample_colorscale

    if count <= len(qualitative.D3):
        return list(qualitative.D3[:count])
    return list(sample_colorscale("Turbo", [n / (count - 1) for n in range(count)]))


def _set_layout(figure: "Figure", metric: str) -> None:
    figure.update_layout(
        height=460,
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        template="plotly_white",
        hovermode="closest",
        yaxis_title=metric.replace("_", " "),
    )
