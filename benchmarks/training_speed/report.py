"""The stored results of the cases, and the page that is written from them."""

import json
import os
import shutil
import statistics
import subprocess
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mnistexp.device import cpu_device
from training_speed.case import NUM_IMAGES, STEPS
from training_speed.contenders import CONTENDERS, OURS, OURS_IN_PARTS

PACKAGES = {"tensorflow": "TensorFlow", "keras": "Keras", "torch": "PyTorch", "jax": "JAX"}
TITLES = ("median (s)", "range (s)", "CPU (s)", "ratio", "ratio in each round", "first (s)")


@dataclass
class CaseResult:
    """What was measured of a network and a batch size.

    steps: of a block. date: local time. machine: processor, versions and load. threads: of one
    operation; None: all cores. precision: as in `Case`. first_block: seconds, with compilation.
    blocks: seconds of the blocks after it, by contender, one a round. cpu_blocks: their computing
    time, the sum of all threads. accuracy: on the test images after all blocks.
    """

    network: str
    batch_size: int
    steps: int
    date: str
    machine: str
    threads: int | None = None
    precision: str = "float32"
    first_block: dict[str, float] = field(default_factory=dict)
    blocks: dict[str, list[float]] = field(default_factory=dict)
    cpu_blocks: dict[str, list[float]] = field(default_factory=dict)
    accuracy: dict[str, float] = field(default_factory=dict)

    def for_60_000(self, seconds: list[float]) -> list[float]:
        """Return the seconds of blocks as seconds for 60,000 images."""
        factor = NUM_IMAGES / (self.steps * self.batch_size)
        return [block * factor for block in seconds]

    def compared(self, name: str) -> list[float]:
        """Return the seconds of the blocks that are compared; none if it did not train.

        One thread is compared by its computing time, on which other processes have little effect.
        """
        by_name = self.blocks if self.threads is None else self.cpu_blocks
        return by_name.get(name, [])

    def ratios(self, name: str, own: str = OURS) -> list[float]:
        """Return how many times as long as `own` a contender took, round by round.

        Args:
            name: of the contender.
            own: `OURS` or `OURS_IN_PARTS`.
        """
        # A contender that left has fewer rounds.
        pairs = zip(self.compared(name), self.compared(own), strict=False)
        return [theirs / ours for theirs, ours in pairs]


def describe_machine() -> str:
    """Return processor, versions, and how many processes wanted to compute before the start."""
    versions = [f"{title} {_version(name)}" for name, title in PACKAGES.items() if _version(name)]
    load = f"load {os.getloadavg()[0]:.1f}"
    return ", ".join([cpu_device().name, *_gpu_names(), *versions, load])


def _gpu_names() -> list[str]:
    """Return the names that NVIDIA's driver reports, without an import of TensorFlow."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_report(result: CaseResult, results_file: Path, page: Path) -> None:
    """Put a case into the results file, in place of an earlier one, and write the page."""
    results = [result, *_load_results(results_file)]
    by_case = {(r.network, *_group(r)): r for r in reversed(results)}
    ordered = sorted(by_case.values(), key=lambda r: (*_group(r), list(STEPS).index(r.network)))
    results_file.write_text(json.dumps([asdict(r) for r in ordered], indent=1) + "\n")
    page.write_text(format_page(ordered))


def _load_results(file: Path) -> list[CaseResult]:
    if not file.exists():
        return []
    return [CaseResult(**values) for values in json.loads(file.read_text())]


def format_page(results: list[CaseResult]) -> str:
    """Return the page in Markdown."""
    parts = [HEADER]
    for title in dict.fromkeys(map(_title, results)):
        chosen = [result for result in results if _title(result) == title]
        parts += [f"## {title}", _format_overview(chosen)]
        for result in chosen:
            parts += [f"### {result.network}: {title}", _format_case(result)]
    return "\n\n".join(parts) + "\n"


def _group(result: CaseResult) -> tuple[int, str, int]:
    """Return what the results of one table have in common; the page has the tables in this order."""
    return result.threads or 0, result.precision, result.batch_size


def _title(result: CaseResult) -> str:
    threads = "all cores" if result.threads is None else "computing time of one thread"
    precision = "" if result.precision == "float32" else f", {result.precision}"
    return f"Batches of {result.batch_size} images, {threads}{precision}"


def _format_overview(results: list[CaseResult]) -> str:
    """Return a table with a row for each contender and a column for each network."""
    rows = [
        ["seconds for 60,000 images", *(f"`{result.network}`" for result in results)],
        ["---", *("---:" for _ in results)],
    ]
    for name, contender in CONTENDERS.items():
        rows.append([contender.title, *(_format_median(result, name) for result in results)])
    for name in (OURS, OURS_IN_PARTS):
        leads = (_lead(result, name) for result in results)
        rows.append([f"**best other / {CONTENDERS[name].title}**", *leads])
    return _format_table(rows)


def _format_median(result: CaseResult, name: str) -> str:
    """Return the seconds, or an empty cell if the contender did not train this case."""
    seconds = result.for_60_000(result.compared(name))
    return f"{statistics.median(seconds):.3g}" if seconds else ""


def _lead(result: CaseResult, own: str) -> str:
    """Return in bold how many times as long as `own` the best other contender took."""
    others = result.blocks.keys() - {OURS, OURS_IN_PARTS}
    if not others or own not in result.blocks:
        return ""
    return f"**{min(statistics.median(result.ratios(name, own)) for name in others):.2f}**"


def _format_case(result: CaseResult) -> str:
    """Return a table with a row for each contender that trained."""
    rows = [
        ["", *TITLES, "accuracy"],
        ["---", "---:", "---", "---:", "---:", "---", "---:", "---:"],
    ]
    for name, contender in CONTENDERS.items():
        if name not in result.blocks:
            continue
        seconds, ratios = result.for_60_000(result.compared(name)), result.ratios(name)
        computing = result.for_60_000(result.cpu_blocks[name])
        accuracy = result.accuracy.get(name)
        rows.append(
            [
                contender.title,
                f"{statistics.median(seconds):.3g}",
                f"{min(seconds):.3g} to {max(seconds):.3g}",
                f"{statistics.median(computing):.3g}",
                f"{statistics.median(ratios):.2f}",
                " ".join(f"{ratio:.2f}" for ratio in ratios),
                f"{result.first_block[name]:.1f}",
                "" if accuracy is None else f"{accuracy:.4f}",
            ]
        )
    rounds = len(result.blocks[OURS])
    about = f"{result.date}: {result.machine}. {rounds} rounds of {result.steps} steps."
    return f"{about}\n\n{_format_table(rows)}"


def _format_table(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


HEADER = """# Speed compared with Keras, PyTorch and JAX

Written by `make benchmark`; do not edit. [Where the time goes](speed_profile.md) explains the figures.

Every contender trains the same network, from the same settings, on the 60,000 images of MNIST in
float32 (if a title names no other precision), with the same optimizer, batch size and number of
steps, shuffles in every epoch, and measures loss and accuracy in the training. They train in turn,
one block of steps each per round. The tables have the seconds for 60,000 images: the median over
the rounds, and the range. A ratio is the time of a contender / the time of mnistexp in the same
round: above 1, mnistexp is faster. With one thread (`--threads 1`), the computing time is compared,
so the ratios are also valid on a busy machine. "CPU" is the computing time of all threads, which
other processes disturb less than the seconds; threads that wait busily count, too. "first" is the
first block, with the compilation; it is not counted. A contender whose block takes more than a
minute leaves after the first round, without an accuracy. An empty cell was not measured. "load" is
the number of processes that wanted to compute just before the start. "Batches in two parts" is
`device=cpu_two_parts` for convolutions, and `device.parts_per_batch=2` for dense layers."""
