"""Random and mutated requests to `mnistexp serve`: none is answered by an internal error."""

import json
import random
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from support import free_port, start_command, wait_for_output

from torture.counts import Counts
from torture.damaged_files import SMALL, damage

PATHS = ("/invocations",) * 8 + ("/example", "/health", "/nothing")
CONTENT_TYPES = ("application/json",) * 6 + ("text/csv", "image/png", "application/json; charset=x")
PARTS = ("inputs", "instances", "dataframe_split", "dataframe_records", "params", "x")
VALUES = ("null", "NaN", "1e999", '"seven"', "[]", "{}", "[[]]", "-1", "300", "true", "[" * 2_000)
TIMEOUT_SECONDS = 120


def send_requests(number: int, seed: int | None = None) -> Counts:
    """Send requests to a server; each must get a status below 500 and no traceback.

    Args:
        seed: of the random requests. Default: others each time.
    """
    choice = random.Random(seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        training = start_command(folder, *SMALL, "train.steps=5")
        _, err = training.communicate(timeout=TIMEOUT_SECONDS)
        assert training.returncode == 0, err
        process = start_command(folder, "serve", "best", "--port", str(free_port()))
        address = wait_for_output(process, r"Scoring server: (\S+)")
        example = requests.get(f"{address}/example", timeout=TIMEOUT_SECONDS).text
        lost = [_send(address, example, choice) for _ in range(number)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT_SECONDS)
    if process.returncode or "Traceback" in err:
        lost.append(f"the server: exit code {process.returncode}, {err}")
    return Counts(
        "random and mutated requests to mnistexp serve", number, tuple(filter(None, lost))
    )


def _send(address: str, example: str, choice: random.Random) -> str:
    """Return what is wrong with the answer to a random request; an empty text if nothing is."""
    path, content_type = choice.choice(PATHS), choice.choice(CONTENT_TYPES)
    content = _content(example, choice)
    try:
        response = requests.post(
            f"{address}{path}",
            content,
            headers={"Content-Type": content_type},
            timeout=TIMEOUT_SECONDS,
        )
    except requests.RequestException as error:
        return f"{path} {content_type} {content[:200]!r}: {error}"
    if response.status_code < 500 and "Traceback" not in response.text:
        return ""
    return f"{path} {content_type} {content[:200]!r}: {response.status_code} {response.text[:500]}"


def _content(example: str, choice: random.Random) -> bytes:
    kind = choice.choice(("bytes", "value", "pixel", "number"))
    if kind == "bytes":
        return damage(example.encode(), choice)
    if kind == "value":
        return f'{{"{choice.choice(PARTS)}": {choice.choice(VALUES)}}}'.encode()
    if kind == "pixel":
        return example.replace("0", choice.choice(VALUES), 1).encode()
    images = json.loads(example)["inputs"] * choice.choice((0, 1, 2, 20, 1_001))
    return json.dumps({"inputs": images}).encode()
