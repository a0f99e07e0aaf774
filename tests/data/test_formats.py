"""Data sets of other formats: `.npz` files, folders of pictures, and EMNIST's IDX files."""

import gzip
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import Command

from mnistexp.config.compose import compose_config
from mnistexp.data import Data, load_data
from mnistexp.data.files import DATASETS, FILES, read_idx
from mnistexp.errors import ConfigError, DataError

SHAPES = {"circle": 0, "square": 1, "triangle": 2}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mnistexp" / "pictures"


def load(*overrides: str) -> Data:
    return load_data(compose_config(list(overrides))[0].data)


def random_images(number: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (number, *shape), "u1")


def write_pictures(
    folder: Path, part: str, per_class: int, shape: tuple[int, ...] = (20, 30, 3)
) -> None:
    """Write pictures whose first pixel holds the class and whose second one holds a number."""
    for name, label in SHAPES.items():
        target = folder / part / name
        target.mkdir(parents=True)
        for number, pixels in enumerate(random_images(per_class, shape, label)):
            pixels[0, 0], pixels[0, 1] = label, number
            Image.fromarray(pixels).save(target / f"{number:03}.png")


def arrays(**changed: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "x_train": random_images(60, (12, 16)),
        "y_train": np.arange(60) % 3 + 5,
        "x_test": random_images(9, (12, 16), seed=1),
        "y_test": np.arange(9) % 3 + 5,
        **changed,
    }


def write_npz(file: Path, values: Mapping[str, Any]) -> None:
    np.savez(file, **values)


def test_an_npz_file_gives_images_classes_and_a_name(tmp_path: Path) -> None:
    values = arrays()
    write_npz(tmp_path / "my letters.npz", values)
    data = load(f'data.directory="{tmp_path}/my letters.npz"')
    assert (data.name, data.image_shape, data.class_names) == (
        *("my_letters", (12, 16, 1), ("5", "6", "7")),
    )
    assert (len(data.train), len(data.validation), len(data.test)) == (54, 6, 9)
    np.testing.assert_array_equal(data.train.images[..., 0], values["x_train"][6:])
    np.testing.assert_array_equal(data.train.labels, values["y_train"][6:] - 5)


def test_labels_may_be_whole_numbers_stored_as_floats(tmp_path: Path) -> None:
    values = arrays()
    write_npz(tmp_path / "set.npz", {**values, "y_train": values["y_train"].astype("f4")})
    data = load(f"data.directory={tmp_path}/set.npz")
    assert data.class_names == ("5", "6", "7")
    np.testing.assert_array_equal(data.train.labels, values["y_train"][6:] - 5)


def test_labels_may_be_names_and_pixels_fractions(tmp_path: Path) -> None:
    values = arrays()
    names = np.array(["b", "a", "c"])
    fractions = values["x_train"] / 255
    changed = {f"y_{part}": names[values[f"y_{part}"] - 5] for part in ("train", "test")}
    write_npz(tmp_path / "set.npz", {**values, **changed, "x_train": fractions})
    data = load(f"data.directory={tmp_path}/set.npz", "data.validation_size=0", "train=lab")
    assert data.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(data.train.images[..., 0], values["x_train"])
    assert [data.class_names[label] for label in data.train.labels] == list(changed["y_train"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_train": np.full((60, 12, 16), np.nan)}, "x_train: expected finite pixels"),
        ({"x_train": np.full((60, 12, 16), 256)}, "expected pixels from 0 to 255.*256"),
        ({"x_train": np.full((60, 12, 16), -0.5)}, "expected pixels from 0 to 255.*-0.5"),
        ({"x_train": np.array([{}] * 60)}, "Object arrays cannot be loaded"),
        ({"y_train": np.arange(60) / 2}, "y_train: expected labels that are integers or texts"),
        (
            {"y_test": np.eye(3)[np.arange(9) % 3]},
            r"y_test: .*3 columns, as of one-hot labels. .* y_test.argmax\(axis=1\)",
        ),
        ({"y_test": np.array([5] * 8 + [9])}, "test images of the classes .* test images of 9"),
        ({"y_train": np.arange(59)}, "expected a label for each of 60 training images"),
        ({"y_train": np.zeros(60, int)}, "2 to 256 classes. Received: 1"),
        ({"x_train": random_images(60, (97, 97))}, "at most 96×96 pixels. Received: 97×97"),
        ({"x_train": random_images(60, (12, 16, 2))}, "one channel .* or three"),
        ({"x_test": random_images(9, (12, 17))}, "test images of the shape of the training"),
    ],
)
def test_an_npz_file_that_cannot_be_used_is_one_line(
    changed: dict[str, np.ndarray], message: str, tmp_path: Path, mnistexp: Command
) -> None:
    write_npz(tmp_path / "set.npz", arrays(**changed))
    result = mnistexp(f"data.directory={tmp_path}/set.npz")
    assert result.exit_code == 2
    assert len(result.err.splitlines()) == 1
    with pytest.raises(DataError, match=message):
        load(f"data.directory={tmp_path}/set.npz")


def test_a_folder_of_pictures_has_the_names_of_its_folders(tmp_path: Path) -> None:
    write_pictures(tmp_path / "shapes", "train", 20)
    write_pictures(tmp_path / "shapes", "test", 5)
    data = load(f"data.directory={tmp_path}/shapes")
    assert (data.name, data.class_names, data.image_shape) == (
        *("shapes", tuple(SHAPES), (20, 30, 3)),
    )
    assert (len(data.train), len(data.validation), len(data.test)) == (54, 6, 15)
    for split in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(split.images[:, 0, 0, 0], split.labels)
    # Shuffled: the files lie by class. Each split has the classes in the proportion of the whole.
    assert np.bincount(data.validation.labels).tolist() == [2, 2, 2]
    numbers = data.train.images[data.train.labels == 0, 0, 1, 0].tolist()
    assert numbers != sorted(numbers)


def test_without_a_test_folder_a_fifth_of_each_class_is_for_the_test(tmp_path: Path) -> None:
    write_pictures(tmp_path / "shapes", "train", 20)
    data = load(f"data.directory={tmp_path}/shapes")
    assert np.bincount(data.test.labels).tolist() == [4, 4, 4]
    numbers = [
        {tuple(pixels[0, :2, 0]) for pixels in split.images}
        for split in (data.train, data.validation, data.test)
    ]
    assert len(set.union(*numbers)) == 60 == sum(map(len, numbers))
    # The same everywhere: this choice is stored here.
    assert sorted(int(image[0, 1, 0]) for image in data.test.images[data.test.labels == 0]) == [
        *(2, 4, 6, 19),
    ]
    other = load(f"data.directory={tmp_path}/shapes", "data.split_seed=1")
    assert other.digest != data.digest


def test_pictures_are_cached_until_a_file_changes(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "shapes", "train", 5)
    first = load(f"data.directory={tmp_path}/shapes")
    (cached,) = cache.iterdir()
    again = load(f"data.directory={tmp_path}/shapes", "data.split_seed=0", "data.name=x")
    assert again.digest == first.digest
    # A damaged cache is read anew.
    cached.write_bytes(cached.read_bytes()[:-1] + b"?")
    assert load(f"data.directory={tmp_path}/shapes", "data.split_seed=3").train.images.any()
    changed = tmp_path / "shapes" / "train" / "circle" / "000.png"
    Image.fromarray(np.zeros((20, 30, 3), "u1")).save(changed)
    assert load(f"data.directory={tmp_path}/shapes").digest != first.digest
    assert len(list(cache.iterdir())) == 2


def test_pictures_of_several_sizes_are_resized_only_if_it_is_asked_for(
    tmp_path: Path, mnistexp: Command
) -> None:
    folder = tmp_path / "shapes"
    write_pictures(folder, "train", 5)
    Image.new("L", (40, 40)).save(folder / "train" / "square" / "odd.png")
    result = mnistexp(f"data.directory={folder}")
    assert result.exit_code == 2
    assert "15 of 20×30 pixels, and train/square/odd.png (40×40). Set data.resize=[20,30]" in (
        result.err
    )
    data = load(f"data.directory={folder}", "data.resize=[28,28]")
    assert data.image_shape == (28, 28, 3)  # One picture is gray.


def test_a_validation_split_that_takes_all_images_of_a_class_is_refused(tmp_path: Path) -> None:
    write_npz(tmp_path / "set.npz", arrays(y_train=np.arange(60) // 20 + 5))
    with pytest.raises(ConfigError, match=r"data.validation_size: .* 20, which leaves none of 5\."):
        load(f"data.directory={tmp_path}/set.npz", "data.validation_size=20")


def test_all_pictures_that_cannot_be_read_are_named(tmp_path: Path, mnistexp: Command) -> None:
    folder = tmp_path / "shapes"
    write_pictures(folder, "train", 5)
    (folder / "train" / "circle" / "text.png").write_text("no picture")
    whole = (folder / "train" / "square" / "001.png").read_bytes()
    (folder / "train" / "square" / "cut.png").write_bytes(whole[: len(whole) // 2])
    result = mnistexp(f"data.directory={folder}")
    assert result.exit_code == 2
    assert "Received 2 that cannot: train/circle/text.png" in result.err
    assert "train/square/cut.png" in result.err


def test_a_class_without_pictures_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "shapes", "train", 5)
    (tmp_path / "shapes" / "train" / "empty").mkdir()
    with pytest.raises(DataError, match="pictures of each class .* none in .*empty"):
        load(f"data.directory={tmp_path}/shapes")


def test_emnist_is_read_upright_and_chosen_by_name(tmp_path: Path) -> None:
    """EMNIST stores its images column by column, in files with the name of the set."""
    digits, _ = read_idx(DATASETS / "mnist" / f"{FILES[2]}.gz", None)
    for name in ("letters", "digits"):
        for part, images in (("train", digits[:40]), ("test", digits[40:50])):
            transposed = images.transpose(0, 2, 1)
            write_gzip(tmp_path / f"emnist-{name}-{part}-images-idx3-ubyte.gz", transposed)
            labels = np.arange(len(images)) % 5 + 1
            write_gzip(tmp_path / f"emnist-{name}-{part}-labels-idx1-ubyte.gz", labels)
    data = load(
        *("data.name=emnist_letters", f"data.directory={tmp_path}", "data.validation_size=4"),
        "data.class_names=[a,b,c,d,e]",
    )
    np.testing.assert_array_equal(data.test.images[..., 0], digits[40:50])
    assert data.class_names == tuple("abcde")
    with pytest.raises(DataError, match="data.name: expected one of emnist_digits, emnist_letters"):
        load(f"data.directory={tmp_path}")
    with pytest.raises(ConfigError, match="data.class_names: expected 5 names"):
        load("data.name=emnist_letters", f"data.directory={tmp_path}", "data.class_names=[a,b]")


def write_gzip(path: Path, values: np.ndarray) -> None:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.astype("u1").tobytes()))


def test_the_last_layer_fits_the_number_of_classes(tmp_path: Path, mnistexp: Command) -> None:
    write_npz(tmp_path / "set.npz", arrays())
    directory = f"data.directory={tmp_path}/set.npz"
    shown = mnistexp(directory, "--cfg", "job").out
    assert "num_classes: 3" in shown
    assert "units: 3" in shown
    result = mnistexp(directory, "model.layers.logits.units=10")
    assert result.exit_code == 2
    assert "model.layers.logits.units: expected 3 in the last layer" in result.err


@pytest.mark.parametrize(
    ("write", "found"),
    [
        (lambda f: f.mkdir(), "an empty folder"),
        (lambda f: f.write_text("text"), "a file of another format"),
        (lambda f: (f / "cat").mkdir(parents=True), "Folders of classes belong below other/train"),
        (lambda f: (f.mkdir(), (f / "1.png").touch()), "a folder of other files. Pictures belong"),
        (lambda _: None, "which does not exist"),
    ],
)
def test_a_directory_without_data_says_what_is_expected_and_what_was_found(
    write: Callable[[Path], object], found: str, tmp_path: Path, mnistexp: Command
) -> None:
    write(tmp_path / "other")
    result = mnistexp(f"data.directory={tmp_path}/other")
    assert result.exit_code == 2
    assert found in result.err
    assert (
        "expected IDX files with the names of MNIST or EMNIST, an .npz file, CIFAR-10" in result.err
    )


def test_a_network_is_trained_evaluated_and_used_on_pictures_with_colors(
    tmp_path: Path, mnistexp: Command
) -> None:
    write_pictures(tmp_path / "shapes", "train", 40)
    run = mnistexp(
        *(f"data.directory={tmp_path}/shapes", "model=conv_big", "train.epochs=2"),
        *("train.batch_size=20", "dashboard=record", "tracking.run_name=colors"),
    )
    assert run.exit_code == 0, run.err
    evaluation = mnistexp("evaluate", "colors")
    assert evaluation.exit_code == 0, evaluation.err
    assert {"circle", "square", "triangle"} <= set(evaluation.out.split())
    picture = next((tmp_path / "shapes" / "train" / "circle").iterdir())
    prediction = mnistexp("predict", "colors", str(picture))
    assert prediction.exit_code == 0, prediction.err
    assert any(name in prediction.out for name in SHAPES)
    assert mnistexp("watch", "colors", "--save", "last.png").exit_code == 0
    assert "expected a model of gray images" in mnistexp("draw", "colors").err
    other = mnistexp("evaluate", "colors", "data=mnist")
    assert other.exit_code == 2
    assert "expected images of shape [20, 30, 3] of 3 classes" in other.err
    (tmp_path / "shapes").rename(tmp_path / "two")
    shutil.rmtree(tmp_path / "two" / "train" / "triangle")
    fewer = mnistexp("evaluate", "colors", f"data.directory={tmp_path}/two")
    assert fewer.exit_code == 2
    assert "Received: [20, 30, 3] of 2 classes in two" in fewer.err
