"""`mnistexp report`, read by a real browser."""

import base64
import io
import re
import statistics
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from support import Command

pytestmark = pytest.mark.integration


@pytest.fixture
def report(
    mnistexp: Command, store_with_sweep: Path, monkeypatch: pytest.MonkeyPatch, page: Page
) -> Page:
    """The report of the last sweep, opened without a network."""
    monkeypatch.chdir(store_with_sweep)
    outcome = mnistexp("report", "-o", "report.html")
    assert outcome.exit_code == 0, outcome.err
    assert "6 runs" in outcome.out
    page.context.set_offline(True)
    page.goto(f"file://{store_with_sweep}/report.html")
    return page


@pytest.fixture
def lab_report(
    mnistexp: Command,
    store_with_sweep: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    page: Page,
) -> Page:
    """The report of two experiments of the lab, which have curves."""
    monkeypatch.chdir(store_with_sweep)
    assert mnistexp("report", "lab", "-o", str(tmp_path / "lab.html")).exit_code == 0
    page.goto(f"file://{tmp_path}/lab.html")
    return page


def column(page: Page, title: str) -> list[str]:
    titles = [text.strip() for text in page.locator("#leaderboard th").all_inner_texts()]
    position = titles.index(title) + 1
    return page.locator(f"#leaderboard tbody td:nth-child({position})").all_inner_texts()


def test_the_leaderboard_has_the_accuracies_of_mlflow(report: Page) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    for model, shown in zip(column(report, "model"), column(report, "val accuracy"), strict=True):
        where = f"params.model = '{model}' and params.`train.steps` = '20'"
        runs = client.search_runs(["1"], f"{where} and attributes.status = 'FINISHED'")
        logged = [run.data.metrics["val_accuracy"] for run in runs]
        expected = f"{statistics.mean(logged):.4f} ± {statistics.stdev(logged):.4f}"
        assert shown.removesuffix(" ★") == expected


def test_a_click_on_a_heading_sorts_by_number(report: Page) -> None:
    def parameters() -> list[int]:
        return [int(text.replace(",", "")) for text in column(report, "parameters")]

    report.get_by_role("button", name="parameters").click()
    assert parameters() == [159_010, 7_850]
    report.get_by_role("button", name="parameters").click()
    assert parameters() == [7_850, 159_010]
    report.get_by_role("button", name="model").click()
    assert column(report, "model") == ["two_layers", "softmax"]


def test_curves_are_drawn_and_can_be_switched(lab_report: Page) -> None:
    chart = lab_report.locator(".js-plotly-plot").first
    lines = chart.locator(".scatterlayer .trace")
    expect(lines).to_have_count(4)  # Of one metric: two groups of two seeds.
    expect(chart.locator(".legendtext")).to_have_text(["1_0_softmax", "1_1_two_layers_sigmoid"])
    legend, axes = (
        chart.locator(".legend").bounding_box(),
        chart.locator(".nsewdrag").bounding_box(),
    )
    assert legend is not None
    assert axes is not None
    assert legend["y"] > axes["y"] + axes["height"]
    chart.locator(".legendtoggle").first.click()
    expect(lines).to_have_count(2)
    chart.locator(".updatemenu-header").click()
    chart.locator(".updatemenu-dropdown-button", has_text="train loss").click()
    expect(chart.locator(".ytitle")).to_have_text("train loss")


def test_costs_and_settings_are_drawn(report: Page) -> None:
    charts = report.locator(".js-plotly-plot")
    report.wait_for_function(  # Each fits its column.
        "[...document.querySelectorAll('.js-plotly-plot')].every("
        "chart => chart.querySelector('.main-svg').clientWidth <= chart.clientWidth)"
    )
    # These runs were evaluated once: there is a sentence instead of a chart of curves.
    expect(charts).to_have_count(3)
    expect(report.get_by_text("Each run measured its metrics once")).to_be_visible()
    for number, title in enumerate(("seconds", "parameters")):
        expect(charts.nth(number).locator(".scatterlayer .point")).to_have_count(6)
        expect(charts.nth(number).locator(".xtitle")).to_have_text(title)
    expect(charts.nth(2).locator(".axis-title")).to_have_text(
        ["model", "seconds", "parameters", "val accuracy"]
    )


def test_runs_show_their_figures_and_configs(report: Page, store_with_sweep: Path) -> None:
    shown = report.locator("details .figures").first.locator("img")
    titles = [figure.get_attribute("alt") or "" for figure in shown.all()]
    assert [re.sub(" of .*", "", title) for title in titles] == [
        "Confusion matrix",
        "Misclassified digits",
        "Reliability",
        "First layer",
    ]
    source = shown.first.get_attribute("src") or ""
    content = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    (run_id,) = re.findall(r"[0-9a-f]{32}", report.locator("details .note").first.inner_text())
    (file,) = store_with_sweep.glob(f"mlruns/*/{run_id}/artifacts/figures/confusion_matrix.png")
    assert content == file.read_bytes()
    assert Image.open(io.BytesIO(content)).width > 500
    report.locator("details details summary").first.click()
    expect(report.locator("pre").first).to_contain_text("learning_rate: 0.5")


def test_the_page_fits_a_small_screen(report: Page) -> None:
    report.set_viewport_size({"width": 400, "height": 800})
    report.wait_for_function("document.documentElement.scrollWidth <= 400")
    seconds, parameters = (report.locator(".js-plotly-plot").nth(n).bounding_box() for n in (0, 1))
    assert seconds is not None
    assert parameters is not None
    assert parameters["y"] > seconds["y"]
    expect(report.get_by_text("scroll it to the right").first).to_be_visible()
    report.set_viewport_size({"width": 2400, "height": 800})
    expect(report.get_by_text("scroll it to the right").first).to_be_hidden()


def test_titles_of_parallel_coordinates_do_not_touch_on_a_telephone(report: Page) -> None:
    report.set_viewport_size({"width": 375, "height": 800})
    titles = report.locator(".js-plotly-plot").last.locator(".axis-title")
    expect(titles).to_have_count(4)
    # Plotly draws the chart again a moment after the change of the width.
    report.wait_for_function(
        """() => {
            const titles = document.querySelectorAll('.js-plotly-plot .axis-title');
            const boxes = [...titles].map(title => title.getBoundingClientRect());
            return boxes.slice(1).every((box, i) => boxes[i].right < box.left);
        }"""
    )


@pytest.mark.parametrize("width", [375, 1280])
def test_the_buttons_of_a_chart_cover_no_title_and_no_menu(report: Page, width: int) -> None:
    report.set_viewport_size({"width": width, "height": 900})
    buttons = [bar.bounding_box() for bar in report.locator(".modebar").all()]
    others = [
        element.bounding_box()
        for selector in (".parcoords .axis-title", ".updatemenu-header")
        for element in report.locator(selector).all()
    ]
    assert buttons
    assert others
    for bar in filter(None, buttons):
        for other in filter(None, others):
            is_below = other["y"] >= bar["y"] + bar["height"] - 1
            is_above = other["y"] + other["height"] <= bar["y"] + 1
            is_left = other["x"] + other["width"] <= bar["x"]
            assert is_below or is_above or is_left


def test_a_report_of_named_runs_has_these_runs(lab_report: Page) -> None:
    names = pd.Series(column(lab_report, "name"))
    assert names.tolist() == ["lab.1_0_softmax", "lab.1_1_two_layers_sigmoid"]
    expect(lab_report.get_by_text("select models by validation accuracy")).to_be_visible()


def test_an_output_in_a_missing_folder_is_refused(mnistexp: Command) -> None:
    outcome = mnistexp("report", "-o", "nowhere/report.html")
    assert outcome.exit_code == 2
    assert "--output: expected a file in a folder that exists" in outcome.err
