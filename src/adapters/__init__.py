"""One folder for each outside thing; none knows another."""
