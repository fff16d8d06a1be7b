"""What a model looked at: saliency maps, their evidence in the lungs, and whether the maps can be trusted."""
