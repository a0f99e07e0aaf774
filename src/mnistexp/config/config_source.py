"""The source of a config: the choices and overrides that it was composed from."""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnistexp.config.config import Config
from mnistexp.config.config_groups import EXPERIMENT_GROUPS
from mnistexp.config.run_names import name_run

DEFAULT_DATA = "mnist"
"""The option of the group `data` if none is chosen, and the data set of the default run."""
OPTIONS_OF_DEFAULT_DATA = (DEFAULT_DATA, "mnist_60000")
"""The options of the group `data` with this data set; experiments choose the second one."""


@dataclass(frozen=True)
class ConfigSource:
    """What a config was composed from.

    Attributes:
        choices: the chosen option of each group, `{"model": "conv_big"}`.
        overrides: as the user typed them.
        folder: the run's output folder; None if it has none.
        given_name: the name of the run, such as that of the run that is trained again.
        options: the options of the command that the config depends on: `--config-dir`, `mine`.
    """

    choices: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    folder: Path | None = None
    options: tuple[str, ...] = ()
    given_name: str = ""

    @property
    def overridden(self) -> list[str]:
        """The names that the overrides set: `model`, `train.epochs`."""
        return [override.partition("=")[0].lstrip("+~") for override in self.overrides]

    @property
    def altered_settings(self) -> list[str]:
        """The overridden settings that make the run differ from its experiment file."""
        allowed = {*EXPERIMENT_GROUPS, "seed", "device", "tracking", "dashboard", "sweep"}
        return [
            path
            for path in self.overridden
            if path.partition(".")[0] not in allowed and path != "train.checkpoint_every"
        ]

    @property
    def experiment(self) -> str | None:
        """The chosen experiment, `lab=1_0_softmax`; None if there is none."""
        for group in EXPERIMENT_GROUPS:
            if group in self.choices:
                return f"{group}={self.choices[group]}"
        return None

    def optimizer_origin(self, config: Config) -> str:
        """Return where an optimizer that the user did not choose comes from; else an empty text."""
        chosen = {"optim", "optim.type", "optim.class_name"} & set(self.overridden)
        if chosen or self.experiment or "optim" in config.unused_sections:
            return ""
        return f"the default of model={self.choices.get('model', 'network')}"

    def used_choices(self, config: Config) -> dict[str, str]:
        """Return the choices without those of sections that this type of model does not use.

        Data of one's own, `data.directory=pets`, counts as a choice: `{"data": "pets"}`.
        """
        choices = {
            name: option
            for name, option in self.choices.items()
            if name.partition("/")[0] not in config.unused_sections
        }
        return choices | ({"data": config.data.name} if self._has_own_data(config) else {})

    def _has_own_data(self, config: Config) -> bool:
        """Return whether the data is given by settings, not by an option of the group `data`."""
        is_default = self.choices.get("data", DEFAULT_DATA) in OPTIONS_OF_DEFAULT_DATA
        return is_default and config.data.name != DEFAULT_DATA

    @property
    def command(self) -> str:
        """The command line that starts this run, quoted for a shell."""
        return shlex.join(["mnistexp", *self.options, *self.overrides])

    def run_name(self, config: Config, varying: Collection[str] | None = None) -> str:
        """Return the given name, else the default: `conv_big-adam-epochs=2-s0`, `lab.3_0_conv-s0`.

        Args:
            varying: the settings that differ between the runs of a sweep; see `name_run`.
        """
        if self.given_name:
            return self.given_name
        if self.experiment:
            start, named = [self.experiment.replace("=", ".")], []
        else:
            named = [name for name in ("model", "optim") if name not in config.unused_sections]
            start = [self.choices[name] for name in named if name in self.choices]
        unnamed = {*named, *config.unused_sections}
        changes = [text for text in self.overrides if text.partition("=")[0] not in unnamed]
        if self._has_own_data(config):
            changes.append(f"data={config.data.name}")
        return name_run(start, changes, self.choices, config.seed, varying)
