"""What a part of the torture returns, and the table of all parts in docs/reliability.md."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- counts: written by make torture -->", "<!-- end of counts -->"
HEADER = "| part | tried | survived | lost |\n|---|---:|---:|---:|"


@dataclass(frozen=True)
class Counts:
    """How often something was tried, and how often the promise held.

    lost: one line for each try in which it did not hold, to repeat it.
    """

    part: str
    tried: int
    lost: tuple[str, ...] = ()

    @property
    def survived(self) -> int:
        """The number of tries in which the promise held."""
        return self.tried - len(self.lost)

    def __str__(self) -> str:
        """Format as a row of the table."""
        return f"| {self.part} | {self.tried:,} | {self.survived:,} | {len(self.lost):,} |"


def write_counts(all_counts: Iterable[Counts], page: Path = PAGE) -> None:
    """Write rows into the table of the page. Rows of other parts remain."""
    before, begin, rest = page.read_text().partition(BEGIN)
    old_table, end, after = rest.partition(END)
    rows = {_part(row): row for row in old_table.splitlines() if re.search(r" [\d,]+ \|$", row)}
    rows |= {counts.part: str(counts) for counts in all_counts}
    table = "\n".join([HEADER, *rows.values()])
    page.write_text(f"{before}{begin}\n{table}\n{end}{after}")


def _part(row: str) -> str:
    return row.split("|")[1].strip()
