"""The viewer in a real browser, with real trainings in processes of their own."""

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect
from support import TrackedRun, start_command, wait_for_output

from mnistexp.dashboard.figure import PANELS
from mnistexp.dashboard.recording import Recording

pytestmark = pytest.mark.integration

ADDRESS = r"(http://127\.0\.0\.1:\d+)"
TRAINING = ["model=five_layers", "optim=adam", "train.log_every=20", "train.evaluate_every=100"]
LONG_TRAINING = [*TRAINING, "train.evaluate_on=[test]", "train.steps=1000000"]


@contextmanager
def running_viewer(folder: Path, *arguments: str) -> Iterator[str]:
    """Start `mnistexp watch`, yield the address of its page, and end it with Ctrl-C."""
    process = start_command(folder, "watch", *arguments)
    try:
        yield wait_for_output(process, ADDRESS)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err.replace("stopping …\n", "")) == (0, "")


@contextmanager
def page_at_end(browser: Browser, run: TrackedRun, folder: Path) -> Iterator[Page]:
    """Open the viewer of a run, and wait for the end of its replay."""
    with running_viewer(folder, recording_of(run), "--speed", "1000", "--no-browser") as address:
        page = browser.new_page(viewport={"width": 1200, "height": 700})
        page.goto(address)
        wait_for(lambda: state(page).get("at_end"))
        yield page
        page.close()


def recording_of(run: TrackedRun) -> str:
    assert run.result.recording is not None
    return str(run.result.recording)


def state(page: Page) -> dict[str, object]:
    """Return the state of the picture that the page shows."""
    found: dict[str, object] = json.loads(page.evaluate("document.body.dataset.state || '{}'"))
    return found


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)


def pixels(page: Page) -> np.ndarray:
    """Return the pixels of the picture as the page shows it."""
    screenshot = page.locator("#picture").screenshot()
    return np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB")).astype(int)


def press(page: Page, key: str, **expected: object) -> np.ndarray:
    """Press a key, wait for the expected state, and return the pixels of the picture."""
    page.keyboard.press(key)
    wait_for(lambda: expected.items() <= state(page).items())
    return pixels(page)


def changed(first: np.ndarray, second: np.ndarray) -> float:
    """Return the fraction of pixels that differ."""
    return float((first != second).any(axis=2).mean())


def test_keys_select_panels_that_look_different(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    with page_at_end(browser, recorded_run, tmp_path) as page:
        pictures = [pixels(page)]
        layouts = {str(number + 1): [name] for number, name in enumerate(PANELS)}
        layouts |= {"7": ["accuracy", "loss"], "8": ["first_quantiles", "second_quantiles"]}
        layouts |= {"9": ["batch", "test"]}
        for key, panels in layouts.items():
            pictures.append(press(page, key, panels=panels))
        for number, picture in enumerate(pictures):
            assert all(changed(picture, other) > 0.01 for other in pictures[:number])
        for key in ("0", "Escape"):
            press(page, "1", panels=["accuracy"])
            assert (press(page, key, panels=list(PANELS)) == pictures[0]).all()


def test_a_question_mark_shows_and_hides_all_keys(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    with page_at_end(browser, recorded_run, tmp_path) as page:
        help_box = page.locator("#help")
        expect(help_box).to_be_hidden()
        page.keyboard.press("?")
        expect(help_box).to_be_visible()
        keys = ["0, Esc", *"123456789", "space", "o", "h", "Ctrl-S", "?"]
        assert help_box.locator("dt").all_inner_texts() == keys
        page.keyboard.press("?")
        expect(help_box).to_be_hidden()


def test_every_key_has_a_button_with_an_accessible_name(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    with page_at_end(browser, recorded_run, tmp_path) as page:
        names = ["All", "Accuracy", "Loss", "Training digits", "Weights", "Biases", "Test digits"]
        names += ["Curves", "Quantiles", "Digits", "Replay", "Zoom", "Reset zoom", "Save", "Keys"]
        assert page.locator("button").all_inner_texts() == names
        for button in page.locator("button").all():
            assert f"{button.inner_text()}: " in (button.get_attribute("aria-label") or "")

        def click(name: str) -> None:
            page.locator(f'button[aria-label^="{name}: "]').click()

        for name, panels in (("Digits", ["batch", "test"]), ("Biases", ["second_quantiles"])):
            click(name)
            wait_for(lambda panels=panels: state(page)["panels"] == panels)  # type: ignore[misc]
        pressed = page.locator("#buttons [aria-pressed=true]")
        expect(pressed).to_have_text(["Biases"])
        click("Zoom")
        expect(pressed).to_have_text(["Biases", "Zoom"])
        with page.expect_download():
            click("Save")
        click("Keys")
        expect(page.locator("#help")).to_be_visible()
        page.keyboard.press("?")
        page.locator("button", has_text="All").focus()
        page.keyboard.press(" ")  # Presses the button that has the focus.
        wait_for(lambda: state(page)["panels"] == list(PANELS))
        assert not state(page)["paused"]


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end)


def test_a_box_zooms_until_h_is_pressed(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    with page_at_end(browser, recorded_run, tmp_path) as page:
        unzoomed = press(page, "1", panels=["accuracy"])
        drag(page, (200, 150), (600, 400))
        expect(page.locator("#box")).to_be_hidden()  # The key o was not pressed.
        page.mouse.up()
        page.keyboard.press("o")
        expect(page.locator("#message")).to_have_text("Draw a box to zoom in.")
        drag(page, (200, 150), (600, 400))
        expect(page.locator("#box")).to_be_visible()
        page.mouse.up()
        wait_for(lambda: state(page)["zoomed"] == ["accuracy"])
        page.keyboard.press("o")
        expect(page.locator("#message")).to_be_empty()
        zoomed = pixels(page)
        assert changed(zoomed, unzoomed) > 0.01
        press(page, "0", panels=list(PANELS))
        assert (press(page, "1", panels=["accuracy"]) == zoomed).all()
        assert (press(page, "h", zoomed=[]) == unzoomed).all()


def test_space_pauses_and_continues_a_replay_and_starts_it_again(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    frames = Recording(Path(recording_of(recorded_run))).frames
    speed = str((frames[-1].seconds - frames[0].seconds) / 8)
    arguments = [recording_of(recorded_run), "--speed", speed, "--no-browser"]
    with running_viewer(tmp_path, *arguments) as address:
        page = browser.new_page()
        page.goto(address)
        wait_for(lambda: state(page).get("step"))
        press(page, " ", paused=True)
        step = state(page)["step"]
        time.sleep(2)
        assert state(page)["step"] == step != 200
        press(page, " ", paused=False)
        wait_for(lambda: state(page)["at_end"])
        assert state(page)["step"] == 200
        page.keyboard.press(" ")
        wait_for(lambda: state(page)["step"] != 200)
        page.close()


def test_ctrl_s_downloads_the_picture(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    with page_at_end(browser, recorded_run, tmp_path) as page:
        height = page.evaluate("document.querySelector('main').clientHeight")
        with page.expect_download() as download:
            page.keyboard.press("Control+s")
        assert download.value.suggested_filename == "recorded-step-200.png"
        download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as picture:
        assert picture.size == (2400, 2 * height)


def test_a_phone_gets_a_picture_with_its_size_and_resolution(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    with page_at_end(browser, recorded_run, tmp_path) as desktop:
        size: ViewportSize = {"width": 375, "height": 812}
        phone = browser.new_page(viewport=size, device_scale_factor=2, is_mobile=True)
        phone.goto(desktop.url)
        wait_for(lambda: state(phone).get("at_end"))
        width, height = phone.evaluate("[picture.naturalWidth, picture.naturalHeight]")
        assert width == 750
        assert height > 2 * 1624  # The panels are below each other.
        assert phone.evaluate("document.documentElement.scrollWidth") == 375
        assert abs(2 * phone.evaluate("document.querySelector('main').scrollHeight") - height) < 4
        phone.keyboard.press("6")
        wait_for(lambda: state(phone)["panels"] == ["test"])
        main = "document.querySelector('main')"
        assert phone.evaluate(f"{main}.scrollHeight === {main}.clientHeight")
        phone.close()


def test_a_page_loads_again_when_the_server_has_dropped_its_viewer(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    with page_at_end(browser, recorded_run, tmp_path) as page:
        press(page, "7", panels=["accuracy", "loss"])
        page.route("**/picture*", lambda route: route.fulfill(status=404), times=1)
        # Waits through the navigation, during which the page cannot be read.
        page.wait_for_function(
            "count => JSON.parse(document.body.dataset.state || '{}').panels?.length === count",
            arg=len(PANELS),
        )


@pytest.mark.parametrize("opens", [True, False])
def test_the_page_opens_in_the_browser_if_there_is_a_display(
    recorded_run: TrackedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opens: bool
) -> None:
    opened = tmp_path / "opened"
    fake_browser = tmp_path / "browser"
    fake_browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    fake_browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{fake_browser} %s")
    monkeypatch.setenv("DISPLAY", ":99")
    arguments = [recording_of(recorded_run), *([] if opens else ["--no-browser"])]
    with running_viewer(tmp_path, *arguments) as address:
        wait_for(lambda: is_answering(address))
    assert opened.is_file() == opens
    if opens:
        assert opened.read_text().strip() == address


def is_answering(address: str) -> bool:
    from urllib.request import urlopen

    with urlopen(address, timeout=30) as response:
        return bool(response.status == 200)


def test_several_pages_follow_a_live_training_and_the_viewer_ends_with_it(
    browser: Browser, tmp_path: Path
) -> None:
    settings = ["train.steps=6000", "dashboard=live", "dashboard.open_browser=false"]
    process = start_command(tmp_path, *TRAINING, *settings, "tracking=none")
    address = wait_for_output(process, f"{ADDRESS}$")  # Ctrl-C would end the training
    first, second = browser.new_page(), browser.new_page()
    for page in (first, second):
        page.goto(address)
        wait_for(lambda page=page: state(page).get("step"))  # type: ignore[misc]
    press(first, "7", panels=["accuracy", "loss"])
    assert state(second)["panels"] == list(PANELS)
    step = state(first)["step"]
    second.close()
    wait_for(lambda: state(first)["step"] != step)
    wait_for(lambda: state(first)["at_end"])
    assert state(first)["step"] == 6000
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err.replace("stopping …\n", "")) == (0, "")
    assert "mnistexp watch" in out
    expect(first.locator("#message")).to_have_text(
        "The viewer has ended. This is its last picture."
    )
    first.close()


def test_a_held_viewer_stays_open_until_ctrl_c(browser: Browser, tmp_path: Path) -> None:
    settings = ["dashboard=live", "dashboard.open_browser=false", "dashboard.hold=true"]
    process = start_command(tmp_path, *TRAINING, *settings, "train.steps=200", "tracking=none")
    address = wait_for_output(process, ADDRESS)
    wait_for_output(process, "(The viewer stays open)")
    page = browser.new_page()
    page.goto(address)
    wait_for(lambda: state(page).get("step") is not None)
    page.close()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.replace("stopping …\n", "")) == (0, "")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "Ctrl-C"])
def test_the_recording_of_a_stopped_run_can_be_shown(tmp_path: Path, sent: signal.Signals) -> None:
    process = start_command(
        tmp_path, *LONG_TRAINING, "dashboard=record", "tracking.log_model=false"
    )
    wait_for(lambda: list(tmp_path.glob("runs/*/training.recording")), 120)
    (file,) = tmp_path.glob("runs/*/training.recording")
    live = Recording(file)
    wait_for(lambda: live.read_new() and len(live.frames) > 20)
    assert live.is_running
    process.send_signal(sent)
    process.communicate(timeout=60)
    recording = Recording(file)
    assert len(recording.frames) >= len(live.frames)
    assert not recording.is_running
    if sent == signal.SIGKILL:
        assert recording.fault.startswith(("it has no ending", "it was cut"))
    else:
        assert recording.ending == "KeyboardInterrupt"
        client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
        (run,) = client.search_runs(["1"])
        names = {item.path for item in client.list_artifacts(run.info.run_id, "dashboard")}
        assert names == {"dashboard/training.recording", "dashboard/training.png"}
    command = [sys.executable, "-m", "mnistexp", "watch", "--save", "end.png"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "end.png: 1 picture" in result.stdout
    assert ("The complete frames are shown" in result.stderr) == (sent == signal.SIGKILL)
