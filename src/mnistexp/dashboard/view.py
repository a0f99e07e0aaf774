"""What a viewer looks at, and the keys that change it: the same for every kind of viewer."""

from dataclasses import dataclass, field

PANELS = ("accuracy", "loss", "batch", "first_spread", "second_spread", "test")
"""By place: the upper row from the left, then the lower one."""
LAYOUTS = {
    **{str(number + 1): (panel,) for number, panel in enumerate(PANELS)},
    "7": ("accuracy", "loss"),
    "8": ("first_spread", "second_spread"),
    "9": ("batch", "test"),
    "0": PANELS,
    "escape": PANELS,
}
HELP = """\
1 to 6     one panel
7          accuracy and loss
8          weights and biases, or logits and activations
9          training and test digits
0, Esc     all six
space      pause, go on; at the end, play again
o          box zoom on or off: draw a box with the mouse
h          back to the whole
Ctrl-S     save the picture
?          this help on or off"""

Box = tuple[float, float, float, float]
"""Left, right, bottom and top of what is seen of a panel, in its own units."""


@dataclass
class View:
    """The state of one viewer.

    zoom: by panel, the box that is seen of it. zooming: whether the mouse draws such a box.
    saving: whether a picture was asked for and not made yet. notice: what a viewer is told.
    changes: how often anything was changed.
    """

    panels: tuple[str, ...] = PANELS
    paused: bool = False
    zooming: bool = False
    help: bool = False
    saving: bool = False
    notice: str = ""
    zoom: dict[str, Box] = field(default_factory=dict)
    changes: int = 0

    def press(self, key: str) -> None:
        """Do what a key is for, named as matplotlib names it; other keys do nothing."""
        self.changes += 1
        self.notice = ""
        if key in LAYOUTS:
            self.panels = LAYOUTS[key]
        elif key == " ":
            self.paused = not self.paused
        elif key == "o":
            self.zooming = not self.zooming
        elif key == "h":
            self.zoom.clear()
        elif key == "?":
            self.help = not self.help
        elif key == "ctrl+s":
            self.saving = True

    def see(self, panel: str, box: Box) -> None:
        """Zoom into a panel."""
        self.zoom[panel] = box
        self.changes += 1

    def say(self, notice: str) -> None:
        """Tell whoever looks."""
        self.notice = notice
        self.changes += 1
