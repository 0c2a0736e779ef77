"""Public datasets to download: a catalogue, where they are published, and how they are laid out."""
