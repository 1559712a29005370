"""Train sparse dictionaries on a site, and score them beside their baselines."""
