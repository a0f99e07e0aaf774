"""What recording costs: `make benchmark-dashboard`.

The same training with the same evaluations is done with and without a recording, in turn, in one
process that has compiled both before. Reported are the median seconds of the training, their
ratio, that of the fastest and that of the processor's time; for how long the training waited; the
size that a recording of 10,000 steps would have; and how many pictures a second are drawn of it.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from mnistexp.compose import compose_config
from mnistexp.dashboard import Header, RecordingConfig, Watched, recorded
from mnistexp.dashboard.film import DPI, SIZE_INCHES, Film
from mnistexp.data import Data, load_data
from mnistexp.learner import build_learner

ROUNDS = 5
FULL_LENGTH = 10_000
NUM_PICTURES = 60


@dataclass(frozen=True)
class Case:
    """A preset at the lab's cadence, and how many steps are trained."""

    name: str
    settings: tuple[str, ...]
    steps: int


CASES = [
    Case("five_layers", ("model=five_layers", "optim=adam"), 10_000),
    Case("conv_big", ("model=conv_big", "optim=adam"), 2_000),
    Case("softmax", ("lab=1_0_softmax",), 10_000),
]


def train(case: Case, data: Data, file: Path | None, steps: int) -> tuple[float, float, float]:
    """Seconds of a training, of the processor, and of waiting for its recording."""
    from mnistexp.train import Watching, watching

    lab = () if case.settings[0].startswith("lab=") else ("train=lab", "data=mnist_60000")
    config, _ = compose_config([*case.settings, *lab, f"train.steps={steps}", "tracking=none"])
    learner = build_learner(config, data)
    header = Header("b", None, steps, 100, config.data.model_dump(mode="json"), data.digest)
    recording = RecordingConfig(type="record")
    spent = 0.0
    show = watching.Observe._show

    def timed(*arguments: object) -> None:
        nonlocal spent
        begin = time.perf_counter()
        show(*arguments)  # type: ignore[arg-type]
        spent += time.perf_counter() - begin

    watching.Observe._show = timed  # type: ignore[assignment]
    try:
        with (
            recorded(recording, file, header, lambda _: None)
            if file is not None
            else nullcontext(Watched()) as watched
        ):
            begin = time.process_time()
            training = learner.fit(data, lambda *_: None, Watching(watched.observer))
            processor = time.process_time() - begin
    finally:
        watching.Observe._show = show  # type: ignore[method-assign]
    return training.seconds, processor, spent


def measure(case: Case, folder: Path) -> str:
    data = load_data(compose_config(["train=lab", "data=mnist_60000"])[0].data)
    file = folder / case.name
    for warm_up in (None, file):
        train(case, data, warm_up, 200)
    without: list[float] = []
    with_it: list[float] = []
    spent: list[float] = []
    processor_without: list[float] = []
    processor_with: list[float] = []
    for number in range(ROUNDS):
        order = (None, file) if number % 2 == 0 else (file, None)
        for target in order:
            seconds, processor, recording = train(case, data, target, case.steps)
            (without if target is None else with_it).append(seconds)
            (processor_without if target is None else processor_with).append(processor)
            spent += [recording] if target is not None else []
        print(f"{case.name}: {without[-1]:.2f} s, recorded {with_it[-1]:.2f} s", flush=True)
    ratio = statistics.median(with_it) / statistics.median(without)
    processor = statistics.median(processor_with) / statistics.median(processor_without)
    fastest = min(with_it) / min(without)  # What else the machine does can only make it slower.
    own = statistics.median(s / (w - s) for s, w in zip(spent, with_it, strict=True))
    size = file.stat().st_size / case.steps * FULL_LENGTH / 1e6
    return (
        f"| `{case.name}` | {case.steps:,} | {statistics.median(without):.2f} | "
        f"{statistics.median(with_it):.2f} | {ratio:.3f} | {fastest:.3f} | {processor:.3f} | "
        f"{100 * own:.1f} % | {size:.2f} MB |"
    )


def pictures_per_second(file: Path) -> float:
    """How fast a viewer draws the six panels towards the end of a recording."""
    from matplotlib.figure import Figure

    from mnistexp.dashboard.page import _draw
    from mnistexp.dashboard.show import Show

    film = Film(file)
    show = Show(Figure(figsize=SIZE_INCHES, dpi=DPI), film, speed=None)
    last = len(film.recording.moments)
    begin = time.perf_counter()
    for index in range(last - NUM_PICTURES, last):
        show.panels.show(index)
        _draw(show)
    return NUM_PICTURES / (time.perf_counter() - begin)


def main() -> None:
    chosen = [case for case in CASES if case.name in sys.argv[1:] or len(sys.argv) == 1]
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(case, Path(folder)) for case in chosen]
        speed = pictures_per_second(Path(folder) / chosen[0].name)
    print("| network | steps | without (s) | with (s) | ratio | fastest | CPU | waited | file |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    print(f"\n{speed:.1f} pictures a second; load {json.dumps(os.getloadavg())}")


if __name__ == "__main__":
    main()
