"""Interactive charts of a report, drawn by Plotly."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mnistexp.analysis.comparison import is_cost
from mnistexp.analysis.seed_groups import CURVES, SeedGroup
from mnistexp.analysis.setting_differences import differing_settings, short_names

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

MAX_POINTS = 400
"""Points of a curve. A screen cannot show more."""
COSTS = {"seconds": "seconds", "num_parameters": "parameters"}


def draw_curves(groups: Sequence[SeedGroup], history: "pandas.DataFrame") -> "Figure":
    """Draw each metric over the steps, a line for each seed; a menu selects the metric.

    A click on a name of the legend hides or shows the seeds of a group.
    """
    from plotly.graph_objects import Figure, Scatter

    metrics = [metric for metric in CURVES if metric in set(history["metric"])]
    figure = Figure()
    shown_for: list[str] = []
    for metric in metrics:
        of_metric = history[history["metric"] == metric]
        for group, colour in zip(groups, _colours(len(groups)), strict=True):
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
                        line={"color": colour, "width": 1.5},
                    )
                )
                shown_for.append(metric)
    buttons = [
        {
            "label": metric.replace("_", " "),
            "method": "update",
            "args": [
                {"visible": [metric == of_trace for of_trace in shown_for]},
                {"yaxis.title.text": metric.replace("_", " ")},
            ],
        }
        for metric in metrics
    ]
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.16, "type": "dropdown"}
    return _laid_out(figure, "step", metrics[0] if metrics else "", updatemenus=[menu])


def draw_costs(groups: Sequence[SeedGroup], metric: str) -> "Figure":
    """Draw the metric against time and number of parameters, a point for each seed."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    for group, colour in zip(groups, _colours(len(groups)), strict=True):
        for column, cost in enumerate(COSTS, start=1):
            known = group.runs[[cost, metric, "name"]].dropna()
            figure.add_trace(
                Scatter(
                    x=known[cost],
                    y=known[metric],
                    mode="markers",
                    name=group.name,
                    legendgroup=group.name,
                    showlegend=column == 1,
                    marker={"color": colour, "size": 9},
                    text=known["name"],
                ),
                row=1,
                col=column,
            )
    for column, title in enumerate(COSTS.values(), start=1):
        figure.update_xaxes(type="log", title=title, row=1, col=column)
    return _laid_out(figure, None, metric)


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
    axes += [_axis(name.replace("_", " "), runs[name].tolist()) for name in (*COSTS, metric)]
    colours = runs[metric].tolist()
    line = {"color": colours, "colorscale": "Viridis", "reversescale": is_cost(metric)}
    figure = Figure(Parcoords(dimensions=axes, line={**line, "showscale": True}))
    figure.update_layout(height=420, margin={"l": 80, "r": 40, "t": 60, "b": 30})
    return figure


def _axis(title: str, values: Sequence[Any]) -> Mapping[str, Any]:
    """Return an axis: numbers by value, texts at equal distances."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return {"label": title, "values": [float(value) for value in values]}
    words = list(dict.fromkeys(map(str, values)))
    places = [words.index(str(value)) for value in values]
    return {"label": title, "values": places, "tickvals": [*range(len(words))], "ticktext": words}


def _thinned(curve: "pandas.DataFrame") -> "pandas.DataFrame":
    every = max(1, len(curve) // MAX_POINTS)
    return curve.iloc[(len(curve) - 1) % every :: every]  # The last value is among them.


def _colours(count: int) -> list[str]:
    from plotly.colors import qualitative, sample_colorscale

    if count <= len(qualitative.D3):
        return list(qualitative.D3[:count])
    return list(sample_colorscale("Turbo", [n / (count - 1) for n in range(count)]))


def _laid_out(figure: "Figure", x: str | None, y: str, **more: Any) -> "Figure":
    figure.update_layout(
        height=460,
        margin={"l": 60, "r": 20, "t": 60, "b": 50},
        template="plotly_white",
        hovermode="closest",
        yaxis_title=y.replace("_", " "),
        **({"xaxis_title": x} if x else {}),
        **more,
    )
    return figure
