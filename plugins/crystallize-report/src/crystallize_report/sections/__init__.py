"""What each section of a report says, as data for the templates."""
