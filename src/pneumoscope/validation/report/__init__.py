"""Reports of local validations and stress tests: figures, JSON and pages."""
