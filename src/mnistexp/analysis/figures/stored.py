"""Store what the figures of a run show in a small file, and draw them from it later.

The training process writes the file without importing matplotlib; the tracking process draws.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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
    augment: Callable[[np.ndarray], np.ndarray | None],
) -> None:
    """Write what the figures show, about 0.6 MB for MNIST.

    Args:
        file: ends with `.npz`.
        name: of the run.
        history, test, probabilities, weights: see `draw_run`.
        examples: training images, and the names of the classes.
        augment: changes images [n, height, width, channels] as the training does; returns None if
            it changes none.
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
    images = examples.images
    augmented = augment(images.reshape(-1, *images.shape[2:]))
    np.savez(
        file,
        texts=np.array(json.dumps(texts)),
        labels=test.labels,
        probabilities=probabilities,
        image_shape=np.array(test.images.shape[1:]),
        shown=shown,
        shown_images=test.images[shown],
        weights=np.empty(0) if weights is None else weights,
        examples=images,
        augmented=np.empty(0) if augmented is None else augmented.reshape(images.shape),
    )


def draw_stored_figures(file: Path, run_id: str) -> "Iterator[tuple[str, Figure]]":
    """Draw the figures of a run from the file that `store_figures` wrote.

    Yields:
        (name, figure), as `draw_run`, then the examples as `data`, and as `augmentation` if the
        training changes them.
    """
    with np.load(file, allow_pickle=False) as arrays:
        texts = json.loads(str(arrays["texts"]))
        test = _restore_test_images(arrays)
        probabilities, weights = arrays["probabilities"], arrays["weights"]
        examples = Examples(texts["data_name"], arrays["examples"], texts["class_names"])
        augmented = arrays["augmented"]
    history = History()
    history.restore(texts["curves"])
    title = run_title(texts["name"], run_id)
    names: Sequence[str] = examples.class_names
    drawn_weights = weights if weights.size else None
    yield from draw_run(title, history, test, probabilities, drawn_weights, names)
    yield "data", draw_chosen_examples(title, examples)
    if augmented.size:
        changed = replace(examples, images=augmented)
        yield "augmentation", draw_chosen_examples(title, changed, "images, augmented,")


def _restore_test_images(arrays: "np.lib.npyio.NpzFile") -> Split:
    """Return all labels, and the images that a figure shows; the others are black."""
    images = np.zeros((len(arrays["labels"]), *arrays["image_shape"]), "u1")
    images[arrays["shown"]] = arrays["shown_images"]
    return Split(images, arrays["labels"])
