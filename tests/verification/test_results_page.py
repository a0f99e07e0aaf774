"""The page that `mnistexp results` writes, and its copy in the checkout, experiments/README.md."""

import re

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.config.config_groups import EXPERIMENT_GROUPS, list_groups, package_folder
from mnistexp.verification.results_page import HEADER

README = (package_folder("experiments") / "README.md").read_text()
GROUPS = [group for group in EXPERIMENT_GROUPS if group != "user"]


def section(group: str) -> str:
    """Return the part of the README about a group of experiments."""
    (text,) = re.findall(rf"^## `{group}`\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    return str(text)


def test_the_readme_has_the_header_that_the_command_writes() -> None:
    start, end = HEADER.split("{machine}")
    assert README.startswith(start)
    assert end in README


@pytest.mark.parametrize("group", GROUPS)
def test_the_readme_lists_the_experiments_of_each_group(group: str) -> None:
    assert re.findall(r"^\| `(\w+)`", section(group), re.MULTILINE) == list_groups()[group]


@pytest.mark.parametrize("group", GROUPS)
def test_claims_and_notes_in_the_readme_are_those_of_the_files(group: str) -> None:
    notes = []
    for option in list_groups()[group]:
        expect = compose_config([f"{group}={option}"])[0].expect
        assert expect is not None
        assert re.search(
            rf"^\| `{option}`.*? \| {re.escape(expect.claim)} \|", section(group), re.M
        )
        if expect.note:
            notes.append(f"- `{option}`: {expect.note}")
    assert re.findall(r"^- .*", section(group), re.MULTILINE) == notes
