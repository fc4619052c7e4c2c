"""The command line of whoever runs the portal: thin, over the same services as the pages."""
