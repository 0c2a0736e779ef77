"""Worklist: studies by urgency, judgements of readings, live updates."""
