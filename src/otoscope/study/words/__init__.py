"""Which frames did each word of the transcript come from?"""
