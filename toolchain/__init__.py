"""Finds, installs or builds the programs that the lab and Pulumi need."""

from toolchain.cache import Origin, Tool, cache_root
from toolchain.errors import ToolError
from toolchain.packages import ensure_packages, missing_packages
from toolchain.report import Report, Step
from toolchain.resolve import Toolchain, demo_tools

__all__ = [
    "Origin",
    "Report",
    "Step",
    "Tool",
    "ToolError",
    "Toolchain",
    "cache_root",
    "demo_tools",
    "ensure_packages",
    "missing_packages",
]
