"""What people look at: the run's report, comparisons, drawings and contact sheets."""
