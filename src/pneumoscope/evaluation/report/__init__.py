"""Reports of evaluations and experiments: tables, figures, JSON and pages."""
