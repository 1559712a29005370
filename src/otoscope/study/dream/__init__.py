"""Which input would drive a feature most?"""
