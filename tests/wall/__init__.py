"""The wall between accounts: every function and every route, for every role."""
