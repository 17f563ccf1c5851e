"""The HTTP door: `POST /in/ADDRESS` with the inbox's key takes one mail."""
