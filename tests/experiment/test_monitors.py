"""TensorBoard's event files, read with TensorBoard's own reader."""

from pathlib import Path

import pytest
from support import QUICK, Command

pytest.importorskip("tensorboard")


def test_event_files_hold_all_metrics_and_the_weights_of_each_epoch(
    mnistexp: Command, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    import mnistexp as package

    overrides = ["data.train_size=1000", "train.epochs=2", "train.log_every=5 steps"]
    outcome = mnistexp("model=two_layers", "tracking.tensorboard=true", *overrides)
    assert outcome.exit_code == 0, outcome.err
    (folder,) = tmp_path.glob("runs/**/tensorboard")
    events = EventAccumulator(str(folder), {"tensors": 0, "histograms": 0}).Reload()

    history = package.load_history(package.load_runs())
    for metric in ("train_loss", "val_accuracy", "learning_rate"):
        logged = history[history["metric"] == metric].drop_duplicates("step")
        written = {e.step: float(make_ndarray(e.tensor_proto)) for e in events.Tensors(metric)}
        assert list(written) == logged["step"].tolist()
        assert list(written.values()) == pytest.approx(logged["value"].tolist())
    weights = [tag for tag in events.Tags()["tensors"] if tag.endswith(("kernel", "bias"))]
    assert len(weights) == 4
    assert [event.step for event in events.Tensors("hidden1/kernel")] == [0, 10, 20]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model=random_forest", "tracking.tensorboard=true"],
            "expected false, since random_forest",
        ),
        (["tracking=none", "tracking.tensorboard=true"], "tracking.tensorboard"),
    ],
)
def test_tensorboard_without_training_steps_or_tracking_is_rejected(
    mnistexp: Command, overrides: list[str], message: str
) -> None:
    outcome = mnistexp(*overrides, *QUICK[:1])
    assert outcome.exit_code == 2
    assert message in outcome.err


def test_tensorboard_that_is_not_installed_is_rejected(
    mnistexp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnistexp.tracking.store.find_spec", lambda name: None)
    outcome = mnistexp("tracking.tensorboard=true", *QUICK)
    assert outcome.exit_code == 2
    assert "pip install 'mnistexp[tensorboard]'" in outcome.err
