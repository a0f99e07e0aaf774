"""Messages of errors, whatever the user typed."""

import pytest

from mnistexp.errors import ConfigError


@pytest.mark.parametrize(
    ("received", "shown"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\tb\r", r"a\tb\r"),
        ("right\u202eto left", r"right\u202eto left"),
        ("\ud800", r"\ud800"),
        ("Zürich 水", "Zürich 水"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_characters_that_change_the_terminal_are_shown_as_codes(received: str, shown: str) -> None:
    assert str(ConfigError(f"seed: {received}")) == f"seed: {shown}"


def test_long_words_and_lines_lose_their_middle() -> None:
    message = str(ConfigError(f"seed: {'9' * 10_000}. {'1 2 3 ' * 10_000}. Set seed=1"))
    assert message.startswith("seed: 9999")
    assert message.endswith(". Set seed=1")
    assert len(message) <= 1_500


def test_a_message_of_several_lines_keeps_them() -> None:
    lines = [f"{name}: {'x' * 200}" for name in "abcdefghijklmnop"]
    assert str(ConfigError("\n".join(lines))) == "\n".join(lines)
