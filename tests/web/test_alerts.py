"""Alert rules and the dashboard speak of metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import yaml

from mrilu.settings.table import PROJECT
from mrilu.web.metrics_table import METRICS

ALERTS = PROJECT / "docs" / "alerts.yml"
KNOWN = {
    row.full_name + suffix
    for row in METRICS
    for suffix in (("_bucket", "_sum", "_count") if row.kind == "histogram" else ("",))
}
LABELS = {label for row in METRICS for label in row.labels} | {"le", "value"}


def rules() -> list[dict]:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def expressions() -> list[str]:
    dashboard = json.loads((PROJECT / "docs" / "grafana.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    alerts = [rule["expr"] for rule in rules()]
    assert len(alerts) >= 10 and len(shown) >= 15
    return alerts + shown


def test_every_expression_names_metrics_and_labels_of_the_table():
    for one in expressions():
        assert set(re.findall(r"mrilu_\w+", one)) <= KNOWN, one
        inside = re.findall(r"\{([^}]*)\}", one) + re.findall(r"by \(([^)]*)\)", one)
        values = {"capped", "failed", "mail", "rejected", "suspended", "waiting", "check_new_mail"}
        assert (
            set(re.findall(r"(\w+)(?=\s*(?:[=!~]|,|$))", ",".join(inside).replace('"', " ")))
            <= LABELS | values
        ), one
        assert one.count("(") == one.count(")") and one.count("{") == one.count("}")


def test_every_alert_says_what_to_do():
    assert len({rule["alert"] for rule in rules()}) == len(rules())
    for rule in rules():
        assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}, rule
        assert re.fullmatch(r"Mrilu\w+", rule["alert"]) and re.fullmatch(
            r"\d+[mh]", rule.get("for", "1m")
        )
        assert rule["labels"]["severity"] in ("page", "warn")
        assert set(rule["annotations"]) == {"summary", "action"} and all(
            rule["annotations"].values()
        )
        about = set().union(*(row.labels for row in METRICS if row.full_name in rule["expr"]))
        assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= about, rule


def test_promtool_takes_the_rules():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
