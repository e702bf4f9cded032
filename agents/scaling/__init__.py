"""Many trainings at once, on one machine or on many, by Ray. Needs: pip install -e ".[agents,ray]"."""
