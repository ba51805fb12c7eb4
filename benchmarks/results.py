"""Writing results: one JSON and one Markdown file a benchmark, with date, commit and machine."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def stamp() -> dict[str, str]:
    """When, from which commit and on what the figures were taken."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    dirty = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=False)
    commit = git.stdout.strip() or "unknown"
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit + ("+changes" if dirty.stdout.strip() else ""),
        "machine": f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
    }


def write(name: str, title: str, header: list[str], rows: list[list[str]], data: Any, notes: str = "") -> str:
    """Write ``results/<name>.{json,md}``; returns the Markdown."""
    made = stamp()
    line = "| " + " | ".join(header) + " |\n|" + "---|" * len(header)
    body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    where = f"{made['date']}, commit {made['commit']}, {made['machine']}"
    text = f"# {title}\n{line}\n{body}\n\n{notes}\n\nTaken {where}. Reproduce: `python -m benchmarks {name}`.\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    (RESULTS / f"{name}.json").write_text(json.dumps({**made, "data": data}, indent=1) + "\n", encoding="utf-8")
    return text


README = RESULTS.parents[1] / "README.md"
OPEN, CLOSE = "<!-- figures: begin (written by make figures) -->", "<!-- figures: end -->"


def block() -> str:
    """What stands in the README between the marks: every result, its heading one level deeper."""
    pages = [file.read_text(encoding="utf-8") for file in sorted(RESULTS.glob("*.md"))]
    return f"{OPEN}\n" + "\n".join(f"##{page}" for page in pages) + CLOSE


def into_readme() -> None:
    """Renew the README's figures."""
    text = README.read_text(encoding="utf-8")
    head, _, rest = text.partition(OPEN)
    _, _, tail = rest.partition(CLOSE)
    README.write_text(head + block() + tail, encoding="utf-8")
