"""Write the pages of this folder from the rules: ``python docs/rules/write.py [FOLDER]``."""

import sys
from pathlib import Path

from nhisync.parity.rules.pages import pages


def main(folder: Path) -> None:
    """Write all pages into `folder`, and remove pages of rules that are gone."""
    made = pages()
    for old in folder.glob("NHS*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
