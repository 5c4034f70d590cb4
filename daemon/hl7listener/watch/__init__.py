"""What is watched of feeds while they run: counts, usual gaps, alarms."""
