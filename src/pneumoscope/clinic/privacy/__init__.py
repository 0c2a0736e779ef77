"""What leaves the clinic, and what does not stay: de-identified exports, retention, purging."""
