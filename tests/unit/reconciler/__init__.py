"""The reconciler: each kind of drift, and which process leads."""
