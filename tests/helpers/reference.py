"""The reference implementation of BSSEval."""

import importlib.util
from collections.abc import Callable
from importlib.metadata import distribution
from typing import Any


def museval_bss_eval() -> Callable[..., Any]:
    """Return `bss_eval` of museval's module of metrics, without its package: that one ends where there is no ffmpeg."""
    path = distribution("museval").locate_file("museval/metrics.py")
    spec = importlib.util.spec_from_file_location("museval_metrics", str(path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = module.bss_eval
    return found
