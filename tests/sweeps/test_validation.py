"""Jobs that cannot be run are found before anything is trained."""

from pathlib import Path

from support import QUICK, Command


def test_an_invalid_combination_is_named_before_anything_is_trained(
    mnistexp: Command, tmp_path: Path
) -> None:
    result = mnistexp("-m", "model=conv", "model.layers.conv2.strides=2,0,1", *QUICK)
    assert result.exit_code == 2
    assert "model.layers.conv2.strides=0" in result.err
    assert "expected a number > 0" in result.err
    assert "Set sweep.skip_invalid=true" in result.err
    assert len(result.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_hint_to_skip_is_missing_where_no_combination_is_valid(mnistexp: Command) -> None:
    result = mnistexp("-m", "model=conv", "model.layers.conv2.strides=0,-1", *QUICK)
    assert result.exit_code == 2
    assert "skip_invalid" not in result.err
    assert len(result.err.splitlines()) == 2


def test_layers_that_do_not_fit_each_other_are_found_by_building_the_models(
    mnistexp: Command,
) -> None:
    arguments = ["-m", "model=conv", "model.layers.conv1.padding=same,valid"]
    arguments += ["model.layers.conv1.kernel_size=5,29", *QUICK, "sweep.dry_run=true"]
    result = mnistexp(*arguments)
    assert result.exit_code == 2
    assert "conv1" in result.err

    skipping = mnistexp(*arguments, "sweep.skip_invalid=true")
    assert skipping.exit_code == 0
    assert skipping.out.count("skipped: ") == 1
    assert "3 jobs" in skipping.out


def test_equal_jobs_are_run_once(mnistexp: Command) -> None:
    result = mnistexp("-m", "seed=0,0,1", *QUICK, "sweep.dry_run=true")
    assert "2 jobs" in result.out
