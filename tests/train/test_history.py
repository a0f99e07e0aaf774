"""The metrics of a training as a table."""

from mnistexp.train import History


def test_a_history_converts_to_a_table_by_step() -> None:
    history = History()
    history.record({"train_loss": 2.0}, 10)
    history.record({"train_loss": 1.0, "val_loss": 1.5}, 20)
    frame = history.to_frame()
    assert frame.index.tolist() == [10, 20]
    assert frame["train_loss"].tolist() == [2.0, 1.0]
    assert frame["val_loss"].isna().tolist() == [True, False]
    assert history.last("val_loss") == 1.5
    assert history.last("test_loss") is None
