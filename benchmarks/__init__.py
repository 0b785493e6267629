"""Benchmarks: every figure is a ratio of contenders measured side by side, in one run."""
