"""Reports: one self-contained HTML page, one PDF, and the templates they are filled from."""
