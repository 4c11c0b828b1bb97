"""Images to learn from: corpus, drawn textures, views, and what light, occluders and the sensor do to them."""
