"""Schools, anchors, certificates and CRLs: who may sign for whom, and since when not."""
