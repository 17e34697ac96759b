"""What disturbs a picture, each by plain numbers: no severities, no rows."""
