"""Foundations: errors, files, tables, parallel work, host, terminal, downloads, cache."""
