"""`mnistexp serve` as a process of its own, and requests to it over HTTP."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import requests
from support import TrackedRun, free_port, start_command, wait_for_output

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data

pytestmark = pytest.mark.integration

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Server:
    """A running server: its address, and the example request that it printed."""

    address: str
    example_request: str

    def post(self, content: str, **headers: str) -> requests.Response:
        """Request predictions, by default with the content type of JSON."""
        return requests.post(
            f"{self.address}/invocations", data=content, headers=headers or JSON, timeout=200
        )


@pytest.fixture(scope="module")
def server(conv_big_run: TrackedRun) -> Iterator[Server]:
    process = start_command(conv_big_run.folder, "serve", "digits/1", "--port", str(free_port()))
    try:
        address = wait_for_output(process, r"Scoring server: (\S+)")
        yield Server(address, wait_for_output(process, r"^(curl -s .*)"))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_the_printed_example_request_is_answered_with_the_digit(server: Server) -> None:
    response = subprocess.run(
        ["bash", "-c", server.example_request], capture_output=True, check=True
    )
    (probabilities,) = json.loads(response.stdout)["predictions"]
    assert int(np.argmax(probabilities)) == 7


def test_the_health_check_succeeds(server: Server) -> None:
    assert requests.get(f"{server.address}/health", timeout=60).status_code == 200


def test_the_address_itself_says_what_to_send(server: Server) -> None:
    response = requests.get(server.address, timeout=10)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    (line,) = response.text.splitlines()
    assert '{"inputs": images} to /invocations' in line
    assert "[n, 28, 28, 1]" in line


def test_predictions_equal_those_of_the_run(server: Server, conv_big_run: TrackedRun) -> None:
    test = load_data(compose_config([])[0].data).test[:50]
    response = server.post(json.dumps({"inputs": test.images.tolist()}))
    np.testing.assert_allclose(
        response.json()["predictions"],
        conv_big_run.result.learner.predict_probabilities(test.images),
        rtol=1e-4,
        atol=1e-6,
    )


LARGE_REQUEST = json.dumps({"inputs": np.full((1_000, 28, 28, 1), 255).tolist()})
BLACK_IMAGE = np.zeros((1, 28, 28, 1), int)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Received: Expecting property name"),
        ("", "Received: an empty request. GET /example returns a request"),
        ("[]", "Received: JSON of type list"),
        ("{}", "Received: JSON without fields"),
        ('{"images": []}', "Received: the fields images"),
        ('{"inputs": []}', "Received: an empty list"),
        ('{"inputs": "seven"}', "Received: inputs of type str"),
        ('{"inputs": [[1], [1, 2]]}', "Received: lists of different lengths"),
        (
            json.dumps({"inputs": BLACK_IMAGE[:, :14].tolist()}),
            r"images of shape \[n, 28, 28, 1\] .*Received: inputs of shape \[1, 14, 28, 1\]",
        ),
        ("[" * 100_000, "expected JSON"),
        ('{"inputs": [' + "9" * 5_000 + "]}", "expected JSON"),
        (json.dumps({"inputs": np.zeros((1001, 28, 28, 1), int).tolist()}), "at most 1,000 images"),
        (json.dumps({"inputs": (BLACK_IMAGE + 300).tolist()}), "300 out of bounds for uint8"),
        (json.dumps({"inputs": (BLACK_IMAGE - 1).tolist()}), "-1 out of bounds for uint8"),
    ],
    ids=[
        *("incomplete JSON", "empty", "list", "no field", "another field", "no images", "text"),
        *("different lengths", "another shape", "nested", "long number", "1,001 images"),
        *("pixel over 255", "pixel below 0"),
    ],
)
def test_an_invalid_request_is_answered_with_the_reason(
    server: Server, content: str, reason: str
) -> None:
    response = server.post(content)
    assert response.status_code == 400
    assert re.search(reason, response.json()["message"], re.DOTALL)
    assert "Traceback" not in response.text


def test_another_content_type_is_rejected(server: Server) -> None:
    response = server.post("x", **{"Content-Type": "image/png"})
    assert response.status_code == 415
    assert "image/png" in response.text
    assert server.post("x", **{"Content-Type": ""}).status_code == 415


def test_a_large_request_is_rejected_before_it_is_read(server: Server) -> None:
    response = server.post("", **{**JSON, "Content-Length": str(10**10)})
    assert response.status_code == 413


def test_another_host_name_is_rejected(server: Server) -> None:
    headers = {"Host": "attacker.example"}
    response = requests.get(f"{server.address}/health", headers=headers, timeout=10)
    assert response.status_code == 400


def test_the_health_check_is_answered_during_large_requests(server: Server) -> None:
    with ThreadPoolExecutor(6) as pool:
        large = [pool.submit(server.post, LARGE_REQUEST) for _ in range(6)]
        answers = 0
        while not all(request.done() for request in large):
            assert requests.get(f"{server.address}/health", timeout=60).status_code == 200
            answers += 1
    assert answers > 1
    assert [request.result().status_code for request in large] == [200] * 6


def test_ctrl_c_ends_the_server_during_large_requests(
    conv_big_run: TrackedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = start_command(conv_big_run.folder, "serve", "digits/1", "--port", str(free_port()))
    server = Server(wait_for_output(process, r"Scoring server: (\S+)"), "")
    wait_for_output(process, r"^(curl -s .*)")
    with ThreadPoolExecutor(8) as pool:
        large = [pool.submit(server.post, LARGE_REQUEST) for _ in range(8)]
        wait(large, return_when=FIRST_COMPLETED)  # So the server computes the next ones.
        process.send_signal(signal.SIGINT)
        # The server waits some seconds for what it computes; a fast computer computes all of it.
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


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
        response = subprocess.run(["bash", "-c", request], capture_output=True, check=True)
        (probabilities,) = json.loads(response.stdout)["predictions"]
        assert sum(probabilities) == pytest.approx(1)
    finally:
        process.terminate()
        process.communicate(timeout=30)
