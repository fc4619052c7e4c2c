"""What a department (Sở) does: lets schools and agencies in, looks after alarms, counts."""
