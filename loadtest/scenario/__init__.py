"""
What to do: scenarios, from YAML to the plan of every user.

Pure: no broker, no sockets, no clock. `load_scenario` reads and checks, `build_plan` resolves.
"""

from loadtest.counters import GroupKind
from loadtest.scenario.catalogue import CatalogueEntry, catalogue, catalogue_folder, comparisons
from loadtest.scenario.grammar.model import Run, Scenario
from loadtest.scenario.grammar.threshold import Metric, Threshold, parse_threshold
from loadtest.scenario.loading.dump import dump_scenario
from loadtest.scenario.loading.loader import LoadedScenario, load_scenario
from loadtest.scenario.loading.schema import scenario_schema
from loadtest.scenario.plan import (
    BindingSpec,
    ConsumerSpec,
    DeclaredTopology,
    ExchangeSpec,
    GetterSpec,
    Plan,
    PublisherSpec,
    QueueSpec,
)
from loadtest.scenario.planner import build_plan
from loadtest.scenario.schedule.arrivals import Arrivals, EvenArrivals, PoissonArrivals
from loadtest.scenario.values import Ack, Start

__all__ = [
    "Ack",
    "Arrivals",
    "BindingSpec",
    "CatalogueEntry",
    "ConsumerSpec",
    "DeclaredTopology",
    "EvenArrivals",
    "ExchangeSpec",
    "GetterSpec",
    "GroupKind",
    "LoadedScenario",
    "Metric",
    "Plan",
    "PoissonArrivals",
    "PublisherSpec",
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
