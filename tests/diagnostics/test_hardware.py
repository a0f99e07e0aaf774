"""Checks of GPU and oneDNN."""

import pytest

from mnistexp.diagnostics.hardware import TensorFlowBuild, check_gpus


@pytest.mark.parametrize(
    ("build", "reported", "has_driver", "status", "advice"),
    [
        (TensorFlowBuild("2.21.0", "12.5", ("H100",), True), 1, True, "ok", ""),
        (TensorFlowBuild("2.21.0", "12.5", (), True), 1, True, "problem", "mnistexp[gpu]"),
        (TensorFlowBuild("2.21.0", None, (), True), 1, True, "problem", "built for CUDA"),
        (TensorFlowBuild("2.21.0", "12.5", (), True), 0, True, "note", "nvidia-smi"),
        (TensorFlowBuild("2.21.0", "12.5", (), True), 0, False, "note", ""),
    ],
)
def test_a_gpu_that_tensorflow_cannot_use_is_a_problem(
    build: TensorFlowBuild, reported: int, has_driver: bool, status: str, advice: str
) -> None:
    result = check_gpus(build, reported, has_driver)
    assert result.status == status
    assert advice in result.remedy
