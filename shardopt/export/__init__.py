"""Plans as the settings of engines that run them."""
