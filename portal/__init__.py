"""The verification portal: finds the inputs, runs the check away from the web process, presents the result."""
