"""Figures drawn from the file of a training process equal those drawn from the results."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mnistexp.analysis.figures import choose_examples, draw_examples, draw_run, store_figures
from mnistexp.analysis.figures.data import draw_chosen_examples
from mnistexp.analysis.figures.stored import draw_stored_figures
from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.train import History


def png_of(figure: object) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")  # type: ignore[attr-defined]
    return stream.getvalue()


@pytest.mark.parametrize("is_small", [True, False])
def test_they_are_equal(tmp_path: Path, is_small: bool) -> None:
    data = load_data(compose_config(["data.train_size=2000", "data.test_slice=[0,500]"])[0].data)
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(10), len(data.test)).astype("f4")
    weights = rng.normal(size=(10, 28, 28)) if not is_small else None
    history = History()
    for step in (10, 20, 30):
        history.record({"train_loss": 1 / step, "train_accuracy": 0.9, "learning_rate": 0.5}, step)
    history.record({"val_loss": 0.3, "val_accuracy": 0.8}, 30)
    file = tmp_path / "figures.npz"
    store_figures(
        *(file, "a run", history, data.test, probabilities, weights),
        *(choose_examples(data), lambda images: None if is_small else 255 - images),
    )
    title = "a run (01234567)"
    expected = dict(draw_run(title, history, data.test, probabilities, weights, data.class_names))
    expected["data"] = draw_examples(title, data)
    if not is_small:
        examples = choose_examples(data)
        negatives = replace(examples, images=255 - examples.images)
        what = "images, augmented,"
        expected["augmentation"] = draw_chosen_examples(title, negatives, what)
    drawn = dict(draw_stored_figures(file, "0123456789abcdef"))
    assert drawn.keys() == expected.keys()
    for name, figure in drawn.items():
        assert png_of(figure) == png_of(expected[name]), name
