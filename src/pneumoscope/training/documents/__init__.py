"""Documents of a Run: model card, datasheet and CLAIM checklist."""
