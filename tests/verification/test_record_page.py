"""The page that `mnistexp results record` writes, from runs that are put into a real store."""

from pathlib import Path

import mlflow
from support import Command

from mnistexp.config.compose import SEARCH_SETTINGS, compose_config
from mnistexp.config.config import flatten_config
from mnistexp.verification import find_experiments, plan_runs

PICTURE = b"\x89PNG of the first seed"


class FilledStore:
    """A store in a folder, with runs that were never trained."""

    def __init__(self, folder: Path) -> None:
        self.client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
        location = f"file://{folder}/mlruns"
        self.experiment = self.client.create_experiment("mnistexp", artifact_location=location)

    def add(
        self, overrides: list[str], metrics: dict[str, float], tags: dict[str, str], **params: str
    ) -> str:
        config = compose_config(overrides)[0]
        explicit = config.model_copy(update={"train": config.train.with_explicit_length()})
        logged = {name: str(value) for name, value in flatten_config(explicit).items()} | params
        run = self.client.create_run(self.experiment, tags={"device": "AMD", **tags}).info.run_id
        for name, value in logged.items():
            self.client.log_param(run, name, value)
        for metric, number in metrics.items():
            self.client.log_metric(run, metric, number)
        self.client.set_terminated(run)
        return str(run)


def fill(folder: Path) -> None:
    """Add two seeds of record=fast, their ensemble, and three recipes that were tried."""
    store = FilledStore(folder)
    planned, _ = plan_runs(find_experiments(["record=fast"]), 2)
    members = []
    for plan, accuracy in zip(planned, (0.991, 0.993), strict=True):
        metrics = {"test_accuracy": accuracy, "num_parameters": 37_626, "seconds": 30}
        tags = {"config_hash": plan.config_hash, "seedless_hash": "final"}
        members.append(store.add(list(plan.overrides), metrics, tags, record="fast"))
    (folder / "learning_curves.png").write_bytes(PICTURE)
    store.client.log_artifact(members[0], str(folder / "learning_curves.png"), "figures")
    sizes = {"ensemble.size": "2", "ensemble.runs": " ".join(members)}
    ensemble = {"test_accuracy": 0.994, "num_parameters": 75_252}
    store.add([], ensemble, {"kind": "ensemble"}, **sizes)
    tried = {
        "": (0.990, 0.992),
        "train.steps=300": (0.987, 0.989),
        "train.batch_size=100": (0.995,),
    }
    for setting, accuracies in tried.items():
        overrides = ["record=fast", *SEARCH_SETTINGS.split(), *setting.split()]
        for seed, accuracy in enumerate(accuracies):
            tags = {"config_hash": f"{setting} {seed}", "seedless_hash": f"tried {setting}"}
            settings = [*overrides, f"seed={seed}"]
            store.add(settings, {"val_accuracy": accuracy}, tags, record="fast")


def test_the_page_has_each_seed_the_pictures_and_what_was_tried(
    mnistexp: Command, tmp_path: Path
) -> None:
    fill(tmp_path)
    result = mnistexp("results", "record=fast", "-o", "README.md")
    assert result.exit_code == 0, result.err
    page = (tmp_path / "README.md").read_text()
    row = "| `record=fast` | 37,626 | 2 | 0.9920 ± 0.0014 | 0.9910, 0.9930 | 30 |"
    assert row in page
    assert "`mnistexp ensemble record.fast` | 75,252 | – | 0.9940 | – | – |" in page
    assert "  - override /optim/decay: one_cycle\n" in page
    assert "![Learning curves](fast_learning_curves.png)" in page
    assert (tmp_path / "fast_learning_curves.png").read_bytes() == PICTURE
    # Two samples of two with equal deviations have two degrees of freedom, t = 4.302653.
    half = 4.302653 * 0.001 * 2**0.5
    assert page.split("| --- | ---: | --- | --- |\n")[-1].splitlines() == [
        "| train.batch_size 200 → 100 | 1 | 0.9950 | +0.0040 (single seed) |",
        "| **the chosen recipe** | 2 | 0.9910 ± 0.0014 |  |",
        "| train.steps 420 → 300 | 2 | 0.9880 ± 0.0014 | "
        f"-0.0030 [{-0.003 - half:+.4f}, {-0.003 + half:+.4f}] |",
    ]


def test_the_results_of_some_experiments_are_a_table(mnistexp: Command, tmp_path: Path) -> None:
    fill(tmp_path)
    assert "record=fast" in mnistexp("results", "record").out
    # The table of all groups, although only runs of one are in the store.
    mnistexp("results", "record", "tutorial", "-o", "README.md")
    assert (tmp_path / "README.md").read_text().startswith("# Results of the experiments")
    missing = mnistexp("results", "lab")
    assert missing.exit_code == 2
    assert missing.err.endswith("Received: none. Run some: mnistexp verify lab\n")
    assert "Did you mean lab?" in mnistexp("results", "lap").err
