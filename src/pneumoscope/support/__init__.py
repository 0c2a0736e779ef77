"""Foundations that know no other room: errors, files, parallel work, host, terminal, cache."""
