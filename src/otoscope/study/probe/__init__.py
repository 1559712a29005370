"""What can be read off an activation linearly?"""
