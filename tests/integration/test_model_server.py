"""`mnistexp serve`: MLflow's scoring server as a process of its own, asked as its users ask it."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
import requests
from support import TrackedRun, free_port, start_command, wait_for_output

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data

pytestmark = pytest.mark.integration

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def printed(conv_big_run: TrackedRun) -> Iterator[dict[str, str]]:
    """A running server: its address, and the request that it has printed."""
    process = start_command(conv_big_run.folder, "serve", "digits/1", "--port", str(free_port()))
    try:
        address = wait_for_output(process, r"Scoring server: (\S+)")
        yield {"address": address, "request": wait_for_output(process, r"^(curl -s .*)")}
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


def ask(printed: dict[str, str], content: str, **headers: str) -> requests.Response:
    return requests.post(
        f"{printed['address']}/invocations", data=content, headers=headers or JSON, timeout=20
    )


def test_the_printed_request_works(printed: dict[str, str]) -> None:
    answer = subprocess.run(["bash", "-c", printed["request"]], capture_output=True, check=True)
    (probabilities,) = json.loads(answer.stdout)["predictions"]
    assert int(np.argmax(probabilities)) == 7


def test_the_health_check_succeeds(printed: dict[str, str]) -> None:
    assert requests.get(f"{printed['address']}/health", timeout=10).status_code == 200


def test_predictions_equal_those_of_the_run(
    printed: dict[str, str], conv_big_run: TrackedRun
) -> None:
    test = load_data(compose_config([])[0].data).test[:50]
    answer = ask(printed, json.dumps({"inputs": test.images.tolist()}))
    np.testing.assert_allclose(
        answer.json()["predictions"],
        conv_big_run.result.learner.predict_probabilities(test.images),
        rtol=1e-4,
        atol=1e-6,
    )


IMAGE = np.zeros((1, 28, 28, 1), int)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "valid JSON"),
        ("", "valid JSON"),
        ("[]", "must be a JSON dictionary"),
        ("{}", "exactly one of the input fields"),
        ('{"inputs": []}', "does not match expected shape|no inputs|schema"),
        ('{"inputs": "seven"}', "Failed to convert"),
        (json.dumps({"inputs": IMAGE[:, :14].tolist()}), "does not match expected shape"),
        (json.dumps({"inputs": (IMAGE + 300).tolist()}), "300 out of bounds for uint8"),
        (json.dumps({"inputs": (IMAGE - 1).tolist()}), "-1 out of bounds for uint8"),
    ],
    ids=["half", "nothing", "list", "no field", "none", "text", "shape", "over 255", "below 0"],
)
def test_an_invalid_request_is_answered_with_the_reason(
    printed: dict[str, str], content: str, reason: str
) -> None:
    answer = ask(printed, content)
    assert answer.status_code == 400
    assert re.search(reason, answer.json()["message"], re.DOTALL)
    assert "Traceback" not in answer.text


def test_another_content_type_is_rejected(printed: dict[str, str]) -> None:
    answer = ask(printed, "x", **{"Content-Type": "image/png"})
    assert answer.status_code == 415
    assert "image/png" in answer.text
    assert ask(printed, "x", **{"Content-Type": ""}).status_code == 415


def test_a_large_request_is_rejected_before_it_is_read(printed: dict[str, str]) -> None:
    answer = ask(printed, "", **{**JSON, "Content-Length": str(10**10)})
    assert answer.status_code == 413


def test_another_host_name_is_rejected(printed: dict[str, str]) -> None:
    headers = {"Host": "attacker.example"}
    answer = requests.get(f"{printed['address']}/health", headers=headers, timeout=10)
    assert answer.status_code == 400


def test_a_classical_method_is_served_with_its_own_input_shape(
    conv_big_run: TrackedRun,
) -> None:
    settings = ["model=random_forest", "model.n_estimators=10", "data.train_size=2000"]
    trained = start_command(conv_big_run.folder, *settings, "tracking.run_name=forest")
    trained.communicate(timeout=120)
    assert trained.returncode == 0
    process = start_command(conv_big_run.folder, "serve", "forest", "--port", str(free_port()))
    try:
        request = wait_for_output(process, r"^(curl -s .*)")
        answer = subprocess.run(["bash", "-c", request], capture_output=True, check=True)
        (probabilities,) = json.loads(answer.stdout)["predictions"]
        assert sum(probabilities) == pytest.approx(1)
    finally:
        process.terminate()
        process.communicate(timeout=30)
