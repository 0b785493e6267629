"""What opsboard promises under faults, load and malice, a file for each kind of fault."""
