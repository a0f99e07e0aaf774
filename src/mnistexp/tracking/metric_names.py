"""The names under which MLflow stores metrics, so that its charts begin with accuracy and loss.

MLflow sorts the charts of a run by name, and shows metrics whose name begins with `system/` in a
tab of their own, *System metrics*.
"""

_STORED_NAMES = {
    "learning_rate": "train_learning_rate",
    "images_per_second": "system/images_per_second",
    "mean_images_per_second": "system/mean_images_per_second",
    "num_parameters": "system/num_parameters",
    "peak_memory_mb": "system/peak_memory_mb",
    "peak_gpu_memory_mb": "system/peak_gpu_memory_mb",
    "seconds": "system/seconds",
    "seconds_to_target": "system/seconds_to_target",
    "steps_to_target": "system/steps_to_target",
    "train_seconds": "system/train_seconds",
}
_NAMES = {stored: name for name, stored in _STORED_NAMES.items()}


def stored_name(metric: str) -> str:
    """Return the name of a metric in MLflow."""
    return _STORED_NAMES.get(metric, metric)


def metric_name(stored: str) -> str:
    """Return the name of a metric by its name in MLflow."""
    return _NAMES.get(stored, stored)
