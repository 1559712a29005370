"""What does the decoder say next, given a prompt and no sound?"""
