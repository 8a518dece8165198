"""What a mesh costs to preview, by its number of clusters."""
