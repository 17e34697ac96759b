"""Video files to frames with their times, and back, by the ffmpeg command."""
