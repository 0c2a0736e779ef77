"""What is written: judgements and experiments as tables in words and self-contained pages."""
