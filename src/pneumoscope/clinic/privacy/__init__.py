"""Privacy: de-identified exports, retention and purging."""
