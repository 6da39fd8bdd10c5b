"""What the plugin does while Axolotl trains: clock, schedule, deadline, checks before the first step, clean stops."""
