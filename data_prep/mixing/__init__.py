"""What the stage mix is made of: parts, duplicates, contamination, quotas, output."""
