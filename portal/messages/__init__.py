"""Messages to people: kept with the act that they tell of, sent afterwards by the worker."""
