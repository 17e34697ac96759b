"""What a trained network answers, and its scores."""
