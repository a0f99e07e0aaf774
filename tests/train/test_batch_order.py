"""The order of the batches."""

from mnistexp.train.batch_order import BatchOrder


def test_batches_are_full_across_the_end_of_an_epoch() -> None:
    batches = BatchOrder(10, 4, "every_epoch", seed=0).take(5)
    assert batches.shape == (5, 4)
    assert sorted(batches.ravel()[:10]) == sorted(batches.ravel()[10:]) == list(range(10))
    assert list(batches.ravel()[:10]) != list(batches.ravel()[10:])


def test_shuffle_once_uses_one_random_order_for_all_epochs() -> None:
    indices = BatchOrder(10, 5, "once", seed=0).take(4).reshape(2, 10)
    assert list(indices[0]) == list(indices[1]) != list(range(10))


def test_shuffle_never_keeps_the_order_of_the_files() -> None:
    assert BatchOrder(10, 5, "never", seed=0).take(2).ravel().tolist() == list(range(10))


def test_single_batches_equal_batches_taken_together() -> None:
    one_by_one = BatchOrder(10, 4, "every_epoch", seed=3)
    singles = [one_by_one.take(1)[0].tolist() for _ in range(6)]
    assert BatchOrder(10, 4, "every_epoch", seed=3).take(6).tolist() == singles
