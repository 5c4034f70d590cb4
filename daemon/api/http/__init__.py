"""What every part of the API shares: who asks, what can be asked, how it is read, answered, refused and described."""
