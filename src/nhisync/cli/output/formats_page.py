"""The chapter on output formats of ``docs/cli.md``."""

FORMATS_PAGE = """\
## Formats of `nhisync diff`

| format | for | what it holds |
| --- | --- | --- |
| `table` | people | a table per app, causes with the next step, the verdict; the default |
| `plain` | awk, cut | tab separated `finding` and `verdict` records, columns fixed |
| `json` | programs | everything; JSON Schema: `nhisync schema report` |
| `jsonl` | log pipelines | one `finding` object a line, one `report` object last |
| `sarif` | code scanning | fails and unknowns at the pair's line of the configuration (SARIF 2.1.0) |
| `junit` | CI | a suite per pair; a fail is a failure, an unknown an error |
| `ocsf` | SIEM | a Compliance Finding (class 2003, OCSF 1.5) a line |
| `markdown` | pull requests | verdicts, tables and causes; foreign text is inert |
| `html` | reports | one self-contained page without script |

- JSON grows only by new keys within `schema_version` 1; ignore keys you do not know. Instants are RFC 3339 in UTC.
- SARIF fingerprints are made of pair, code and path, never of time, so an alert stays the same alert. An unknown whose
  rule is not of the evidence family (NHS9xx) is reported under `NHS900`, with its own code in `properties`.
- In JUnit only what `--fail-on` counts makes the build red; waived findings and lesser severities are `skipped`.
- `plain` columns of `finding`: state, severity, code, app, pair, path, title, primary, backup, observed, expected, next
  step, waiver; of `verdict`: app, path, word, pairs, passing, failing, unknown.
- Names come from providers and may hold anything: control characters are written out, markup is escaped, per format.
"""
