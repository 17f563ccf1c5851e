"""The API: what people may do, over HTTP and in JSON, in the name of whose token opens it."""
