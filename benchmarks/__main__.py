"""All figures, or the named ones: ``python -m benchmarks [inventory|listing|parity ...]``."""

import runpy
import sys

from benchmarks.results import into_readme

NAMES = ("startup", "inventory", "listing", "keyvault", "secretmanager", "parity", "rights", "readiness")


def main(names: list[str]) -> None:
    """Run each benchmark as its own module."""
    failed = False
    for name in names or list(NAMES):
        if name not in NAMES:
            sys.exit(f"no benchmark is called {name}; there are {', '.join(NAMES)}")
        print(f"== {name}", file=sys.stderr)
        sys.argv = [name]
        try:
            runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=False)
        except SystemExit as end:
            failed |= bool(end.code)
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
    into_readme()
    sys.exit(int(failed))


if __name__ == "__main__":
    main(sys.argv[1:])
