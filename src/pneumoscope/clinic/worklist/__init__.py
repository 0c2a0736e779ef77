"""The worklist: studies by urgency, judgements of readings, and live changes."""
