"""What is transcribed when each frame may attend to its neighbours alone?"""
