"""Which clips drive each feature most, and how do they sound?"""
