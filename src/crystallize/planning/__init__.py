"""What a run would be, before it is: a dry run, and how many replicates it takes to know enough."""
