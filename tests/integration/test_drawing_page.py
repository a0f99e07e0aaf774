"""`mnistexp draw` in a real browser: drawing, undo, clear, touch, and invalid requests."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from support import TrackedRun, free_port, start_command, wait_for_output

pytestmark = pytest.mark.integration

Stroke = list[tuple[float, float]]
"""Points (x, y), from 0 to 1, from the upper left corner of the canvas."""
ONE: list[Stroke] = [[(0.52, 0.2), (0.5, 0.5), (0.48, 0.8)]]
SEVEN: list[Stroke] = [[(0.3, 0.25), (0.5, 0.24), (0.68, 0.24), (0.58, 0.5), (0.45, 0.8)]]
FOUR: list[Stroke] = [
    [(0.38, 0.2), (0.33, 0.5), (0.66, 0.5)],
    [(0.62, 0.2), (0.61, 0.5), (0.6, 0.82)],
]
TWO: list[Stroke] = [
    [
        *((0.33, 0.33), (0.4, 0.23), (0.52, 0.2), (0.63, 0.27), (0.64, 0.38), (0.56, 0.52)),
        *((0.44, 0.66), (0.33, 0.78), (0.5, 0.77), (0.7, 0.78)),
    ]
]


@pytest.fixture(scope="module")
def address(conv_big_run: TrackedRun) -> Iterator[str]:
    """The address of a running server with a trained network."""
    options = ["--no-browser", "--port", str(free_port())]
    process = start_command(conv_big_run.folder, "draw", "best", *options)
    try:
        yield wait_for_output(process, r"Draw a digit: (\S+)")
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    problems = [line for line in err.splitlines() if not line.endswith(" …")]
    assert (process.returncode, problems) == (0, [])


@pytest.fixture
def page(page: Page, address: str) -> Page:
    """The page on a desktop. An error in its console fails the test."""
    page.set_viewport_size({"width": 1100, "height": 800})
    page.goto(address)
    return page


def draw(page: Page, strokes: list[Stroke]) -> None:
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=8)
        page.mouse.up()


@pytest.mark.parametrize(
    ("digit", "strokes"), [("1", ONE), ("2", TWO), ("4", FOUR), ("7", SEVEN)], ids="1247"
)
def test_a_drawn_digit_is_classified(
    page: Page, digit: str, strokes: list[Stroke], tmp_path: Path
) -> None:
    draw(page, strokes)
    expect(page.locator("#digit")).to_have_text(digit)
    expect(page.locator("li.highest .digit")).to_have_text(digit)
    page.screenshot(path=tmp_path / f"desktop-{digit}.png")


def test_the_prediction_is_updated_during_the_stroke(page: Page) -> None:
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.49 * box["width"], box["y"] + 0.8 * box["height"], steps=10)
    # The pen is still down.
    expect(page.locator("#digit")).to_have_text("1")
    expect(page.locator("#inputs img")).to_be_visible()
    page.mouse.up()


def test_the_preprocessed_image_is_shown(page: Page) -> None:
    draw(page, SEVEN)
    picture = page.locator("#inputs img")
    expect(picture).to_be_visible()
    assert picture.evaluate("img => [img.naturalWidth, img.naturalHeight]") == [28, 28]


def test_two_digits_are_read_from_left_to_right(page: Page, tmp_path: Path) -> None:
    draw(
        page,
        [shrink(stroke, left) for left, digit in ((0.0, SEVEN), (0.5, ONE)) for stroke in digit],
    )
    expect(page.locator("#digit")).to_have_text("71")
    expect(page.locator("#message")).to_contain_text("2 digits, from left to right: 7 (")
    expect(page.locator("#inputs img")).to_have_count(2)
    expect(page.locator("#bars")).to_have_text("Probabilities of digit 1 of 2, from the left")
    expect(page.locator("li.highest .digit")).to_have_text("7")
    # A probability is not separated from its digit at the end of a line.
    message = page.locator("#message").text_content() or ""
    assert re.search(r"7\u00a0\((over\u00a0)?\d+\.\d\u00a0%\)", message)
    page.screenshot(path=tmp_path / "two.png")


def shrink(stroke: Stroke, left: float) -> Stroke:
    """Move a stroke to the left or the right half of the canvas."""
    return [(left + 0.5 * x, 0.25 + 0.5 * y) for x, y in stroke]


def test_a_scribble_is_refused_without_a_percentage(page: Page, tmp_path: Path) -> None:
    zigzag = [(0.2 + 0.1 * i, 0.3 if i % 2 else 0.7) for i in range(7)]
    draw(page, [zigzag])
    expect(page.locator("#digit")).to_have_text("?")
    expect(page.locator("#message")).to_contain_text("This does not look like a digit; closest:")
    expect(page.locator("#bars")).to_contain_text("does not look like a digit")
    expect(page.locator("li.highest")).to_have_count(0)
    assert "%" not in page.locator("body").inner_text()
    page.screenshot(path=tmp_path / "scribble.png")


def test_undo_removes_the_last_stroke_and_clear_removes_all(page: Page) -> None:
    expect(page.locator("#undo")).to_be_disabled()
    draw(page, [*ONE, *TWO])
    page.locator("#undo").click()
    expect(page.locator("#digit")).to_have_text("1")
    draw(page, TWO)
    page.locator("#clear").click()
    expect(page.locator("#digit")).to_have_text("–")
    expect(page.locator("#clear")).to_be_disabled()
    expect(page.locator("#inputs img")).to_have_count(0)
    draw(page, SEVEN)
    expect(page.locator("#digit")).to_have_text("7")


def test_the_page_fits_a_telephone_and_takes_touch_input(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    context = browser.new_context(
        viewport={"width": 375, "height": 740},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
    )
    page = context.new_page()
    page.goto(address)
    touch(page, SEVEN)
    expect(page.locator("#digit")).to_have_text("7")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.screenshot(path=tmp_path / "telephone.png")
    # When the telephone is rotated, the drawing stays.
    page.set_viewport_size({"width": 740, "height": 375})
    touch(page, [[(0.4, 0.5), (0.68, 0.5)]])
    expect(page.locator("#digit")).to_have_text("7")
    assert page.evaluate("pad.toData().length") == 2
    context.close()


def touch(page: Page, strokes: list[Stroke]) -> None:
    """Draw strokes with Chromium's touch events."""
    page.locator("#canvas").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    for stroke in strokes:
        event_type = "touchStart"
        for x, y in stroke:
            point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            session.send("Input.dispatchTouchEvent", {"type": event_type, "touchPoints": [point]})
            event_type = "touchMove"
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "something else"),
        (b"no image", 400, "expected a PNG, JPEG, WebP or TIFF image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), 400, "expected"),
        (bytes(5 * 2**20), 413, "at most"),
    ],
    ids=["empty", "text", "damaged", "too large"],
)
def test_content_that_is_not_a_drawing_is_rejected(
    address: str, content: bytes, status: int, reason: str
) -> None:
    response = requests.post(f"{address}/predict", data=content, timeout=10)
    assert response.status_code == status
    assert reason in response.json()["message"]


def test_another_host_name_is_rejected(address: str) -> None:
    response = requests.get(address, headers={"Host": "attacker.example"}, timeout=10)
    assert response.status_code == 400


def test_the_page_sends_requests_to_its_own_server_only(page: Page, address: str) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.reload()
    draw(page, ONE)
    expect(page.locator("#digit")).to_have_text("1")
    assert requested
    assert not [url for url in requested if not url.startswith((address, "data:", "blob:"))]


def test_a_port_in_use_is_an_error(conv_big_run: TrackedRun, address: str) -> None:
    process = start_command(
        conv_big_run.folder, "draw", "best", "--port", address.rpartition(":")[2]
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "expected a free port" in err
