"""What changes when a direction is added, scaled or removed, or a head taken out?"""
