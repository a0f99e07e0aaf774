"""The YAML files that `mnistexp new` writes as a start for experiments and models of the user."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import yaml

from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups, option_file
from mnistexp.errors import InputError, did_you_mean, join_with_or

FOLDERS = {"experiment": "experiments/user", "model": "conf/model"}
"""Where the files of each kind are, in the working folder."""
DEFAULT_MODEL = "two_layers"
EXPERIMENT_HEADER = """\
# @package _global_
# {name}: write here in one sentence what you try.
#
#   mnistexp user={name}              run it
#   mnistexp user={name} seed=1       run it with another seed
#   mnistexp user={name} --cfg job    show all its settings, run nothing
#   mnistexp verify user={name}       run it, compare with `expect` below
#
# The file contains what differs from the default run.
"""
EXPERIMENT_BODY = """\
defaults:  # The chosen options of the groups; mnistexp --help lists them.
  - override /model: two_layers
  - override /optim: adam
  - override /optim/decay: cosine
train:
  epochs: 2
model:  # Numbers of the chosen model, under the names that --cfg job shows.
  layers:
    hidden1:
      units: 100
expect:  # The interval in which the test accuracy should be.
  test_accuracy: [0.92, 1.0]
"""
MODEL_HEADER = """\
# {name}: write here in one sentence what it is. It begins as a copy of {base}.
#
#   mnistexp model={name}              train it
#   mnistexp model={name} --cfg job    show all its settings, train nothing
#
"""
LAYERS_COMMENT = """\
# `layers` are in the order from the image to the logits; their names are free. The last layer has
# one unit for each class of the data and no activation, since the loss applies softmax. mnistexp
# schema model describes the types of layers; type: keras creates any other layer of Keras.
# ${{model.NAME}} refers to a value at the top, so that model.NAME=VALUE changes it in all layers.
# The optimizer is adam, unless an entry like - override /optim@_global_.optim: sgd below
# `defaults:` names one that suits better.
"""
CLAIM_COMMENT = """\
  # claim: what the source of the copied experiment says about it. Nothing depends on it: write what
  # you expect of yours, or remove the line.
"""


def write_new_file(kind: str, name: str, base: str | None) -> Path:
    """Write a commented file to start from.

    Args:
        kind: `experiment` or `model`.
        name: of the new option.
        base: the option to copy: `conv_big`, or for an experiment `3_0_conv` or `lab=3_0_conv`.

    Returns:
        The path, relative to the working folder.

    Raises:
        InputError: the name is taken or cannot be typed as an option, or there is no such base.
    """
    file = Path(FOLDERS[kind], f"{name}.yaml")
    _check_name(name, "user" if kind == "experiment" else "model", file)
    text = _experiment_text(name, base) if kind == "experiment" else _model_text(name, base)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text)
    return file


def bases(kind: str) -> list[str]:
    """Return the options that a new file of a kind can be a copy of: `3_0_conv`, `lab=3_0_conv`."""
    groups = list_groups()
    if kind == "model":
        return groups["model"]
    pairs = [(group, name) for group in EXPERIMENT_GROUPS for name in groups.get(group, [])]
    names = [*(name for _, name in pairs), *(f"{group}={name}" for group, name in pairs)]
    return list(dict.fromkeys(names))


def _check_name(name: str, group: str, file: Path) -> None:
    is_word = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
    # YAML reads `on` as true, and Hydra reads `nan` as a number.
    if not is_word or not isinstance(yaml.safe_load(name), str) or name.lower() in ("nan", "inf"):
        raise InputError(
            "NAME: expected a name of letters, digits and _ that is no word of YAML, such as null. "
            f"Received: {name!r}"
        )
    if file.exists():
        raise InputError(
            f"{file}: expected a new name. Received: {name!r}, which exists. Choose another NAME, "
            "or remove the file first"
        )
    if option_file(group, name) is not None:
        kind = "experiment" if group == "user" else group
        raise InputError(
            f"NAME: expected a new name. Received: {name!r}; {group}={name} exists. Choose another "
            f"name; a copy to change is written by mnistexp new {kind} my_{name} --from {name}"
        )


def _experiment_text(name: str, base: str | None) -> str:
    header = EXPERIMENT_HEADER.format(name=name)
    if base is None:
        return header + EXPERIMENT_BODY
    group, _, option = base.rpartition("=")
    groups = [group] if group else EXPERIMENT_GROUPS
    file = _find_option(groups, option)
    if file is None:
        raise InputError(
            "--from: expected an experiment, such as lab=3_0_conv; mnistexp --help lists them. "
            f"Received: {base!r}.{_similar_experiments(option)}"
        )
    body = _read_body(file)
    if CLAIM_COMMENT not in body:
        body = re.sub(r"(?m)^ +(?=claim:)", rf"{CLAIM_COMMENT}\g<0>", body)
    return f"{header}# It begins as a copy of {base}.\n{body}"


def _model_text(name: str, base: str | None) -> str:
    base = base or DEFAULT_MODEL
    file = _find_option(["model"], base)
    if file is None:
        known = bases("model")
        raise InputError(
            f"--from: expected one of {', '.join(known)}. "
            f"Received: {base!r}.{did_you_mean(base, known)}"
        )
    body = _read_body(file)
    comment = LAYERS_COMMENT.format() if "layers:" in body else ""
    return MODEL_HEADER.format(name=name, base=base) + comment + body


def _similar_experiments(option: str) -> str:
    """Return ` Did you mean lab=1_0_softmax?`, or an empty text."""
    known: dict[str, list[str]] = {}
    for experiment in (name for name in bases("experiment") if "=" in name):
        known.setdefault(experiment.rpartition("=")[2], []).append(experiment)
    similar = [name for near in get_close_matches(option, known) for name in known[near]]
    return f" Did you mean {join_with_or(similar[:3])}?" if similar else ""


def _find_option(groups: Iterable[str], option: str) -> Path | None:
    return next((file for group in groups if (file := option_file(group, option))), None)


def _read_body(file: Path) -> str:
    """Return the text of an option's file without the comments at its top."""
    return re.sub(r"\A(\s*#.*\n)*", "", file.read_text(encoding="utf-8"))
