"""The verification portal: finds inputs, has them checked outside the web process, presents the result."""
