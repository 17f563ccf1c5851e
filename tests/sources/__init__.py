"""The named cases of collecting, each as a promise to an admin, against real servers."""
