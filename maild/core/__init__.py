"""The use cases: a public function is one transaction, said in its docstring."""
