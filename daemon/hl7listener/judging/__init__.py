"""What a block turned out to be, judged before anything is stored or answered."""
