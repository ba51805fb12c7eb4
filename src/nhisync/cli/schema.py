"""`nhisync schema`."""

import json
from typing import Annotated, Literal

import typer

from nhisync.cli.invocation import current

app = typer.Typer()

Which = Literal["config", "policy", "policy-cases", "report"]
"""What there is a schema of."""


def schema(which: Which) -> str:
    """The JSON schema (draft 2020-12) of a configuration, a policy, a table of policy cases or a report."""
    from nhisync.cli.output.schema import report_schema  # noqa: PLC0415 - only when needed
    from nhisync.config.schema import cases_schema  # noqa: PLC0415 - pydantic, only when needed
    from nhisync.config.schema import schema as document_schema  # noqa: PLC0415 - pydantic, only when needed

    if which == "report":
        found = report_schema()
    elif which == "policy-cases":
        found = cases_schema()
    else:
        found = document_schema(which)
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


@app.command("schema")
def schema_command(
    ctx: typer.Context, which: Annotated[Which, typer.Argument(help="config, policy, policy-cases or report.")]
) -> None:
    """Print a JSON Schema: config, policy or report.

    Examples:
        nhisync schema config -o nhisync.schema.json     for the editor
        nhisync schema report                            for whoever reads `diff --format json`

    An editor with a YAML language server checks the configuration while you type when its first line is
    "# yaml-language-server: $schema=nhisync.schema.json".
    """
    invocation = current(ctx)
    invocation.chosen_format("json")
    invocation.write(schema(which))
