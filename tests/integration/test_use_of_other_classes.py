"""`mnistexp draw` in a real browser, and `serve`, with a model of images that are not digits."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from math import cos, pi, sin
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect
from support import free_port, start_command, wait_for_output

pytestmark = pytest.mark.integration

DEGREES = range(0, 180, 15)
SIZE = (40, 32)
"""Width and height."""


def line(degrees: float, random: np.random.Generator) -> Image.Image:
    """A dark line on light gray, with the slope of a class, and a random width and place."""
    image = Image.new("L", SIZE, 220)
    x, y = 20 + random.uniform(-2, 2), 16 + random.uniform(-2, 2)
    dx, dy = 12 * cos(degrees * pi / 180), -12 * sin(degrees * pi / 180)
    width = int(random.integers(2, 5))
    ImageDraw.Draw(image).line((x - dx, y - dy, x + dx, y + dy), fill=20, width=width)
    return image


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network of twelve slopes, which was trained on a folder of pictures."""
    folder = tmp_path_factory.mktemp("slopes")
    random = np.random.default_rng(0)
    for degrees in DEGREES:
        target = folder / "slopes" / "train" / f"{degrees} degrees"
        target.mkdir(parents=True)
        for number in range(150):
            line(degrees + random.uniform(-5, 5), random).save(target / f"{number}.png")
    settings = ("data.directory=slopes", "model=two_layers", "train.epochs=10")
    training = start_command(folder, *settings, "train.batch_size=50")
    _, err = training.communicate(timeout=300)
    assert training.returncode == 0, err
    return folder


@contextmanager
def server(folder: Path, command: str, line: str) -> Iterator[str]:
    """Start a server and return its address, which follows `line`."""
    process = start_command(folder, *command.split(), "best", "--port", str(free_port()))
    try:
        yield wait_for_output(process, rf"{line}: (\S+)")
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err


@pytest.fixture(scope="module")
def address(trained: Path) -> Iterator[str]:
    """The address of the drawing page."""
    with server(trained, "draw --no-browser", "Draw a picture") as url:
        yield url


def test_the_served_model_names_its_classes(trained: Path) -> None:
    with server(trained, "serve", "Scoring server") as url:
        names = requests.get(f"{url}/classes", timeout=10).json()
        example = requests.get(f"{url}/example", timeout=10).json()
        answer = requests.post(f"{url}/invocations", json=example, timeout=30).json()
    assert sorted(names) == sorted(f"{degrees} degrees" for degrees in DEGREES)
    (probabilities,) = answer["predictions"]
    assert len(probabilities) == len(names)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)


@pytest.fixture
def page(page: Page, address: str) -> Page:
    """The page on a desktop. An error in its console fails the test."""
    page.set_viewport_size({"width": 1100, "height": 800})
    page.goto(address)
    return page


def draw_line(page: Page, *points: tuple[float, float]) -> None:
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    (x, y), *others = [
        (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points
    ]
    page.mouse.move(x, y)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


@pytest.mark.parametrize(
    ("points", "name"),
    [
        ([(0.3, 0.5), (0.75, 0.5)], "0 degrees"),
        ([(0.4, 0.7), (0.4, 0.25)], "90 degrees"),
        ([(0.2, 0.7), (0.6, 0.3)], "45 degrees"),
    ],
)
def test_a_drawing_is_one_of_the_classes_of_the_data(
    page: Page, points: list[tuple[float, float]], name: str, tmp_path: Path
) -> None:
    draw_line(page, *points)
    expect(page.locator("#digit")).to_have_text(name)
    expect(page.locator("#message")).to_contain_text(re.compile(r"\d % sure"))
    # Of twelve classes, the ten most probable ones are listed, the best first.
    expect(page.locator("#probabilities li")).to_have_count(10)
    expect(page.locator("li.highest .digit")).to_have_text(name)
    expect(page.locator("#probabilities li .digit").first).to_have_text(name)
    picture = page.locator("#inputs img")
    assert picture.evaluate("img => [img.naturalWidth, img.naturalHeight]") == list(SIZE)
    page.screenshot(path=tmp_path / "drawing.png")


def test_two_lines_are_one_drawing(page: Page) -> None:
    draw_line(page, (0.2, 0.7), (0.4, 0.3))
    draw_line(page, (0.6, 0.7), (0.8, 0.3))
    expect(page.locator("#inputs img")).to_have_count(1)
    page.locator("#clear").click()
    expect(page.locator("#digit")).to_have_text("–")


def test_a_blank_drawing_has_no_prediction(address: str, tmp_path: Path) -> None:
    Image.new("RGB", (280, 280), "white").save(tmp_path / "blank.png")
    content = (tmp_path / "blank.png").read_bytes()
    answer = requests.post(f"{address}/predict", data=content, timeout=10).json()
    assert (answer["text"], answer["objects"]) == ("nothing is drawn", [])
