"""Whole processes: a killed training, the page in a real browser, a window on a real display."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pytest
from PIL import Image, ImageGrab
from playwright.sync_api import Browser, Page, sync_playwright
from support import TrackedRun, start_command

from mnistexp.dashboard.recording import Recording
from mnistexp.dashboard.view import PANELS

pytestmark = pytest.mark.integration

CHROMIUM = "/usr/bin/chromium"
OPTIONS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
ENDLESS = [
    *("model=five_layers", "optim=adam", "train.steps=1000000", "train.log_every=20"),
    *("train.evaluate_every=100", "train.evaluate_on=[test]"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS.split())
        yield browser
        browser.close()


@contextmanager
def watched(folder: Path, *arguments: str) -> Iterator[str]:
    """The address of the page of `mnistexp watch --web`."""
    process = start_command(folder, "watch", "--web", *arguments)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found is not None, line
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")


def state(page: Page) -> dict[str, object]:
    found: dict[str, object] = json.loads(page.evaluate("document.body.dataset.state || '{}'"))
    return found


def wait_for(holds: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def pixels(page: Page) -> np.ndarray:
    from io import BytesIO

    return np.asarray(Image.open(BytesIO(page.screenshot())).convert("RGB")).astype(int)


def press(page: Page, key: str, **expected: object) -> np.ndarray:
    """Press a key; what is seen when the page is in the state that this should lead to."""
    page.keyboard.press(key)
    wait_for(lambda: expected.items() <= state(page).items())
    return pixels(page)


def recording_of(run: TrackedRun) -> str:
    assert run.result.recording is not None
    return str(run.result.recording)


def opened(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1200, "height": 700})
    page.goto(address)
    wait_for(lambda: state(page).get("over"))
    return page


def test_each_key_changes_what_is_shown(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    with watched(tmp_path, recording_of(recorded_run), "--speed", "1000") as address:
        page = opened(browser, address)
        seen = [pixels(page)]
        layouts = {str(number + 1): [name] for number, name in enumerate(PANELS)}
        layouts |= {"7": ["accuracy", "loss"], "8": ["first_spread", "second_spread"]}
        layouts |= {"9": ["batch", "test"]}
        for key, panels in layouts.items():
            seen.append(press(page, key, panels=panels))
        for number, picture in enumerate(seen):
            others = seen[:number]
            assert all((picture != other).any(axis=2).mean() > 0.01 for other in others)
        for key in ("0", "Escape"):
            press(page, "1", panels=["accuracy"])
            assert (press(page, key, panels=list(PANELS)) == seen[0]).all()
        helped = press(page, "?", help=True)
        assert (helped != seen[0]).any(axis=2).mean() > 0.02
        assert (press(page, "?", help=False) == seen[0]).all()


def test_a_box_is_zoomed_into_and_stays(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    with watched(tmp_path, recording_of(recorded_run), "--speed", "1000") as address:
        page = opened(browser, address)
        whole = press(page, "1", panels=["accuracy"])
        press(page, "o", zooming=True)
        page.mouse.move(200, 150)
        page.mouse.down()
        page.mouse.move(600, 400)
        assert page.is_visible("#box")
        page.mouse.up()
        wait_for(lambda: state(page)["zoomed"] == ["accuracy"])
        zoomed = pixels(page)
        assert (zoomed != whole).any(axis=2).mean() > 0.01
        press(page, "0", panels=list(PANELS))
        assert (press(page, "1", panels=["accuracy"]) == zoomed).all()
        press(page, "o", zooming=False)
        assert (press(page, "h", zoomed=[]) == whole).all()


def test_space_pauses_and_resumes_a_replay(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    moments = Recording(Path(recording_of(recorded_run))).moments
    seconds = moments[-1].seconds - moments[0].seconds
    with watched(tmp_path, recording_of(recorded_run), "--speed", str(seconds / 8)) as address:
        page = browser.new_page()
        page.goto(address)
        wait_for(lambda: state(page).get("step"))
        press(page, " ", paused=True)
        at = state(page)["step"]
        time.sleep(2)
        assert state(page)["step"] == at != 200
        press(page, " ", paused=False)
        wait_for(lambda: state(page)["over"])
        assert state(page)["step"] == 200
        page.keyboard.press(" ")  # Plays again.
        wait_for(lambda: state(page)["step"] != 200)


def test_ctrl_s_gives_the_picture(
    recorded_run: TrackedRun, browser: Browser, tmp_path: Path
) -> None:
    with watched(tmp_path, recording_of(recorded_run), "--speed", "1000") as address:
        page = opened(browser, address)
        with page.expect_download() as download:
            page.keyboard.press("Control+s")
        assert download.value.suggested_filename == "recorded-step-200.png"
        download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as picture:
        assert picture.size == (2400, 1400)


def test_the_page_answers_to_no_other_name_and_no_nonsense(
    recorded_run: TrackedRun, tmp_path: Path
) -> None:
    with watched(tmp_path, recording_of(recorded_run)) as address:
        for request in (
            Request(address, headers={"Host": "evil.example"}),
            Request(f"{address}/picture?viewer=a&seen=0&width=x&height=1&ratio=1"),
            Request(f"{address}/box?viewer=a", data=b"[1]"),
        ):
            with pytest.raises(HTTPError, match="HTTP Error 400"):
                urlopen(request, timeout=10)


def test_live_opens_a_page_that_many_watch_and_none_stops(browser: Browser, tmp_path: Path) -> None:
    """Two watch at once, each in its own way; one goes away; the run ends when it is trained."""
    steps = ["train.steps=6000", "dashboard=live", "dashboard.web=true", "tracking=none"]
    process = start_command(tmp_path, *ENDLESS[:2], *ENDLESS[3:], *steps)
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    found = re.search(r"http://127\.0\.0\.1:\d+", "".join(lines))
    assert found is not None, lines
    first, second = browser.new_page(), browser.new_page()
    for page in (first, second):
        page.goto(found[0])
        wait_for(lambda page=page: state(page).get("step"))  # type: ignore[misc]
    press(first, "7", panels=["accuracy", "loss"])
    assert state(second)["panels"] == list(PANELS)
    before = state(first)["step"]
    second.close()
    wait_for(lambda: state(first)["step"] != before)
    wait_for(lambda: state(first)["over"])
    assert state(first)["step"] == 6000
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "Watch it again: mnistexp watch" in out
    wait_for(lambda: first.is_visible("#gone"))


def test_a_held_view_stays_until_it_is_interrupted(browser: Browser, tmp_path: Path) -> None:
    steps = ["train.steps=200", "dashboard=live", "dashboard.web=true", "dashboard.hold=true"]
    process = start_command(tmp_path, *ENDLESS[:2], *ENDLESS[3:], *steps, "tracking=none")
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or "The view stays open" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    found = re.search(r"http://127\.0\.0\.1:\d+", "".join(lines))
    assert found is not None
    page = browser.new_page()
    page.goto(found[0])
    wait_for(lambda: state(page).get("step") is not None)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "Ctrl-C"])
def test_a_recording_survives_what_ends_the_run(tmp_path: Path, sent: signal.Signals) -> None:
    process = start_command(tmp_path, *ENDLESS, "dashboard=record", "tracking.log_model=false")
    wait_for(lambda: list(tmp_path.glob("runs/*/training.recording")), 120)
    (file,) = tmp_path.glob("runs/*/training.recording")
    live = Recording(file)
    wait_for(lambda: live.read_new() and len(live.moments) > 20)
    assert live.is_running
    process.send_signal(sent)
    process.communicate(timeout=60)
    recording = Recording(file)
    assert len(recording.moments) >= len(live.moments)
    assert not recording.is_running
    if sent == signal.SIGKILL:
        assert recording.fault in ("it has no end",) or recording.fault.startswith("it is cut")
    else:
        assert recording.ending == "KeyboardInterrupt"
        client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
        (run,) = client.search_runs(["1"])
        names = {item.path for item in client.list_artifacts(run.info.run_id, "dashboard")}
        assert names == {"dashboard/training.recording", "dashboard/training.png"}
    command = [sys.executable, "-m", "mnistexp", "watch", "--save", "end.png"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "end.png: 1 picture" in shown.stdout
    assert ("shown up to there" in shown.stderr) == (sent == signal.SIGKILL)


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb, a display without a screen")
def test_a_window_opens_where_there_is_a_display(
    recorded_run: TrackedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    display = subprocess.Popen(
        ["Xvfb", "-noreset", "-displayfd", "1", "-screen", "0", "1500x900x24"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert display.stdout is not None
    name = f":{display.stdout.readline().strip()}"
    monkeypatch.setenv("DISPLAY", name)
    arguments = [recording_of(recorded_run), "--speed", "1000", "--until-end"]

    def pink() -> float:
        seen = np.asarray(ImageGrab.grab(xdisplay=name)).astype(int)
        return float(((seen[..., 0] == 255) & (abs(seen[..., 1] - 200) < 3)).mean())

    try:
        window = start_command(tmp_path, "watch", *arguments)
        wait_for(lambda: pink() > 0.005 or window.poll() is not None)
        assert window.wait(timeout=60) == 0  # It closes at the end of the training.
        assert window.communicate() == ("", "")
        held = start_command(tmp_path, "watch", *arguments[:-1])
        wait_for(lambda: pink() > 0.005)
        assert held.poll() is None
        held.terminate()
        held.communicate()
    finally:
        display.terminate()
        display.communicate()
