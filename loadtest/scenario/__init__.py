"""
What to do: scenarios, from YAML to the plan of every user.

Pure: no broker, no sockets, no clock. `load_scenario` reads and checks, `build_plan` resolves.
"""

from loadtest.scenario.arrivals import Arrivals, EvenArrivals, PoissonArrivals
from loadtest.scenario.catalogue import CatalogueEntry, catalogue, catalogue_folder, comparisons
from loadtest.scenario.dump import dump_scenario
from loadtest.scenario.loader import LoadedScenario, load_scenario
from loadtest.scenario.model import Run, Scenario
from loadtest.scenario.plan import (
    Ack,
    BindingSpec,
    ConsumerPlan,
    DeclaredTopology,
    ExchangeSpec,
    GetterPlan,
    Plan,
    PublisherPlan,
    QueueSpec,
    Start,
)
from loadtest.scenario.planner import build_plan
from loadtest.scenario.schema import scenario_schema
from loadtest.scenario.threshold import GroupKind, Metric, Threshold, parse_threshold

__all__ = [
    "Ack",
    "Arrivals",
    "BindingSpec",
    "CatalogueEntry",
    "ConsumerPlan",
    "DeclaredTopology",
    "EvenArrivals",
    "ExchangeSpec",
    "GetterPlan",
    "GroupKind",
    "LoadedScenario",
    "Metric",
    "Plan",
    "PoissonArrivals",
    "PublisherPlan",
    "QueueSpec",
    "Run",
    "Scenario",
    "Start",
    "Threshold",
    "build_plan",
    "catalogue",
    "catalogue_folder",
    "comparisons",
    "dump_scenario",
    "load_scenario",
    "parse_threshold",
    "scenario_schema",
]
