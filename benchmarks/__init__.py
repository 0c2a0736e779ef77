"""How fast the package is, and against what; README.md beside this file has the commands."""
