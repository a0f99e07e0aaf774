"""`mnistexp data`: describe a data set before anything is trained."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from support import Command


def write_set(file: Path) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays = {
        "x_train": random.integers(10, 200, (50, 8, 9), "u1"),
        "y_train": np.array(["cat", "dog"])[np.arange(50) % 2],
        "x_test": random.integers(10, 200, (20, 8, 9), "u1"),
        "y_test": np.array(["cat", "dog"])[np.arange(20) % 2],
    }
    arrays["x_test"][:3] = arrays["x_train"][[1, 20, 40]]
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return arrays


def test_a_data_set_is_described(mnistexp: Command, tmp_path: Path) -> None:
    arrays = write_set(tmp_path / "pets.npz")
    result = mnistexp("data", "data.directory=pets.npz", "--json")
    assert result.exit_code == 0, result.err
    found = json.loads(result.out)
    assert (found["name"], found["class_names"]) == ("pets", ["cat", "dog"])
    assert found["image_shape"] == [8, 9, 1]
    assert [split["num_images"] for split in found["splits"].values()] == [45, 5, 20]
    assert found["splits"]["test"]["class_counts"] == [10, 10]
    test = arrays["x_test"].astype("f8")
    np.testing.assert_allclose(found["splits"]["test"]["mean"], test.mean())
    np.testing.assert_allclose(found["splits"]["test"]["std"], test.std())
    # The first five training images are for validation.
    assert found["duplicates"] == {"train, validation": 0, "train, test": 2, "validation, test": 1}

    table = mnistexp("data", "data.directory=pets.npz").out
    assert "images of 8×9 pixels, gray, of 2 classes" in table
    assert "2 of test are in train too; 1 of test are in validation too" in table
    assert max(map(len, table.splitlines())) <= 80


def test_the_figure_shows_ten_images_of_each_class(mnistexp: Command) -> None:
    result = mnistexp("data", "mnist", "-o", "mnist.png")
    assert result.exit_code == 0, result.err
    assert "no split has an image of another one" in result.out
    pixels = np.asarray(Image.open("mnist.png").convert("L"))
    assert (pixels < 128).mean() > 0.03


def test_wrong_input_is_one_line(mnistexp: Command, tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no arrays")
    for arguments, message in (
        (["letters"], "data: expected one of"),
        ([str(tmp_path)], f"Write data.directory={tmp_path}"),
        (["data.directory=text.npz"], "text.npz: expected an .npz file, as numpy.savez writes it"),
        (["optim=sgd"], "optim: expected an option of data, such as fashion_mnist"),
        (["-o", str(tmp_path)], "--output: expected a file"),
    ):
        result = mnistexp("data", *arguments)
        assert result.exit_code == 2
        assert message in result.err
        assert len(result.err.splitlines()) == 1
