"""Store what the figures of a run show in a small file, and draw them from it later.

The training process writes the file without importing matplotlib; the tracking process draws.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnistexp.analysis.chart_layout import run_title
from mnistexp.analysis.figures.data import Examples, draw_chosen_examples
from mnistexp.analysis.figures.run import draw_run, find_shown_mistakes
from mnistexp.data import Split
from mnistexp.train import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def store_figures(
    file: Path,
    name: str,
    history: History,
    test: Split,
    probabilities: np.ndarray,
    weights: np.ndarray | None,
    examples: Examples,
) -> None:
    """Write what the figures show, about 0.6 MB for MNIST.

    Args:
        file: ends with `.npz`.
        name: of the run.
        history, test, probabilities, weights: see `draw_run`.
        examples: training images, and the names of the classes.
    """
    shown = find_shown_mistakes(test.labels, probabilities)
    curves = {
        metric: [list(curve), list(curve.values())] for metric, curve in history.curves.items()
    }
    texts = {
        "name": name,
        "data_name": examples.data_name,
        "class_names": list(examples.class_names),
        "curves": curves,
    }
    np.savez(
        file,
        texts=np.array(json.dumps(texts)),
        labels=test.labels,
        probabilities=probabilities,
        image_shape=np.array(test.images.shape[1:]),
        shown=shown,
        shown_images=test.images[shown],
        weights=np.empty(0) if weights is None else weights,
        examples=examples.images,
    )


def draw_stored_figures(file: Path, run_id: str) -> "Iterator[tuple[str, Figure]]":
    """Draw the figures of a run from the file that `store_figures` wrote.

    Yields:
        (name, figure), as `draw_run`, and then the examples as `data`.
    """
    with np.load(file, allow_pickle=False) as arrays:
        texts = json.loads(str(arrays["texts"]))
        test = _restore_test_images(arrays)
        probabilities, weights = arrays["probabilities"], arrays["weights"]
        examples = Examples(texts["data_name"], arrays["examples"], texts["class_names"])
    history = History()
    history.restore(texts["curves"])
    title = run_title(texts["name"], run_id)
    names: Sequence[str] = examples.class_names
    drawn_weights = weights if weights.size else None
    yield from draw_run(title, history, test, probabilities, drawn_weights, names)
    yield "data", draw_chosen_examples(title, examples)


def _restore_test_images(arrays: "np.lib.npyio.NpzFile") -> Split:
    """Return all labels, and the images that a figure shows; the others are black."""
    images = np.zeros((len(arrays["labels"]), *arrays["image_shape"]), "u1")
    images[arrays["shown"]] = arrays["shown_images"]
    return Split(images, arrays["labels"])
