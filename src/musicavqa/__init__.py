"""Answer questions about a music performance from its picture and its sound.

`ask(video, question, ...)` is all most people need. Each verb of the command line has a function
here (docs/python.md has the table). Everything is imported when it is first used.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musicavqa.ask.asking import ask as ask
    from musicavqa.ask.asking import listen as listen
    from musicavqa.ask.reading import read as read
    from musicavqa.ask.searching import search as search
    from musicavqa.builders.balance import balance as balance
    from musicavqa.builders.head_tail import mark_head_tail as mark_head_tail
    from musicavqa.builders.rephrase import rephrase as rephrase
    from musicavqa.catalog.adding import add_to_catalog as add_to_catalog
    from musicavqa.catalog.lookup import catalog_datasets as catalog_datasets
    from musicavqa.catalog.lookup import catalog_methods as catalog_methods
    from musicavqa.catalog.lookup import catalog_results as catalog_results
    from musicavqa.catalog.lookup import check_catalog as check_catalog
    from musicavqa.datasets import about_dataset as about_dataset
    from musicavqa.datasets import check_dataset as check_dataset
    from musicavqa.datasets import list_datasets as list_datasets
    from musicavqa.datasets import load_dataset as load_dataset
    from musicavqa.features.encoders.doctor import doctor as doctor
    from musicavqa.features.exchange.comparing import compare_features as compare_features
    from musicavqa.features.exchange.exporting import export_features as export_features
    from musicavqa.features.exchange.importing import import_features as import_features
    from musicavqa.features.extraction.tidying import tidy_features as tidy_features
    from musicavqa.features.extraction.verify import verify_features as verify_features
    from musicavqa.llm.lmms_eval import export_lmms_eval as export_lmms_eval
    from musicavqa.llm.own import convert_llm as convert_llm
    from musicavqa.llm.runs import llm_report as llm_report
    from musicavqa.llm.runs import run_llm as run_llm
    from musicavqa.llm.teaching import merge_llm as merge_llm
    from musicavqa.llm.teaching import teach_llm as teach_llm
    from musicavqa.many_runs import shortcuts as shortcuts
    from musicavqa.methods.conversion import convert as convert
    from musicavqa.methods.registry import list_methods as list_methods
    from musicavqa.methods.registry import load_method as load_method
    from musicavqa.methods.showing import about_method as about_method
    from musicavqa.metrics.priors import reference_priors as reference_priors
    from musicavqa.reports.describe import describe as describe
    from musicavqa.reports.page import write_report as write_report
    from musicavqa.reports.survey_claims import audit_catalog as audit_catalog
    from musicavqa.scoring.comparing import compare as compare
    from musicavqa.scoring.grounding import grounding_of as grounding_of
    from musicavqa.scoring.importers import import_predictions as import_predictions
    from musicavqa.scoring.leaderboard import leaderboard as leaderboard
    from musicavqa.serve.running import serve as serve
    from musicavqa.workflow import evaluate as evaluate
    from musicavqa.workflow import extract_features as extract_features
    from musicavqa.workflow import list_streams as list_streams
    from musicavqa.workflow import predict as predict
    from musicavqa.workflow import render as render
    from musicavqa.workflow import robustness as robustness
    from musicavqa.workflow import teach as teach
    from musicavqa.workflow import train as train

__version__ = "0.1.0"

# Read by libraries when they are imported, in workers too; what is set already is kept.
_SWITCHES = {
    # Nothing is told to anybody.
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    # Threads of torch that wait sleep: by default they spin, and beside busy programs, which take
    # turns with them, an answer of seconds takes minutes (bench/ask.py).
    "OMP_WAIT_POLICY": "PASSIVE",
}
for _switch, _value in _SWITCHES.items():
    os.environ.setdefault(_switch, _value)

_HOMES = {
    "about_dataset": "musicavqa.datasets",
    "about_method": "musicavqa.methods.showing",
    "add_to_catalog": "musicavqa.catalog.adding",
    "ask": "musicavqa.ask.asking",
    "audit_catalog": "musicavqa.reports.survey_claims",
    "balance": "musicavqa.builders.balance",
    "catalog_datasets": "musicavqa.catalog.lookup",
    "catalog_methods": "musicavqa.catalog.lookup",
    "catalog_results": "musicavqa.catalog.lookup",
    "check_catalog": "musicavqa.catalog.lookup",
    "check_dataset": "musicavqa.datasets",
    "compare": "musicavqa.scoring.comparing",
    "compare_features": "musicavqa.features.exchange.comparing",
    "convert": "musicavqa.methods.conversion",
    "describe": "musicavqa.reports.describe",
    "doctor": "musicavqa.features.encoders.doctor",
    "evaluate": "musicavqa.workflow",
    "export_features": "musicavqa.features.exchange.exporting",
    "export_lmms_eval": "musicavqa.llm.lmms_eval",
    "extract_features": "musicavqa.workflow",
    "grounding_of": "musicavqa.scoring.grounding",
    "import_features": "musicavqa.features.exchange.importing",
    "import_predictions": "musicavqa.scoring.importers",
    "leaderboard": "musicavqa.scoring.leaderboard",
    "list_datasets": "musicavqa.datasets",
    "list_methods": "musicavqa.methods.registry",
    "list_streams": "musicavqa.workflow",
    "listen": "musicavqa.ask.asking",
    "load_dataset": "musicavqa.datasets",
    "convert_llm": "musicavqa.llm.own",
    "llm_report": "musicavqa.llm.runs",
    "merge_llm": "musicavqa.llm.teaching",
    "teach_llm": "musicavqa.llm.teaching",
    "load_method": "musicavqa.methods.registry",
    "mark_head_tail": "musicavqa.builders.head_tail",
    "predict": "musicavqa.workflow",
    "read": "musicavqa.ask.reading",
    "reference_priors": "musicavqa.metrics.priors",
    "render": "musicavqa.workflow",
    "rephrase": "musicavqa.builders.rephrase",
    "robustness": "musicavqa.workflow",
    "run_llm": "musicavqa.llm.runs",
    "search": "musicavqa.ask.searching",
    "serve": "musicavqa.serve.running",
    "shortcuts": "musicavqa.many_runs",
    "teach": "musicavqa.workflow",
    "tidy_features": "musicavqa.features.extraction.tidying",
    "train": "musicavqa.workflow",
    "verify_features": "musicavqa.features.extraction.verify",
    "write_report": "musicavqa.reports.page",
}
"""Function -> its module; type checkers read the imports above, which say the same."""
__all__ = list(_HOMES)

# Rooms of the same name are loaded first: a later import would put them where the function is.
for _room in ("ask", "serve"):
    import_module(f"musicavqa.{_room}")
    del globals()[_room]


if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module 'musicavqa' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
