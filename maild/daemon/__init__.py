"""The composition root: settings become a store, doors, deciders and a schedule, and end in good order."""
