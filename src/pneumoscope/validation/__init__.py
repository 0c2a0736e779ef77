"""Local validation: a bundle on a hospital's own radiographs, with stress tests and a report."""
