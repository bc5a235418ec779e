"""
What happened: histograms, the ledger of every message, windows, the journal, and the collector that merges them.

Does not know what a run means (`result`) nor who made it happen (`traffic`). Needs numpy, hdrhistogram and pyroaring.
"""

from loadtest.measure.collector import Collector
from loadtest.measure.group_totals import GroupTotals
from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.journal import Journal, read_journal
from loadtest.measure.ledger.ledger import Ledger, LedgerTotals
from loadtest.measure.ledger.losses import Losses, LostMessage
from loadtest.measure.recorder.recorder import DeliveryRecorder, PublisherRecorder, Recorder
from loadtest.measure.timeline import Timeline
from loadtest.measure.window import GroupWindow, Window

__all__ = [
    "Collector",
    "DeliveryRecorder",
    "GroupTotals",
    "GroupWindow",
    "Histogram",
    "Journal",
    "Ledger",
    "LedgerTotals",
    "Losses",
    "LostMessage",
    "PublisherRecorder",
    "Recorder",
    "Timeline",
    "Window",
    "read_journal",
]
