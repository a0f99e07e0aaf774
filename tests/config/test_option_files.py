"""Options in the user's own files: they are found everywhere, and a slip is explained."""

from pathlib import Path

import pytest
from support import QUICK, Command, CommandResult, write_option, write_user_experiment

from mnistexp.config.completion import complete_override
from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import list_groups, package_folder, user_folders
from mnistexp.errors import ConfigError

MODEL = """\
activation: relu
layers:
  flatten: {type: flatten}
  hidden: {type: dense, units: 20, activation: "${model.activation}"}
  logits: {type: dense, units: 10}
"""
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
SPACE = "expected a space after the colon. Received: "
# The first line of each experiment is `# @package _global_`.
EXPERIMENT_SLIPS = [
    ("train:\n\tepochs: 2\n", 3, "expected spaces before the text. Received: a tab"),
    ("model: {layers: {d: {type: dropout}\nseed: 1\n", 2, "expected a closing } of the { here"),
    ("data:\n  test_slice: [1, 2\nseed: 1\n", 3, "expected a closing ] of the [ here"),
    ("seed: 1\ntrain:\n  epoch: 2\n", 4, "train.epoch: unknown setting. Did you mean train.epochs"),
    ("train:\n  epochs: -2\n", 3, "train.epochs: expected a number > 0. Received: -2"),
    ("train:\n", 2, "train: expected a mapping. Received: None"),
    ("", 1, "expected settings of the form NAME: VALUE. Received: nothing"),
    ("- train\n", 2, "expected settings of the form NAME: VALUE. Received: a list"),
    ("hello\n", 2, "expected settings of the form NAME: VALUE. Received: a text"),
    ("seed: 1\nseed: 2\n", 3, "expected each name once. Received: seed again, first in line 2"),
    ("train\n  epochs: 2\n", 3, "expected the indentation of the line above, or a colon"),
    ("train:\n  epochs:1\n  batch_size: 50\n", 3, f"{SPACE}epochs:1"),
    ("train:\n  epochs:1 # One\n\n  # Small\n  batch_size: 50\n", 3, f"{SPACE}epochs:1"),
    ("train:\n  epochs:1\n", 3, f"{SPACE}epochs:1"),
    ("seed:3\ntrain:\n  epochs: 1\n", 2, f"{SPACE}seed:3"),
    ("train: {epochs: 1}\nseed:3\n", 3, f"{SPACE}seed:3"),
    ("seed:3\n", 2, f"{SPACE}seed:3"),
    ("train: {epochs:1}\n", 2, f"{SPACE}epochs:1"),
    ("defaults:\n  - override /model:conv\n", 3, "expected override /model: conv. Received"),
    (
        "train:\n  evaluate_on:\n    - tst\n",
        4,
        "train.evaluate_on.0: expected one of validation, test",
    ),
    ("default:\n  - override /model: conv\n", 2, "default: unknown setting. Did you mean defaults"),
    ("model: {layers: {dens: {units: 9}, dense: null}}\n", 2, "Did you mean dense?"),
    ("tracking:\n  description: a: b\n", 3, "expected quotes around a text that contains ': '"),
    ("model: {activation: ${model.x}}\n", 2, 'expected quotes around "${…}"'),
    ("defaults:\n  - override /modle: conv\n", 3, "Received: /modle. Did you mean model?"),
    (
        "defaults:\n  - override /model: conf\n",
        3,
        "Received: 'conf'. Did you mean conv or conv_fast?",
    ),
    ("defaults:\n  - model: conv\n", 3, "expected override /model: conv. Received: model: conv"),
    ("defaults:\n  - override /model=conv\n", 3, "expected override /model: conv. Received"),
    ("defaults:\n  - override /dashboard: off\n", 3, 'dashboard: expected quotes, "off"'),
    ("defaults: {override /model: conv}\n", 2, "expected a list with lines like - override"),
    ("defaults:\n  - override /model: conv\n  - slip\n", 4, "expected the lines with override l"),
    ("defaults: [slip]\nseed: 1\n", 2, "expected an option that does not include slip"),
    ("model: conv\n", 2, "in a file by - override /model: NAME"),
    ("seed: ${sed}\n", 2, "seed: Interpolation key 'sed' not found. Did you mean seed?"),
    ("seed: ${seed\n", 2, "no viable alternative"),
    ("seed: 1\0\n", 2, "expected text. Received: the character 0x0"),
    ("seed: !new 1\n", 2, "expected a value without a tag. Received: !new"),
    ("seed: !!python/name:os.system\n", 2, "expected a value without a tag. Received: !!python"),
    ("seed: 1\n---\nseed: 2\n", 3, "expected one document"),
    ("train:\n  ~: 1\n", 3, "expected a name before the colon. Received: ~"),
    ("train: &t {x: *t}\n", 2, "expected an anchor that does not contain itself"),
    (LAUGHS, 6, "expected at most 20000 values. Received: more, by aliases"),
    (f"a: {'[' * 400}{']' * 400}\n", 2, "expected at most 50 levels"),
]
MODEL_SLIPS = [
    (MODEL.replace("activation: relu", "activaton: relu"), 1, "Did you mean model.activation?"),
    (MODEL.replace("activation: relu\n", ""), 3, "'model.activation' not found. Set model.activa"),
    (MODEL.replace("units: 20", "unit: 20"), 4, "model.layers.hidden.unit: unknown setting"),
    (MODEL.replace(", units: 20", ""), 4, "model.layers.hidden.units: expected a value"),
    (MODEL.replace("type: dense, units: 10", "type: dens, units: 10"), 5, "Did you mean dense?"),
    ("layers:\n  - {type: flatten}\n", 1, "Give each layer a name: layers: {flatten:"),
    (f"model:\n  {MODEL.replace(chr(10), chr(10) + '  ')}", 1, "expected the settings of model wi"),
    ("defaults: [two_layer]\n", 1, "model: expected one of"),
    ("defaults:\n  - override /optim: adam\n", 2, "expected override /optim@_global_.optim: adam"),
    ("defaults:\n  - override /optim@_global_.optim: adm\n", 2, "Did you mean adam or adamw?"),
]


def message_about(path: str, line: int) -> str:
    return f"error: {path}, line {line}: "


def assert_slip_is_named(outcome: CommandResult, path: str, line: int, message: str) -> None:
    """One line on the standard error, with file, line and what to write."""
    assert outcome.exit_code == 2
    assert outcome.err.startswith(message_about(path, line))
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(("text", "line", "message"), EXPERIMENT_SLIPS)
def test_a_slip_in_an_experiment_gives_file_line_and_what_to_write(
    mnistexp: Command, tmp_path: Path, text: str, line: int, message: str
) -> None:
    write_user_experiment(tmp_path, "slip", text)
    outcome = mnistexp("user=slip")
    assert_slip_is_named(outcome, "experiments/user/slip.yaml", line, message)
    assert [path.name for path in tmp_path.iterdir()] == ["experiments"]


@pytest.mark.parametrize(("text", "line", "message"), MODEL_SLIPS)
def test_a_slip_in_a_model_gives_file_line_and_what_to_write(
    mnistexp: Command, tmp_path: Path, text: str, line: int, message: str
) -> None:
    write_option(tmp_path, "model/slip", text)
    outcome = mnistexp("model=slip")
    assert_slip_is_named(outcome, "conf/model/slip.yaml", line, message)


@pytest.mark.parametrize("text", ["train: {epochs: 2}\n", "# Mine\n# @package _global_\nseed: 1\n"])
def test_a_forgotten_package_comment_is_named(mnistexp: Command, tmp_path: Path, text: str) -> None:
    write_option(tmp_path, "user/slip", text)
    for arguments in (
        ["user=slip"],
        ["-m", "user=slip", "seed=0,1"],
        ["user=slip", "--cfg", "job"],
    ):
        outcome = mnistexp(*arguments)
        assert outcome.exit_code == 2
        assert "conf/user/slip.yaml, line 1: expected # @package _global_ as the fir" in outcome.err
        assert outcome.err.count("\n") == 1
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("content", [b"# @package _global_\n# Gr\xf6\xdfe\n", b"\xff\xfe#\0"])
def test_a_file_that_is_not_utf_8_is_named(
    mnistexp: Command, tmp_path: Path, content: bytes
) -> None:
    write_user_experiment(tmp_path, "slip", "")
    (tmp_path / "experiments" / "user" / "slip.yaml").write_bytes(content)
    assert "expected text in UTF-8" in mnistexp("user=slip").err


def test_files_of_editors_on_windows_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_user_experiment(tmp_path, "mine", "")
    text = "\ufeff# @package _global_\r\nseed: 7\r\n"
    (tmp_path / "experiments" / "user" / "mine.yaml").write_bytes(text.encode())
    assert compose_config(["user=mine"])[0].seed == 7


def test_an_error_in_an_override_is_not_blamed_on_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_user_experiment(tmp_path, "mine", "train: {epochs: 2}\n")
    with pytest.raises(ConfigError, match=r"^train.epochs: expected a number > 0"):
        compose_config(["user=mine", "train.epochs=-1"])


def test_a_layer_that_cannot_be_built_is_located(mnistexp: Command, tmp_path: Path) -> None:
    text = MODEL.replace(
        "  flatten:", "  conv: {type: conv2d, filters: 2, kernel_size: 40}\n  flatten:"
    )
    write_option(tmp_path, "model/large", text)
    outcome = mnistexp("model=large", "tracking=none")
    assert outcome.exit_code == 2
    assert outcome.err.startswith("error: conf/model/large.yaml, line 3: model.layers.conv: ")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model=mine.yaml", "Received: 'mine.yaml'. Did you mean mine"),
        ("model=conf/model/mine.yaml", "Received: 'conf/model/mine.yaml'. Did you mean mine"),
        ("model=plural", "Move conf/models/plural.yaml to conf/model/plural.yaml"),
        ("model=short", "Rename conf/model/short.yml to conf/model/short.yaml"),
        ("model=short.yml", "Rename conf/model/short.yml to conf/model/short.yaml"),
        ("user=text", "Rename experiments/user/text.txt to experiments/user/text.yaml"),
        ("model=conv", "conf/model/conv.yaml, line 1: expected a name of its own"),
    ],
)
def test_a_file_of_a_wrong_name_or_place_is_named(
    mnistexp: Command, tmp_path: Path, override: str, message: str
) -> None:
    for name in ("model/mine", "models/plural", "model/conv"):
        write_option(tmp_path, name, MODEL)
    (tmp_path / "conf" / "model" / "short.yml").write_text(MODEL)
    write_user_experiment(tmp_path, "text", "seed: 1\n")
    experiment = tmp_path / "experiments" / "user" / "text.yaml"
    experiment.rename(experiment.with_suffix(".txt"))
    outcome = mnistexp(override)
    assert outcome.exit_code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_broken_file_leaves_help_completion_and_other_options_usable(
    mnistexp: Command, tmp_path: Path
) -> None:
    write_option(tmp_path, "model/broken", "layers: {")
    write_option(tmp_path, "model/mine", MODEL)
    write_user_experiment(tmp_path, "broken", "defaults: [")
    write_user_experiment(tmp_path, "good", "defaults:\n  - override /model: mine\n")
    help_text = mnistexp("--help").out
    assert "broken" in help_text
    assert "mine" in help_text
    assert complete_override([], "user=") == ["user=broken", "user=good"]
    assert "model.layers.hidden." in complete_override(["user=good"], "model.layers.")
    assert complete_override(["user=broken"], "train.ep") == ["train.epochs="]
    assert "units: 20" in mnistexp("user=good", "--cfg", "job").out
    outcome = mnistexp(
        "-m", "user=glob(*)", "sweep.dry_run=true", "sweep.skip_invalid=true", *QUICK
    )
    assert outcome.exit_code == 0, outcome.err
    assert "skipped: user=broken" in outcome.out
    assert ": experiments/user/broken.yaml, line 2: " in outcome.out


def test_the_conf_folder_of_the_working_folder_is_found_and_recorded(
    mnistexp: Command, tmp_path: Path
) -> None:
    write_option(tmp_path, "model/mine", MODEL)
    write_option(
        tmp_path, "model/wider", "defaults: [mine, _self_]\nlayers: {hidden: {units: 30}}\n"
    )
    write_option(tmp_path, "optim/decay/slow", "type: exponential\nrate: 0.9\nsteps: 100\n")
    write_option(tmp_path, "data/few", "name: mnist\ntrain_size: 500\n")
    write_option(tmp_path, "database/sqlite", "name: of another program\n")
    assert {"mine", "wider"} <= set(list_groups()["model"])
    assert "slow" in list_groups()["optim/decay"]
    assert "database" not in list_groups()
    assert "Did you mean mine" in mnistexp("model=mines").err
    assert "Did you mean model=mine?" in mnistexp("conf/model/mine.yaml").err
    assert (
        mnistexp(
            "model=wider",
            "data=few",
            "train.steps=5",
            "tracking.log_model=false",
            "tracking.figures=false",
        ).exit_code
        == 0
    )
    config = next(tmp_path.glob("runs/*/config.yaml")).read_text()
    assert "units: 30" in config
    assert "train_size: 500" in config


def test_a_config_folder_works_before_any_command(mnistexp: Command, tmp_path: Path) -> None:
    text = "# @package _global_\nexpect: {claim: incomplete}\n"
    write_option(tmp_path, "user/mine", text, root="own")
    for option in (["--config-dir", "own"], ["--config-dir=own"], ["-cd", "own"]):
        assert "own/user/mine.yaml, line 2: expect: " in mnistexp(*option, "verify", "user").err
        assert mnistexp(*option, "--help").out.count("mine") == 1
    assert (
        "user=mine"
        in mnistexp(
            *("completion", "--shell", "fish"), "--complete", "mnistexp --config-dir own user="
        ).out
    )
    outcome = mnistexp("--config-dir", "gone", "model=conv")
    assert outcome.exit_code == 2
    assert outcome.err == "error: --config-dir: expected a folder. Received: gone\n"
    assert "Write mnistexp verify …" in mnistexp("seed=1", "verify", "lab").err


def test_the_folders_of_a_checkout_are_not_added_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(package_folder("conf").parent)
    assert user_folders() == []
    assert compose_config(["model=conv"])[1].choices["model"] == "conv"
