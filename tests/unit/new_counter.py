"""
Prints, as JSON, where a counter shows that is in the catalogue and nowhere else.

A program of its own, because a row is added before the rest of the package is loaded.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from loadtest import counters

counters.CATALOGUE["parked"] = counters.CounterSpec(
    "parked", counters.CONSUMERS, "Deliveries that consumers parked.", is_wrong=True
)


def schemas() -> dict[str, Any]:
    """Return what the JSON Schemas of a result and of a window have of it."""
    from loadtest.measure.record_models import windows_schema
    from loadtest.result.run.document import result_schema

    result: Any = result_schema()
    windows: Any = windows_schema()
    counted = windows["$defs"]["GroupModel"]["properties"]["counters"]["description"]
    return {"schema": result["$defs"]["TotalsPart"]["properties"]["parked"], "windows": "parked" in counted}


def main() -> None:
    """Run a staged run in which the counter reaches 3, and print what each output has of it."""
    from loadtest.dashboard.live import Asked, Live
    from loadtest.measure import Collector
    from loadtest.metrics.standing import Standing
    from loadtest.report.html_page.heat_map import HeatMaps
    from loadtest.report.run.markdown import summary_md
    from loadtest.report.run.run_page import report_html
    from loadtest.report.run.terminal import render
    from loadtest.result.run.build import build_result
    from loadtest.scenario.grammar.metric import parse_metric
    from tests.unit.metrics.scraping import feed, samples_of, text_of
    from tests.unit.result.staged_run import START_NS, orders

    run = orders(thresholds=["billing.parked <= 2", "parked <= 3 in run", "billing.parked == 0 in warm_up"])
    window = next(record for record in run.records if record["type"] == "window" and record["index"] == 1)
    window["groups"]["billing"]["counters"]["parked"] = 3
    result = build_result(run.collector())
    collector = Collector()
    live = Live(clock=lambda: START_NS)
    live.follow(collector, Asked())
    for record in run.records[:-1]:
        collector.take(record)
        live.take(record)
    running = live.document("", "running")
    live.close(result)
    standing = feed(Standing(), run)
    standing.close(result.totals.model_dump())
    samples = samples_of(text_of(standing))

    def rows(document: str) -> Any:
        return [row for row in json.loads(document)["ledger"]["rows"] if row["name"] == "parked"]

    told = {
        "totals": result.totals.model_dump()["parked"],
        "groups": {name: group.totals.get("parked") for name, group in result.groups.items()},
        "measured": result.groups["billing"].measured_counts["parked"],
        "checks": [[check.check, check.value, check.ok] for check in result.verdict.checks],
        "kinds": sorted(parse_metric("billing.parked").group_kinds),
        "terminal": "parked 3" in render(result).plain,
        "markdown": "`parked` | 3" in summary_md(result),
        "page": '<div class="wrong"><dt>parked</dt><dd>3</dd></div>' in report_html(result, HeatMaps(START_NS)),
        "running": rows(running),
        "ended": rows(live.document("", "stopped")),
        "prometheus": [
            [name, dict(labels), value] for (name, labels), value in samples.items() if "parked" in str((name, labels))
        ],
        **schemas(),
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
