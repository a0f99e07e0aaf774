"""The addresses of MLflow's pages."""

from mnistexp.errors import TrackingError
from mnistexp.tracking.config import MlflowTracking, TrackingConfig
from mnistexp.tracking.store import existing_store, tracking_uri, without_password

LOCAL_PAGES = "http://127.0.0.1:5000"
"""Where `mnistexp ui` shows a local store unless told otherwise."""
MODEL_PAGES = "?workflowType=machine_learning"
"""MLflow shows pages about language models unless it is told this."""


def browse_hint(config: TrackingConfig, page: str | None) -> str:
    """How a user opens a run; empty where nothing is tracked.

    Args:
        page: the run's address.
    """
    if not isinstance(config, MlflowTracking):
        return ""
    if tracking_uri(config.uri).startswith("http"):
        return f"Open the run: {page}"
    # `mnistexp ui` opens by itself what an environment variable or the working folder says.
    elsewhere = config.uri is not None and tracking_uri(config.uri) != tracking_uri()
    store = f" --uri {without_password(config.uri or '')}" if elsewhere else ""
    return f"Browse the runs: mnistexp ui{store}; this one is then at\n{page}"


def run_page(uri: str, experiment_id: str, run_id: str) -> str:
    """The address of a run's page, on its server or where `mnistexp ui` shows it.

    Args:
        uri: of the store, as `tracking_uri` gives it.
    """
    server = without_password(uri).rstrip("/") if uri.startswith("http") else LOCAL_PAGES
    return f"{server}/#/experiments/{experiment_id}/runs/{run_id}"


def runs_page(config: MlflowTracking, server: str) -> str:
    """The address of the page of all runs of an experiment that is there, else of the server."""
    try:
        _, experiment_id = existing_store(config)
    except TrackingError:
        return server
    return f"{server}/#/experiments/{experiment_id}/runs{MODEL_PAGES}"
