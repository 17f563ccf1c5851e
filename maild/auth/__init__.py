"""What speaks for the sender: proof found in results that the operator trusts."""
