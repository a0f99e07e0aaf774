"""The first set-up of a local store is whole or not at all."""

import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from mnistexp.errors import TrackingError
from mnistexp.tracking import MlflowTracking, RunStore, store_set_up
from mnistexp.tracking.store import open_store
from mnistexp.tracking.store_set_up import is_half_set_up, lock_file, needs_set_up, store_locked


def config_of(database: Path) -> MlflowTracking:
    return MlflowTracking(type="mlflow", uri=f"sqlite:///{database}")


@pytest.fixture(scope="module")
def statements(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The statements that create the tables of a complete store, in their order."""
    complete = tmp_path_factory.mktemp("complete") / "mlflow.db"
    with store_locked(complete):
        pass
    with closing(sqlite3.connect(complete)) as source:
        found = source.execute("SELECT sql FROM sqlite_master WHERE type = 'table'").fetchall()
    return [statement for (statement,) in found]


@pytest.fixture
def half_set_up(tmp_path: Path, statements: list[str]) -> Path:
    """What a process leaves that is killed after a few steps of MLflow's set-up."""
    database = tmp_path / "mlflow.db"
    create_tables(database, statements[:9])
    return database


def create_tables(database: Path, statements: list[str]) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 1")  # Without tables, the file must exist too.
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("num_tables", [0, 1, 9, 30])
def test_a_half_set_up_store_is_recognized(
    num_tables: int, tmp_path: Path, statements: list[str]
) -> None:
    create_tables(tmp_path / "mlflow.db", statements[:num_tables])
    assert is_half_set_up(tmp_path / "mlflow.db")
    assert not RunStore(config_of(tmp_path / "mlflow.db")).exists


def test_a_half_set_up_store_is_set_up_by_the_next_start(half_set_up: Path) -> None:
    client, experiment_id = open_store(config_of(half_set_up))
    run = client.create_run(experiment_id)
    assert mlflow.MlflowClient(f"sqlite:///{half_set_up}").get_run(run.info.run_id)
    assert [file.name for file in half_set_up.parent.iterdir()] == ["mlflow.db"]


def test_a_set_up_that_fails_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_halfway(file: Path) -> None:
        file.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(store_set_up, "create_database", fail_halfway)
    with pytest.raises(KeyboardInterrupt):
        open_store(config_of(tmp_path / "mlflow.db"))
    assert list(tmp_path.iterdir()) == []


def test_files_that_a_killed_set_up_left_are_removed(tmp_path: Path) -> None:
    for name in (".mlflow.db.12345678.new", ".mlflow.db.12345678.new-journal"):
        (tmp_path / name).write_text("half")
    open_store(config_of(tmp_path / "mlflow.db"))
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]
    assert not is_half_set_up(tmp_path / "mlflow.db")


def test_a_database_of_another_program_is_not_replaced(tmp_path: Path) -> None:
    database = tmp_path / "other.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE notes (text)")
    assert not needs_set_up(database)


def test_a_half_set_up_store_that_another_program_has_open_is_not_replaced(
    half_set_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_set_up, "processes_with_open_file", lambda _: [(1, "mlflow")])
    with pytest.raises(TrackingError, match="being set up by another program"):
        open_store(config_of(half_set_up))


def test_a_link_to_a_database_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "mlflow.db"
    (tmp_path / "disk").mkdir()
    link.symlink_to(tmp_path / "disk" / "real.db")
    open_store(config_of(link))
    assert link.is_symlink()
    assert not needs_set_up(tmp_path / "disk" / "real.db")


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_lock_that_cannot_be_opened_is_one_line(kind: str, tmp_path: Path) -> None:
    lock = lock_file(tmp_path / "mlflow.db")
    lock.mkdir() if kind == "folder" else lock.symlink_to("/nowhere")
    with pytest.raises(TrackingError, match=rf"Received: {lock}: "):
        open_store(config_of(tmp_path / "mlflow.db"))


@pytest.fixture
def cached_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the empty tables in an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/mnistexp/stores" / f"mlflow_{mlflow.__version__}.db"


def assert_usable(database: Path) -> None:
    """Check that a store takes a run, and that the locations in it are those of its folder."""
    client, experiment_id = open_store(config_of(database))
    assert client.create_run(experiment_id)
    assert client.get_experiment("0").artifact_location == f"{database.parent}/mlruns/0"


def test_the_second_store_of_a_user_is_a_copy_of_empty_tables(
    cached_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        assert_usable(tmp_path / name / "mlflow.db")
        monkeypatch.delattr(store_set_up, "create_tables", raising=False)
    assert cached_tables.is_file()


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0 cut"])
def test_damaged_empty_tables_are_created_again(
    damage: bytes, cached_tables: Path, tmp_path: Path
) -> None:
    cached_tables.parent.mkdir(parents=True)
    cached_tables.write_bytes(damage)
    assert_usable(tmp_path / "mlflow.db")
    assert cached_tables.stat().st_size > 100_000


def test_empty_tables_with_a_damaged_page_are_created_again(
    cached_tables: Path, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    assert_usable(tmp_path / "first/mlflow.db")
    content = bytearray(cached_tables.read_bytes())
    content[40_000:60_000] = bytes(20_000)
    cached_tables.write_bytes(content)
    assert_usable(tmp_path / "mlflow.db")
    assert cached_tables.read_bytes() != content


def test_a_cache_that_cannot_be_written_is_not_needed(cached_tables: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("not a folder")
    assert_usable(tmp_path / "mlflow.db")
    assert not cached_tables.exists()
