"""Rooms and figures as triangles, and a ray caster that lights and sees them.

Lengths are metres, z is up, a figure or piece of furniture stands on z = 0 around
x = y = 0 and looks towards +y. Colours are sRGB in [0, 1] where they are chosen and
linear light wherever light is computed. Nothing here imports TensorFlow: worker
processes start at once.
"""
