"""Methods on real photographs and videos: what they find, and how often they are wrong and sure."""
