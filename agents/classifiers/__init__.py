"""Networks that see the whole scene at once: what attention is measured against."""
