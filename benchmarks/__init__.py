"""Benchmarks of speed, memory and behaviour; README.md beside this file has the commands."""
