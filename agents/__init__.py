"""The Recurrent Attention Model and what it is measured against. Runs from a clone; not part of the wheel."""
