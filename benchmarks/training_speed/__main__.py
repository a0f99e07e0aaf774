"""Compare the speed of training with Keras, PyTorch and JAX: `make benchmark`.

Every contender trains the same network on the same 60,000 images, with the same batch size,
optimizer, precision and number of steps, and reports its test accuracy. Each has a process of its
own, which is set up and trains one block that is not counted, because it includes compilation.
Then they train in turn, one block each per round, so that changes of the machine's speed affect
all. Contenders whose package is not installed are left out: PyTorch and JAX come with
`pip install 'mnistexp[benchmark]'`.

The measured cases replace those of the results file, so a part can be measured alone.
"""

import argparse
from pathlib import Path

from training_speed.case import BATCH_SIZES, PRECISIONS, STEPS, Case, default_rounds, default_steps
from training_speed.contenders import CONTENDERS, OURS
from training_speed.measurement import measure
from training_speed.report import write_report

REPORT = Path(__file__).parents[2] / "docs" / "speed.md"
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Measure the chosen cases, one after the other, and write the report after each."""
    options = parse_options()
    for network in options.networks:
        for batch_size in options.batch_sizes:
            steps = options.steps or default_steps(network, batch_size)
            blocks = (options.rounds or default_rounds(network)) + 1
            case = Case(network, batch_size, steps, blocks, options.threads, options.precision)
            result = measure(case, options.contenders)
            write_report(result, options.results, options.report)


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="training_speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--networks", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=list(BATCH_SIZES))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, help="default: by network")
    parser.add_argument("--steps", type=int, help="of a block; default: by network")
    parser.add_argument(
        "--threads", type=int, choices=[1], help="compare computing time of one thread"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a JSON file")
    parser.add_argument("--report", type=Path, default=REPORT, help="a Markdown file")
    options = parser.parse_args()
    if OURS not in options.contenders:
        parser.error(f"--contenders: expected {OURS} among them, to which the others are compared")
    return options


if __name__ == "__main__":
    main()
