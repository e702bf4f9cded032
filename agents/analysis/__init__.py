"""What is made of results: tables, plots, and studies of trained agents."""
