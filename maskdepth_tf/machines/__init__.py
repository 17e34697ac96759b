"""Work that other machines share, whichever Apache Beam finds."""
